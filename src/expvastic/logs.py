"""Logging: readable on a terminal, JSON otherwise; no secret and no control character gets through."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

MASK = "***"
_LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}
_CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"

LINES_WAITING = 10_000
_LOCKED_BYTE = 1  # any but the one that standard output's writers lock, for it may be the same pipe
_DROPPED_JSON = '{"event": "log lines dropped", "level": "error", "lines": %d}'
_DROPPED_TEXT = "%d log lines dropped: they could not be written in time"

LogFormat = Literal["auto", "text", "json"]


def configure(
    level: str,
    form: LogFormat,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    *,
    shares: bool = False,
    when_said: bool = False,
    **fields: object,
) -> None:
    """Set up the process's logging to ``stream`` (standard error); called once, at start.

    Every line has the ``fields``. With ``shares``, other processes write to the stream as well, and all of them leave
    each other's lines whole. ``when_said`` puts off what takes time to the first line that is said by a ``logger``: a
    poll need not wait for it.
    """
    out = stream or sys.stderr
    is_text = form == "text" or (form == "auto" and out.isatty())
    writer = _Writer(out, shares=shares)
    _writers[:] = [writer]
    _put_off[:] = [
        partial(_set_up, writer, level, frozenset(secrets), fields, is_text=is_text, colors=is_text and out.isatty())
    ]
    if not when_said:
        _catch_up()
    logging.captureWarnings(capture=True)
    logging.getLogger().handlers = [_Forward(logging.WARNING)]


def _set_up(
    writer: _Writer, level: str, secrets: Iterable[str], fields: Mapping[str, object], *, is_text: bool, colors: bool
) -> None:
    import structlog

    structlog.configure(
        processors=[*_before_rendering(is_text, secrets, fields), _renderer(is_text, colors=colors)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )


def _catch_up() -> None:
    while _put_off:
        _put_off.pop()()


def flush(limit: float = 0.5) -> None:
    """Wait until what was said is written, so long at most."""
    for writer in _writers:
        writer.flush(limit)


def logger(level: str | None = None, **fields: object) -> FilteringBoundLogger:
    """A logger whose every line has these fields; ``level`` is for this one alone."""
    return cast("FilteringBoundLogger", _Logger(level, fields))


def visible(text: str) -> str:
    """The text with control characters spelled out (``\\x1b``), so that no foreign text can drive a terminal."""
    return re.sub(_CONTROL, lambda found: ascii(found[0])[1:-1], text)


def _before_rendering(is_text: bool, secrets: Iterable[str], fields: Mapping[str, object]) -> list[Processor]:
    import structlog

    stamp = structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S" if is_text else "iso", utc=not is_text)
    return [
        lambda _log, _method, event: {**event, **fields},
        structlog.processors.add_log_level,
        stamp,
        structlog.processors.format_exc_info,
        _Cleaner(secrets, visible_only=is_text),
    ]


def _renderer(is_text: bool, *, colors: bool) -> Processor:
    import structlog

    if not is_text:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24, exception_formatter=_as_it_is)


def _as_it_is(stream: TextIO, info: Any) -> None:
    stream.write(str(info))


class _Logger:
    """One of structlog's loggers, made anew for each line; structlog is imported with the first one."""

    __slots__ = ("_fields", "_level")

    def __init__(self, level: str | None, fields: Mapping[str, object]) -> None:
        self._level = level
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bound(), name)

    def _bound(self) -> FilteringBoundLogger:
        import structlog

        _catch_up()
        if self._level is None:
            log: FilteringBoundLogger = structlog.get_logger(**self._fields)
            return log
        wrapper = structlog.make_filtering_bound_logger(_LEVELS[self._level])
        own: FilteringBoundLogger = structlog.wrap_logger(None, wrapper_class=wrapper).bind(**self._fields)
        return own


class _Writer:
    """Writes lines to a stream; one that cannot be written (its disk is full, its reader has left) costs its lines.

    A stream of the system is written by a thread: a terminal that is stopped, or a pipe that nobody reads, must not
    stop the process. Lines beyond ``LINES_WAITING`` are dropped meanwhile, and counted.
    """

    def __init__(self, out: TextIO, *, shares: bool = False) -> None:
        self._out = out
        self._shares = shares
        self._lines: queue.Queue[str] = queue.Queue(LINES_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        if self._is_of_the_system():
            self._thread.start()

    def msg(self, message: str) -> None:
        if not self._thread.is_alive():
            self._write(message)
            return
        try:
            self._lines.put_nowait(message)
        except queue.Full:
            self._dropped += 1

    debug = info = warning = error = msg

    def flush(self, limit: float) -> None:
        """Wait until all is written, so long at most."""
        until = time.monotonic() + limit
        while self._lines.unfinished_tasks and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.002)

    def _is_of_the_system(self) -> bool:
        try:
            return self._out.fileno() >= 0
        except (OSError, ValueError):
            return False

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                told = _DROPPED_JSON if line.startswith("{") else _DROPPED_TEXT
                line += "\n" + told % dropped
            self._write(line)
            self._lines.task_done()

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError), self._alone():
            self._out.write(line + "\n")
            self._out.flush()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """A pipe takes a long line in pieces: keep other processes from writing meanwhile, where that can be had."""
        is_locked = False
        if self._shares:
            with contextlib.suppress(OSError, ValueError):
                fcntl.lockf(self._out, fcntl.LOCK_EX, 1, _LOCKED_BYTE)
                is_locked = True
        try:
            yield
        finally:
            if is_locked:
                fcntl.lockf(self._out, fcntl.LOCK_UN, 1, _LOCKED_BYTE)


class _Cleaner:
    """Masks secrets in every string of an event, and makes control characters visible where a terminal reads."""

    def __init__(self, secrets: Iterable[str], *, visible_only: bool) -> None:
        found = sorted((re.escape(secret) for secret in secrets if len(secret) > 2), key=len, reverse=True)
        self._secrets = re.compile("|".join(found)) if found else None
        self._visible_only = visible_only

    def __call__(self, _log: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: value if name == "exception" else self._clean(value) for name, value in event.items()}

    def _clean(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._clean(name): self._clean(item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(item) for item in value]
        if not isinstance(value, str):
            return value
        masked = self._secrets.sub(MASK, value) if self._secrets else value
        return visible(masked) if self._visible_only else masked


class _Forward(logging.Handler):
    """What libraries warn of, as debug lines of ours: an operator reads ours first."""

    def emit(self, record: logging.LogRecord) -> None:
        logger().debug("library warned", library=record.name, message=record.getMessage())


_writers: list[_Writer] = []  # the one that is in use
_put_off: list[Callable[[], None]] = []
