"""Bodies: whole, byte by byte and with a tail they are the same, and never above the limit."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

import pytest

from expvastic.clients.body import Body
from expvastic.errors import ReadError

PAGE = b'{"memstats": {"Alloc": 2780496}}' * 8


def collect(pieces: Iterable[bytes], encoding: str = "", limit: int = 10_000) -> bytes:
    body = Body(encoding, limit, "http://host")
    for piece in pieces:
        body.feed(piece)
    return body.finish()


def reason_of(pieces: Iterable[bytes], encoding: str = "gzip", limit: int = 10_000) -> str:
    with pytest.raises(ReadError, match="http://host: ") as caught:
        collect(pieces, encoding, limit)
    return caught.value.reason


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("encoding", "data"), [("", PAGE), ("identity", PAGE), (" GZip ", gzip.compress(PAGE))])
def test_it_is_the_same_in_one_piece_and_byte_by_byte(encoding: str, data: bytes) -> None:
    assert collect([data], encoding) == PAGE
    assert collect(bytewise(data), encoding) == PAGE


def test_an_empty_body_is_empty() -> None:
    assert collect([]) == b""


@pytest.mark.parametrize("tail", [b"x", b"\0", gzip.compress(b"more")])
def test_a_tail_behind_gzip_is_refused_in_one_piece_and_byte_by_byte(tail: bytes) -> None:
    data = gzip.compress(PAGE) + tail

    assert reason_of([data]) == "encoding"
    assert reason_of(bytewise(data)) == "encoding"


def test_gzip_cut_anywhere_is_refused() -> None:
    data = gzip.compress(PAGE)

    assert {reason_of([data[:end]]) for end in range(len(data))} == {"encoding"}


@pytest.mark.parametrize("data", [PAGE, zlib.compress(PAGE), b"\x1f\x8b\x08"])
def test_what_is_not_gzip_is_refused(data: bytes) -> None:
    assert reason_of([data]) == "encoding"


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "é" * 1000])
def test_an_encoding_that_nobody_asked_for_is_refused_in_one_line(encoding: str) -> None:
    with pytest.raises(ReadError, match="content-encoding") as caught:
        Body(encoding, 1, "http://host")

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("encoding", "pack"), [("", bytes), ("gzip", gzip.compress)])
def test_the_limit_itself_is_allowed_and_a_byte_more_is_not(encoding: str, pack: object) -> None:
    assert callable(pack)

    assert len(collect([pack(b"x" * 500)], encoding, 500)) == 500
    assert reason_of([pack(b"x" * 501)], encoding, 500) == "too_large"
    assert reason_of(bytewise(pack(b"x" * 501)), encoding, 500) == "too_large"


def test_a_bomb_is_not_inflated_beyond_the_limit() -> None:
    body = Body("gzip", 1000, "http://host")
    with pytest.raises(ReadError):
        body.feed(gzip.compress(bytes(10_000_000)))

    assert len(body._kept) == 1001


def test_gzip_that_inflates_to_nothing_for_ever_is_too_large() -> None:
    packer = zlib.compressobj(wbits=31)
    nothing = packer.flush(zlib.Z_FULL_FLUSH)
    endless = [nothing, *[zlib.compressobj(wbits=-15).flush(zlib.Z_FULL_FLUSH) or b"\0\0\0\xff\xff"] * 1000]

    assert reason_of(endless, limit=1000) == "too_large"


def test_many_small_pieces_are_refused_and_many_larger_ones_are_not() -> None:
    assert reason_of([b"x"] * 20_000, "", 10**6) == "protocol"
    assert len(collect([b"x" * 80] * 20_000, "", 10**7)) == 1_600_000
