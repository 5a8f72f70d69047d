"""Data for dashboards: expvastic at work beside a real Go program, itself and a target that is not there."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from go_app import GoApp
from program import Program
from real_nodes import Node

INDEX = "metrics-expvastic-default"

_CONFIGURATION = """
readers:
  shop: {{type: expvar, endpoint: "{shop}", interval: 200ms, backoff: 1000}}
  own: {{type: self, interval: 500ms, reader_interval: 500ms}}
  gone: {{type: expvar, endpoint: "127.0.0.1:{closed}", interval: 250ms, backoff: 1000}}
recorders:
  search: {{type: elasticsearch, endpoint: "{node}", index_name: metrics-expvastic-default, batch: {{wait: 200ms}}}}
  archive: {{type: file, path: samples.ndjson}}
routes:
  main: {{readers: [shop, own, gone], recorders: [search, archive]}}
"""


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which nobody listens, and nobody else can."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def ship(node: Node, app: GoApp, folder: Path, *, seconds: float) -> None:
    """Run expvastic for some seconds; what it read is then in the node, to be searched."""
    with silent_port() as closed:
        text = _CONFIGURATION.format(shop=app.url, node=node.url, closed=closed)
        with Program(folder, text) as program:
            program.wait_for("started")
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                app.gc(1)
                time.sleep(0.3)
            assert program.stop() == 0
    node.call("POST", f"/{INDEX}/_refresh")
