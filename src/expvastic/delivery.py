"""One recorder's worker: batch, retry, drop, rejoin."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .settings import ByteSize, Duration, SettingsModel


class BatchSettings(SettingsModel):
    """A batch leaves at the first of the three."""

    count: Annotated[int, Field(ge=1)] = 500
    """Containers."""
    bytes: ByteSize = 5_000_000
    """Bytes of documents."""
    wait: Duration = 1.0
    """Time that the oldest container has waited."""


class RetrySettings(SettingsModel):
    """Pauses after failures: random between zero and a bound that doubles from `initial` to `max`."""

    initial: Duration = 1.0
    """The first bound."""
    max: Duration = 30.0
    """The last bound."""


class BufferSettings(SettingsModel):
    """What waits for its recorder."""

    type: Literal["memory"] = "memory"
    """Where it waits."""
    max_bytes: ByteSize = 32 * 2**20
    """Bytes that it may hold."""
    max_age: Duration | None = None
    """What waited longer is shed."""
    when_full: Literal["shed_oldest", "shed_newest"] = "shed_oldest"
    """What goes when it is full."""


class DeliverySettings(SettingsModel):
    """How containers are brought to a recorder."""

    timeout: Duration = 30.0
    """A delivery that takes longer has failed; so has making contact."""
    backoff: Annotated[int, Field(ge=1)] = 10
    """After so many failures in a row the recorder is dropped: probed with growing pauses until it rejoins."""
    batch: BatchSettings = BatchSettings()
    """When a batch leaves."""
    retry: RetrySettings = RetrySettings()
    """Pauses between tries."""
    buffer: BufferSettings = BufferSettings()
    """What waits while the recorder is busy or away."""
