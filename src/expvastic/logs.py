"""Logging: readable on a terminal, JSON otherwise; no secret and no control character gets through."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

MASK = "***"
_LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

LogFormat = Literal["auto", "text", "json"]


def configure(level: str, form: LogFormat, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Set up the process's logging to ``stream`` (standard error); called once, at start."""
    import structlog

    out = stream or sys.stderr
    is_text = form == "text" or (form == "auto" and out.isatty())
    structlog.configure(
        processors=[*_before_rendering(is_text, secrets), _renderer(is_text, colors=is_text and out.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Writer(out),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(capture=True)
    logging.getLogger().handlers = [_Forward(logging.WARNING)]


def logger(level: str | None = None, **fields: object) -> FilteringBoundLogger:
    """A logger whose every line has these fields; ``level`` is for this one alone."""
    import structlog

    log: FilteringBoundLogger = structlog.get_logger(**fields)
    if level is None:
        return log
    wrapper = structlog.make_filtering_bound_logger(_LEVELS[level])
    own: FilteringBoundLogger = structlog.wrap_logger(None, wrapper_class=wrapper).bind(**fields)
    return own


def visible(text: str) -> str:
    """The text with control characters spelled out (``\\x1b``), so that no foreign text can drive a terminal."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def _before_rendering(is_text: bool, secrets: Iterable[str]) -> list[Processor]:
    import structlog

    stamp = structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S" if is_text else "iso", utc=not is_text)
    return [
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


class _Writer:
    """Writes lines to a stream; one that cannot be written (its disk is full, its reader has left) costs its lines."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._out.write(message + "\n")
            self._out.flush()

    debug = info = warning = error = msg


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
