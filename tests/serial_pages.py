"""Small pages over HTTP that say how often they were served, and what of them is in documents."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Pages(BaseHTTPRequestHandler):
    """Every path is a page that says how often it was served."""

    served: Counter[str]
    padding: bytes

    def do_GET(self) -> None:
        self.served[self.path] += 1
        body = b'{"serial": %d%b}' % (self.served[self.path], self.padding)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def pages(padding: bytes = b"") -> Iterator[tuple[int, Counter[str]]]:
    """A server of pages: its port, and how often each was served. ``padding`` is more of each page."""
    served: Counter[str] = Counter()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OwnPages", (Pages,), {"served": served, "padding": padding}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port, served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def samples(documents: list[dict[str, Any]]) -> Counter[tuple[str, int]]:
    """How often each page of each reader was recorded."""
    return Counter((document["service.name"], document["json.serial"]) for document in documents)
