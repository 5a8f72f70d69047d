"""One reader's loop: wait, read, interpret, offer each container to every delivery; nothing else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .settings import Duration, SettingsModel

LogLevel = Literal["debug", "info", "warn", "warning", "error"]


class EngineSettings(SettingsModel):
    """When a reader is read."""

    interval: Duration = 10.0
    """Time from one poll's start to the next."""
    timeout: Duration = 5.0
    """A poll that takes longer has failed. It may be above the interval."""
    backoff: Annotated[int, Field(ge=1)] = 10
    """After so many failures in a row polls are spaced out, up to 5 minutes, until one succeeds."""
    log_level: LogLevel | None = None
    """The log level of this reader alone."""
