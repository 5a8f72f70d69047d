"""Configurations for tests: from text in a folder, with readers and recorders that take every sort of key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from expvastic.clients.endpoint import EndpointText
from expvastic.config import Catalogue, Config, load
from expvastic.datatypes import Container, Reading
from expvastic.errors import ConfigError
from expvastic.reader import Reader
from expvastic.recorder import Recorder, Verdict
from expvastic.settings import ByteSize, SettingsModel, Words, parse_words


class ProbeSettings(SettingsModel):
    """A reader of tests."""

    endpoint: EndpointText
    """Where."""
    username: str | None = None
    """Who."""
    password: SecretStr | None = None
    """With what."""
    headers: Annotated[dict[str, SecretStr], Field(default_factory=dict)]
    """Also sent."""
    include: Words = ()
    """Which."""
    alone: str | list[str] = ""
    """One or several."""
    limit: ByteSize = 1000
    """How much."""
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What part."""
    level: Literal[1, 2] = 1
    """Which one."""
    since: date | None = None
    """From when."""
    follow: Literal[True, False, "same_host"] = "same_host"
    """Whether."""

    @model_validator(mode="after")
    def _check_user(self) -> Self:
        if self.username == "root":
            raise ValueError("root may not")
        return self


class IdleSettings(SettingsModel):
    """A reader of tests that needs nothing."""


class SinkSettings(SettingsModel):
    """A recorder of tests."""

    endpoint: Annotated[tuple[EndpointText, ...], BeforeValidator(parse_words)] = ()
    """Where."""
    index_name: Annotated[str, Field(min_length=1)] = "samples"
    """What."""
    api_key: SecretStr | None = None
    """With what."""


class ProbeReader(Reader[ProbeSettings]):
    settings_type = ProbeSettings
    prefix = "probe"

    @property
    def target(self) -> str:
        return self.settings.endpoint.address

    async def read(self) -> Reading:
        raise NotImplementedError


class IdleReader(Reader[IdleSettings]):
    settings_type = IdleSettings
    prefix = "idle"

    @property
    def target(self) -> str:
        return ""

    async def read(self) -> Reading:
        raise NotImplementedError


class SinkRecorder(Recorder[SinkSettings]):
    settings_type = SinkSettings

    @property
    def destination(self) -> str:
        return f"{self.settings.endpoint}/{self.settings.index_name}"

    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        raise NotImplementedError


CATALOGUE = Catalogue({"probe": ProbeReader, "idle": IdleReader}, {"sink": SinkRecorder})
REST = """\
recorders:
  es: {type: sink}
routes:
  main: {readers: app, recorders: es}
"""


def load_text(
    text: str, folder: Path, environment: dict[str, str] | None = None, catalogue: Catalogue | None = CATALOGUE
) -> Config:
    """Load a file with this text; without a catalogue the types that come with expvastic."""
    path = folder / "expvastic.yml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return load(path, environment or {}, catalogue)


def complaints(
    text: str, folder: Path, environment: dict[str, str] | None = None, catalogue: Catalogue | None = CATALOGUE
) -> list[str]:
    """What is wrong with a text, with the file's name alone."""
    try:
        load_text(text, folder, environment, catalogue)
    except ConfigError as error:
        return [str(complaint).replace(f"{folder}/", "") for complaint in error.complaints]
    return []


def remarks(config: Config) -> list[str]:
    """What the user is told, without the file's name."""
    return [str(remark).partition("expvastic.yml")[2] for remark in config.remarks]


def with_reader(*lines: str) -> str:
    """A file whose reader ``app`` is a probe with these keys, from line 4 on."""
    keys = "".join(f"    {line}\n" for line in ("type: probe", *lines))
    return f"readers:\n  app:\n{keys}{REST}"
