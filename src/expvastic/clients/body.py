"""The body of an answer, inflated as it comes and never larger than its limit."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from ..errors import ReadError

_PLAIN = ("", "identity")
_GZIP = ("gzip", "x-gzip")
_PIECES = 10_000  # and one more per 64 bytes: each costs more than its bytes do


class Body:
    """Collects the pieces of one body.

    ``limit`` counts inflated bytes: no more than one byte above it is ever inflated, so a gzip bomb costs no more
    than a large page. ``where`` is named in complaints. Raises ReadError with reason ``encoding``, ``too_large`` or
    ``protocol``.
    """

    def __init__(self, encoding: str, limit: int, where: str) -> None:
        self._limit = limit
        self._where = where
        self._kept = bytearray()  # not a list of pieces: a hostile body comes byte by byte, and each would be an object
        self._pieces = 0
        self._came = 0  # bytes over the wire
        self._inflater = self._make_inflater(encoding.strip().lower())

    @property
    def is_reusable(self) -> bool:
        """Whether another body can be taken in: nothing is known of this one."""
        return self._pieces == 0 and self._inflater is None

    def feed(self, came: bytes, pieces: int = 1) -> None:
        """Take the next bytes as they came over the wire, in so many pieces."""
        self._pieces += pieces
        self._came += len(came)
        self._kept += came if self._inflater is None else self._inflate(self._inflater, came)
        if len(self._kept) > self._limit or self._came > 2 * self._limit + 1024:
            raise self.too_large()
        if self._pieces > _PIECES + self._came // 64:
            raise ReadError("protocol", f"{self._where}: its body comes in {self._pieces} pieces of a few bytes")

    def finish(self, rest: Sequence[bytes] = ()) -> bytes:
        """The whole body, when nothing more comes than the ``rest``."""
        whole = b"".join(rest)
        if self._pieces == 0 and self._inflater is None and len(whole) <= self._limit and len(rest) <= _PIECES:
            return whole  # which mostly is so
        if rest:
            self.feed(whole, len(rest))
        if self._inflater is not None and not self._inflater.eof:
            raise self._wrong("its gzip body ends too early")
        return bytes(self._kept)

    def too_large(self) -> ReadError:
        """The complaint about a body above the limit, for those who know before it has come."""
        return ReadError("too_large", f"{self._where}: larger than max_body_bytes, {self._limit} bytes")

    def _make_inflater(self, encoding: str) -> zlib._Decompress | None:
        if encoding in _PLAIN:
            return None
        if encoding not in _GZIP:
            raise self._wrong(f"its content-encoding is {encoding[:40]!a}, and only gzip was asked for")
        return zlib.decompressobj(16 + zlib.MAX_WBITS)

    def _inflate(self, inflater: zlib._Decompress, piece: bytes) -> bytes:
        try:
            data = inflater.decompress(piece, self._limit - len(self._kept) + 1)
        except zlib.error as error:
            raise self._wrong("its body is not gzip, though it says so") from error
        if inflater.unused_data:
            raise self._wrong("something follows its gzip body")
        return data

    def _wrong(self, what: str) -> ReadError:
        return ReadError("encoding", f"{self._where}: {what}")
