"""After an outage: fresh data soon, the backlog drained, the sink not hammered."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarking import benchmark


@pytest.mark.slow
def test_after_an_outage_the_backlog_drains_and_fresh_data_comes_first(tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    sizes = ("--seconds", "10", "--rate", "100", "--batch", "50", "--capacity", "300")

    printed = benchmark("outage", *sizes, "--longest-pause", "2s", "--csv", str(curve))

    seconds = list(csv.DictReader(curve.read_text(encoding="utf-8").splitlines()))
    drained = float(seconds[-1]["since"])
    fresh = next(float(second["since"]) for second in seconds if float(second["age"]) < 5)
    assert "BROKEN" not in printed
    assert fresh < drained, "the backlog does not starve what is new"
    assert sum(int(second["rejected"]) for second in seconds) <= 2 * drained, "at most two bulks a second too many"
