"""What the loop may do to a connection, and in which order, without a socket."""

from __future__ import annotations

import asyncio

from expvastic.clients.body import Body
from expvastic.clients.fetch import Fetched
from expvastic.clients.lean.connection import Connection
from expvastic.errors import ReadError

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_aborted


def judge(status: int, headers: object) -> Body:
    return Body("", 1000, "here")


def connected(judge: object = judge) -> tuple[Connection, FakeTransport]:
    connection, transport = Connection("here", judge), FakeTransport()
    connection.connection_made(transport)
    return connection, transport


def receive(connection: Connection, data: bytes) -> None:
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))


async def test_an_answer_settles_what_was_asked() -> None:
    connection, transport = connected()
    outcome = connection.ask(b"question", 0)
    receive(connection, ANSWER)

    received = await outcome
    assert isinstance(received, Fetched)
    assert (received.body, transport.written, connection.is_open) == (b"{}", b"question", True)


async def test_a_connection_that_nobody_wants_any_more_is_closed_as_soon_as_it_is_made() -> None:
    connection, transport = Connection("here", judge), FakeTransport()
    connection.abort()
    connection.connection_made(transport)

    assert transport.is_aborted
    assert not connection.is_open


async def test_a_connection_whose_end_is_about_to_be_told_is_not_open() -> None:
    connection, transport = connected()
    transport.abort()

    assert not connection.is_open


async def test_an_answer_to_a_poll_that_was_cancelled_closes_the_connection() -> None:
    connection, transport = connected()
    connection.ask(b"", 0).cancel()
    receive(connection, ANSWER)

    assert transport.is_aborted
    assert not connection.is_open


async def test_a_connection_may_be_lost_after_the_poll_was_cancelled() -> None:
    connection, _ = connected()
    outcome = connection.ask(b"", 0)
    outcome.cancel()
    connection.connection_lost(None)

    assert outcome.cancelled()
    assert not connection.is_open


async def test_a_fault_of_ours_is_not_taken_for_one_of_the_target_s() -> None:
    def broken(status: int, headers: object) -> Body:
        raise LookupError("bug")

    connection, transport = connected(broken)
    outcome = connection.ask(b"", 0)
    receive(connection, ANSWER)

    assert isinstance(await outcome, LookupError)
    assert transport.is_aborted


async def test_a_connection_that_is_lost_twice_over_is_lost() -> None:
    connection, _ = connected()
    outcome = connection.ask(b"", 0)
    connection.connection_lost(OSError("broken pipe"))
    connection.abort()

    error = await outcome
    assert isinstance(error, ReadError)
    assert (error.reason, connection.is_untouched) == ("closed", True)
