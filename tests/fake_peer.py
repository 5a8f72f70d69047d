"""Telegraf or the Collector for those who have none: fails if its file lacks what the real one would need.

fake_peer.py telegraf|collector --config FILE. Polls every target of the file at its interval and ships what it got.
"""

from __future__ import annotations

import json
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import yaml


def of_telegraf(text: str) -> tuple[list[str], str, float]:
    told = tomllib.loads(text)
    (source,), (destination,) = told["inputs"]["http"], told["outputs"]["elasticsearch"]
    assert source["data_format"] == "json"
    assert destination["index_name"]
    assert destination["enable_sniffer"] is False, "the sink has no nodes to tell of"
    assert told["agent"]["flush_interval"] == "1s"
    return source["urls"], destination["urls"][0], float(told["agent"]["interval"].removesuffix("ms"))


def of_collector(text: str) -> tuple[list[str], str, float]:
    told = yaml.safe_load(text)
    pipeline = told["service"]["pipelines"]["metrics"]
    receivers = [told["receivers"][name] for name in pipeline["receivers"]]
    (exporter,) = (told["exporters"][name] for name in pipeline["exporters"])
    assert {name.partition("/")[0] for name in pipeline["receivers"]} == {"expvar"}
    assert exporter["metrics_index"]
    interval = float(receivers[0]["collection_interval"].removesuffix("ms"))
    return [receiver["endpoint"] for receiver in receivers], exporter["endpoints"][0], interval


def main(kind: str, flag: str, file: str) -> None:
    assert flag == "--config"
    read = {"telegraf": of_telegraf, "collector": of_collector}[kind]
    urls, sink, interval = read(Path(file).read_text(encoding="utf-8"))
    while True:
        lines = []
        for url in urls:
            with urllib.request.urlopen(url) as answer:
                lines += ['{"index":{"_index":"metrics-bench-default"}}', json.dumps(json.load(answer))]
        body = "\n".join([*lines, ""]).encode()
        request = urllib.request.Request(f"{sink}/_bulk", body, {"Content-Type": "application/x-ndjson"})
        with urllib.request.urlopen(request) as answer:
            told = json.load(answer)
            assert [item["index"]["status"] for item in told["items"]] == [201] * len(urls)
            assert told["errors"] is False
        time.sleep(interval / 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
