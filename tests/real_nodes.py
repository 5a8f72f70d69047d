"""Real Elasticsearch and OpenSearch nodes on 127.0.0.1, one process each.

A node needs a JDK (17 for 7.17, 8.19 and OpenSearch 2; 21 for Elasticsearch 9 and OpenSearch 3), and Maven the first
time. It has a temporary home of its own, ports of the kernel's choice, and ends with the process that started it,
because its standard input closes then. Security, TLS, scripts and ILM are not in it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node_jars import PRODUCTS, find_parts

ZSTD = (
    *("usr/lib/*/libzstd.so.1", "lib/*/libzstd.so.1", "usr/lib64/libzstd.so.1", "usr/lib/libzstd.so.1"),
    *("opt/homebrew/lib/libzstd.dylib", "usr/local/lib/libzstd.dylib"),
)
EVERYTHING = ("/_data_stream/*", "/*", "/_index_template/*", "/_component_template/*")  # in an order that is allowed
START_TIMEOUT = 120.0


class Node:
    """One node.

    ``settings`` are node settings, such as ``{"http.max_content_length": "1mb"}``. ``start()`` and ``stop()`` may be
    repeated; what the node had acknowledged is there again, on the same port.
    """

    def __init__(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        self.product = PRODUCTS[name]
        self.settings = dict(settings or {})
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        parts = find_parts(self.product)
        self._home = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._log = self._home / "log"
        self._ready = self._home / "url"
        flags = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.apache.logging.log4j.level=WARN"]
        flags += self._compression_flags()
        self._command = [str(parts.java), *flags, "-cp", parts.class_path, self.product.main]

    def _compression_flags(self) -> list[str]:
        """Elasticsearch 9 compresses with a native zstd library that is not among the jars: the system's own does."""
        library = next((found for pattern in ZSTD for found in Path("/").glob(pattern)), None)
        if self.product.launcher != "elasticsearch" or library is None:
            return []
        folder = self._home / "native"
        folder.mkdir()
        (folder / library.name.removesuffix(".1")).symlink_to(library)
        return [f"-Des.nativelibs.path={folder}", "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false"]

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Return when the node answers."""
        if self.is_running:
            return
        self._ready.unlink(missing_ok=True)
        settings = [f"{key}={value}" for key, value in self.settings.items()]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*self._command, self._home, self._ready, *settings],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that the terminal's interrupt ends the tests first
            )
        self._await_start(self._process)
        self.url = self._ready.read_text().strip()
        self.settings["http.port"] = self.url.rpartition(":")[2]

    def _await_start(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_TIMEOUT
        while not self._ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"{self.product.name} did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is None:
            return
        with self._process as process:
            assert process.stdin
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        self._process = None

    def close(self) -> None:
        """Stop for good, and throw the data away."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request in JSON; raises urllib's HTTPError for anything but success."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            headers={"Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def bulk(self, *lines: Mapping[str, object], query: str = "refresh=true") -> Any:
        """One bulk request: actions and documents in turn."""
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        headers = {"Content-Type": "application/x-ndjson"}
        request = urllib.request.Request(f"{self.url}/_bulk?{query}", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def documents(self, index: str) -> list[dict[str, Any]]:
        """The hits (``_id``, ``_source``, …) of an index or data stream, oldest first; at most 10,000."""
        self.call("POST", f"/{index}/_refresh")
        hits = self.call("GET", f"/{index}/_search?size=10000&sort=@timestamp")["hits"]
        assert hits["total"]["value"] == len(hits["hits"]), "more documents than one search returns"
        found: list[dict[str, Any]] = hits["hits"]
        return found

    def wipe(self) -> None:
        """Back to empty: cluster settings, data streams, indices, templates."""
        self.start()
        self.call("PUT", "/_cluster/settings", {"persistent": {"*": None}, "transient": {"*": None}})
        for path in EVERYTHING:
            self.call("DELETE", path)
