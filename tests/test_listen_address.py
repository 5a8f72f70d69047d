"""Where to listen, as it may be written."""

from __future__ import annotations

import pytest

from expvastic.listener import TcpAddress, UnixAddress, parse_listen


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8642", TcpAddress("127.0.0.1", 8642)),
        ("127.1.2.3:80", TcpAddress("127.1.2.3", 80)),
        ("localhost:8642", TcpAddress("127.0.0.1", 8642)),
        ("LocalHost:8642", TcpAddress("127.0.0.1", 8642)),
        ("[::1]:8642", TcpAddress("::1", 8642)),
        ("127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
        ("public://0.0.0.0:8642", TcpAddress("0.0.0.0", 8642)),
        ("public://[::]:8642", TcpAddress("::", 8642)),
        ("public://127.0.0.1:8642", TcpAddress("127.0.0.1", 8642)),
        ("/run/expvastic.sock", UnixAddress("/run/expvastic.sock")),
        ("unix:/run/expvastic.sock", UnixAddress("/run/expvastic.sock")),
        ("unix:///run/expvastic.sock", UnixAddress("/run/expvastic.sock")),
    ],
)
def test_an_address_can_be_written_in_many_ways(text: str, address: object) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize("text", ["0.0.0.0:8642", "192.0.2.1:8642", "[::]:8642", "[2001:db8::1]:8642", "10.0.0.1:1"])
def test_an_address_that_others_reach_is_refused_unless_that_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="others could look in; write a loopback address"):
        parse_listen(text)

    assert parse_listen(f"public://{text}").port == int(text.rpartition(":")[2])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        *("", "8642", ":8642", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1"),
        *("::1:8642", "[::1]", "[127.0.0.1]:8642", "[localhost]:1", "example.test:8642", "http://127.0.0.1:8642"),
        *("127.0.0.1:8642/metrics", "user@127.0.0.1:8642", "127.1:8642", "127.0.0.1:٨٦٤٢", "127.0.0.1:80\n"),
        *(
            "unix:",
            "unix:relative.sock",
            "unix:///",
            "/",
            "/run/",
            "/run/a\0b",
            "/" + "x" * 103,
            "public://",
            "public:///x",
        ),
    ],
)
def test_anything_else_is_refused_in_one_line_that_says_what_to_do(text: str) -> None:
    with pytest.raises(ValueError, match=r"; (write|choose) ") as raised:
        parse_listen(text)

    assert "\n" not in str(raised.value)
