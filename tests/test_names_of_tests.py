"""Processes that share the tests out know them by name, and so each of them must come to the same names."""

from __future__ import annotations

import gzip

import pytest


@pytest.mark.parametrize("packed", [gzip.compress(b"one"), gzip.compress(b"two", mtime=1)])
def test_bytes_that_differ_from_second_to_second_name_no_test(packed: bytes, request: pytest.FixtureRequest) -> None:
    assert packed.startswith(b"\x1f\x8b")
    assert request.node.name.removeprefix(request.function.__name__) in ("[packed0]", "[packed1]")
