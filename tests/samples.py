"""Containers for tests: small, valid, different from one another."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from expvastic.datatypes import Container, Kind, ListOf, Poll, Scalar

START = 1_795_231_860_000_000  # 2026-11-21T03:31:00Z, in microseconds


def make_container(
    number: int = 0, reader: str = "app", time: int | None = None, **values: Scalar | ListOf
) -> Container:
    """A container as an interpreter would make it.

    Number n is read n seconds after number 0, unless ``time`` (microseconds) is given, and holds ``expvar.count`` = n,
    unless ``values`` are given. Equal numbers give equal ids; values with dotted names come as ``**{"expvar.a": 1}``.
    """
    moment = START + number * 1_000_000 if time is None else time
    values = values or {"expvar.count": number}
    document = {"@timestamp": _spell(moment), "service.name": reader, "event.dataset": "expvar", **values}
    return Container(
        id=f"{reader}-{number:06d}",
        time=moment,
        reader=reader,
        document=msgspec.json.encode(document),
        kinds=bytes(map(_kind_of, values.values())),
    )


def make_containers(count: int, reader: str = "app", first: int = 0) -> list[Container]:
    """So many containers with numbers that follow one another."""
    return [make_container(number, reader) for number in range(first, first + count)]


def make_poll(*containers: Container, number: int = 1, knowledge: bytes = b"") -> Poll:
    """A poll that gave these containers; without any, one of the reader ``app``."""
    return Poll(containers[0].reader if containers else "app", number, containers, knowledge)


def _spell(moment: int) -> str:
    seconds, microseconds = divmod(moment, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{microseconds:06d}Z"


def _kind_of(value: Scalar | ListOf) -> Kind:
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, list):
        return Kind.STRING_LIST if value and isinstance(value[0], str) else Kind.FLOAT_LIST
    return {int: Kind.INTEGER, float: Kind.FLOAT, str: Kind.STRING}[type(value)]
