"""What a command line means: which recorder, which state directory, how long."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Iterator
from pathlib import Path

from ..config import Config, RecorderPlan
from ..errors import Complaint, ConfigError, ExpvasticError, StateError
from ..logs import visible
from ..settings import parse_duration


class UsageError(ConfigError):
    """The command line asks for what cannot be done."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__([Complaint(visible(where), visible(message))])


def configured_recorder(config: Config, name: str, where: str) -> RecorderPlan:
    """The recorder of that name. Raises ConfigError with the nearest name if there is none."""
    return config.recorders[known_recorder(config.recorders, name, where, f"in {config.source}")]


def known_recorder(known: Collection[str], name: str, where: str, place: str) -> str:
    """The name as it is known, which is the same, or the only one that differs in case alone."""
    alike = [name] if name in known else [other for other in known if other.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    words = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), words, n=1)
    hint = f"; did you mean {words[near[0]]}?" if near else f"; there is {', '.join(known)}" if known else ""
    raise UsageError(where, f"no recorder {name} {place}{hint}")


def state_path(config: Config) -> Path:
    """The state directory. Raises ExpvasticError if there is to be none."""
    if config.settings.state_dir is None:
        raise ExpvasticError(f"there is no state_dir in {config.source}, so nothing is kept; see settings.state_dir")
    return Path(config.settings.state_dir)


def duration(text: str, option: str) -> float:
    """Seconds. Raises ConfigError."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(option, str(error)) from None


@contextlib.contextmanager
def telling_of(folder: Path) -> Iterator[None]:
    """Make one line for the user of an OSError about a folder in the state directory."""
    try:
        yield
    except OSError as error:
        raise StateError(f"{folder}: {error.strerror or error}; see to the disk that holds state_dir") from error
