"""The commands. Nothing heavy is imported before a command needs it: ``--help`` and ``--version`` answer at once."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import ConfigError, ExpvasticError
from .flags import COMMANDS, parse
from .starting import import_pydantic, undisturbed

DONE, FAILED, USAGE, LOST = 0, 1, 2, 3  # exit codes; 128 + n after a second signal n


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Every complaint is one line on standard error."""

    def work() -> int:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        module, _summary = COMMANDS[options.command]
        with undisturbed():
            if "config" in options:
                import_pydantic()
            command = importlib.import_module(f".{module}", __name__)
        return int(command.main(options))

    return answering(work)


def answering(work: Callable[[], int]) -> int:
    """The exit code of what is to be done, or of what it raises."""
    _prepare_streams()
    try:
        code = work()
        sys.stdout.flush()
        return code
    except ConfigError as error:
        _complain(str(error))
        return USAGE
    except ExpvasticError as error:
        _complain(f"expvastic: {error}")
        return FAILED
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 1
        )  # whoever read our output has left; nothing is to be flushed to him
        return FAILED
    except OSError as error:
        _complain(f"expvastic: cannot write the answer: {error.strerror or error}")
        return FAILED
    except KeyboardInterrupt:
        return 130


def _prepare_streams() -> None:
    """Output that is closed goes nowhere, and what its encoding cannot spell is escaped."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for the life of the process
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201  # a command's answer
