"""The listener: its pages, how it is opened and closed, and its unix socket."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from expvastic.errors import ExpvasticError
from expvastic.listener import Listener
from expvastic.listener.connections import load_conversation
from listening import listening, raw, read_or_reset
from snapshots import make_recorder, make_snapshot

pytestmark = pytest.mark.usefixtures("quiet_loop")


@pytest.fixture
def quiet_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that the event loop would have to complain of."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


@pytest.mark.parametrize(
    ("path", "content_type", "content"),
    [
        ("/", "text/plain; charset=utf-8", "/healthz\n/readyz\n/metrics\n/debug/vars\n"),
        ("/healthz", "application/json; charset=utf-8", '"state":"running"'),
        ("/readyz", "application/json; charset=utf-8", '"ready":true'),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", 'expvastic_reader_polls_total{reader="app"} 100\n'),
        ("/debug/vars", "application/json; charset=utf-8", '"Read Jobs":100'),
        ("/debug/vars?pretty=1", "application/json; charset=utf-8", '"Read Jobs":100'),
    ],
)
async def test_it_serves_its_pages(path: str, content_type: str, content: str) -> None:
    async with listening() as client:
        answer = await client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert content in answer.text


async def test_what_answers_is_loaded_before_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = asyncio.Event()
    monkeypatch.setattr("expvastic.listener.LOADED_AFTER", 0.0)
    monkeypatch.setattr("expvastic.listener.load_conversation", loaded.set)

    async with Listener("127.0.0.1:0", make_snapshot), asyncio.timeout(10):
        await loaded.wait()

    assert load_conversation().__module__ == "expvastic.listener.conversation"


async def test_pages_are_of_the_moment_and_not_to_be_kept() -> None:
    polls = iter(range(1, 3))

    async with listening(snapshot=lambda: make_snapshot(time=1e9 + next(polls), started=1e9)) as client:
        answers = [await client.get("/healthz") for _ in range(2)]

    assert [answer.json()["uptime_seconds"] for answer in answers] == [1.0, 2.0]
    assert answers[0].headers["cache-control"] == "no-store"


async def test_it_is_not_ready_when_every_recorder_is_dropped() -> None:
    dropped = make_snapshot(recorders={"es": make_recorder(state="dropped")})

    async with listening(snapshot=lambda: dropped) as client:
        ready, healthy = await client.get("/readyz"), await client.get("/healthz")

    assert ready.status_code == 503
    assert ready.json()["dropped_recorders"] == ["es"]
    assert healthy.status_code == 200


async def test_head_answers_without_a_body() -> None:
    async with listening() as client:
        whole, head = await client.get("/metrics"), await client.head("/metrics")

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
async def test_nothing_can_be_written(method: str) -> None:
    async with listening() as client:
        answer = await client.request(method, "/debug/vars")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


async def test_a_page_that_is_not_there_is_told_with_those_that_are() -> None:
    async with listening() as client:
        answer = await client.get("/debug/pprof")

    assert answer.status_code == 404
    assert "/debug/vars" in answer.text


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with listening() as client:
        for _ in range(3):
            last = await client.get("/healthz")
        stream = last.extensions["network_stream"]

        assert last.headers.get("connection") is None
        assert stream.get_extra_info("socket").fileno() > 0


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        request = b"GET /%s HTTP/1.1\r\nHost: x\r\n%s\r\n"
        answer = await raw(
            listener.port, request % (b"healthz", b"") + request % (b"nothing", b"Connection: close\r\n")
        )

    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200", b"404"]


async def test_the_host_header_changes_nothing() -> None:
    async with listening() as client:
        answers = [await client.get("/", headers={"Host": host}) for host in ("localhost", "evil.test", "127.0.0.1:1")]

    assert len({(answer.status_code, answer.text, answer.headers.get("location")) for answer in answers}) == 1


# -- opening and closing --


async def test_leaving_ends_its_connections_and_may_be_repeated() -> None:
    listener = Listener("127.0.0.1:0", make_snapshot)
    async with listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
    await listener.__aexit__(None, None, None)

    assert b"HTTP" not in await read_or_reset(reader)
    writer.close()


async def test_a_connection_that_comes_while_it_is_left_is_ended() -> None:
    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        connecting = socket.create_connection(("127.0.0.1", listener.port))  # and the loop has not seen it yet
    with connecting:
        connecting.settimeout(10)

        assert await asyncio.to_thread(_receive, connecting) == b""


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


async def test_leaving_without_having_entered_is_harmless() -> None:
    listener = Listener("127.0.0.1:0", make_snapshot)

    await listener.__aexit__(None, None, None)

    assert listener.port == 0


async def test_it_serves_over_ipv6() -> None:
    async with listening("[::1]:0") as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_port_in_use_is_said_in_one_line() -> None:
    async with Listener("127.0.0.1:0", make_snapshot) as first:
        with pytest.raises(ExpvasticError) as raised:
            async with Listener(f"127.0.0.1:{first.port}", make_snapshot):
                pass

        assert str(raised.value) == f"settings.listen: 127.0.0.1:{first.port} is in use; choose another port"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "is not allowed for this user; choose a port above 1023"),
        (errno.EADDRNOTAVAIL, "is no address of this machine; choose 127.0.0.1"),
        (errno.EMFILE, "cannot be had: Too many open files"),
    ],
)
async def test_an_address_that_cannot_be_had_is_said_in_one_line(
    number: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(asyncio, "start_server", fail)

    with pytest.raises(ExpvasticError) as raised:
        async with Listener("127.0.0.1:80", make_snapshot):
            pass

    assert str(raised.value) == f"settings.listen: 127.0.0.1:80 {message}"


# -- unix sockets --


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "look.sock"


async def ask(path: Path) -> int:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get("/healthz")).status_code


@pytest.mark.parametrize("form", ["{}", "unix:{}", "unix://{}"])
async def test_it_serves_on_a_unix_socket_and_removes_it(path: Path, form: str) -> None:
    async with Listener(form.format(path), make_snapshot) as listener:
        status = await ask(path)

    assert status == 200
    assert listener.port == 0
    assert not path.exists()


async def test_leaving_a_unix_socket_twice_leaves_that_of_another(path: Path) -> None:
    async with Listener(str(path), make_snapshot) as first:
        pass
    async with Listener(str(path), make_snapshot):
        await first.__aexit__(None, None, None)

        assert await ask(path) == 200


async def test_a_unix_socket_is_for_its_user_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        async with Listener(str(path), make_snapshot):
            mode = stat.S_IMODE(path.stat().st_mode)
    finally:
        os.umask(before)

    assert mode == 0o600


async def test_a_stale_unix_socket_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))

    async with Listener(str(path), make_snapshot):
        assert await ask(path) == 200


async def test_a_unix_socket_on_which_somebody_answers_is_left_to_him(path: Path) -> None:
    async with Listener(str(path), make_snapshot):
        with pytest.raises(ExpvasticError, match=f"settings.listen: {path} is in use; choose another path"):
            async with Listener(str(path), make_snapshot):
                pass

        assert await ask(path) == 200


async def test_a_unix_socket_with_a_full_queue_is_in_use(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))

        with pytest.raises(ExpvasticError, match="is in use"):
            async with Listener(str(path), make_snapshot):
                pass


async def test_a_file_in_place_of_the_unix_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")

    with pytest.raises(ExpvasticError, match="is there and no socket; remove it or choose another path"):
        async with Listener(str(path), make_snapshot):
            pass

    assert path.read_text() == "precious"


async def test_a_unix_socket_that_another_has_put_there_is_not_removed(path: Path) -> None:
    async with Listener(str(path), make_snapshot):
        path.unlink()
        path.write_text("another's")

    assert path.exists()


async def test_a_missing_folder_is_said_in_one_line(path: Path) -> None:
    with pytest.raises(ExpvasticError, match=r"settings.listen: .* cannot be had: No such file or directory"):
        async with Listener(str(path.parent / "missing" / "x.sock"), make_snapshot):
            pass
