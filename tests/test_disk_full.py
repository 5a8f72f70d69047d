"""A full disk below the state directory costs what finds no room, by name and number, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarking import BENCHMARKS
from program import Program, spell
from small_disk import SEGMENT, SmallDisk, small_disk

sys.path.append(str(BENCHMARKS))

from parts import status
from parts.limited_sink import LimitedSink
from parts.targets import Targets

pytestmark = pytest.mark.slow


@pytest.fixture(params=["mounted", "limited"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", mounts=request.param == "mounted") as disk:
        yield disk


class Scene:
    """Programs at 250 polls a second; recorder ``away`` buffers on the small disk, ``there`` in memory."""

    def __init__(self, disk: SmallDisk, folder: Path, away: LimitedSink, there: LimitedSink, targets: Targets) -> None:
        self.disk, self.away, self.there, self.targets = disk, away, there, targets
        self._socket = folder / "status.sock"
        away.take_down()
        on_disk = {"type": "disk", "segment_bytes": SEGMENT}
        recorders = {"away": recorder(away, on_disk), "there": recorder(there, {"type": "memory"})}
        settings = {"state_dir": str(disk.folder / "state"), "listen": f"unix:{self._socket}", "grace": "5s"}
        readers = targets.readers("20ms")
        routes = {"all": {"readers": list(readers), "recorders": list(recorders)}}
        self.program = Program(
            folder, spell({"settings": settings, "readers": readers, "recorders": recorders, "routes": routes})
        )

    def numbers(self) -> dict[str, Any]:
        return status.recorders(self._socket)

    def shed(self) -> int:
        return int(self.numbers()["away"]["shed"])

    def fill(self) -> None:
        """Run until the disk is full."""
        self.program.wait_until(lambda: self.waiting() > 0, "something waits on the disk")
        self.disk.narrow(self.program)
        self.program.wait_until(lambda: self.shed() > 50, "the full disk sheds")

    def waiting(self) -> int:
        numbers = self.numbers()
        return int(numbers["away"]["waiting"]) if numbers else 0

    def wait_for_growth(self) -> None:
        """Wait until something new is stored on the disk again."""
        before = self.waiting()
        self.program.wait_until(lambda: self.waiting() > before + 50, "what is new is stored again")

    def settle(self) -> dict[str, Any]:
        """End the programs, bring everything to its recorder, stop; the last numbers."""
        self.targets.stop()
        self.program.wait_until(lambda: status.is_drained(self.numbers()), "all is delivered")
        numbers = self.numbers()
        assert self.program.stop() == 0
        return numbers

    def check(self, numbers: dict[str, Any], under_way: int = 0) -> None:
        """Nothing but what was counted as shed for the disk is missing, and that in one recorder alone.

        But for so many pages that were under way when the program was stopped.
        """
        assert status.imbalances(numbers) == []
        served = {(name, serial) for name, target in self.targets.served().items() for serial in target.pages}
        there = {(document.reader, document.serial) for document in self.there.documents.values()}
        away = {(document.reader, document.serial) for document in self.away.documents.values()}
        assert there <= served
        assert len(served - there) <= under_way
        assert set(numbers["away"]["shed_by_reason"]) == {"disk"}
        assert len(there) == len(away) + numbers["away"]["shed"]
        assert len(away) == numbers["away"]["recorded"] == len(self.away.documents)
        assert [line for line in self.program.lines if "raw" in line] == [], "no traceback"
        assert self.program.said("shedding")[0]["reason"] == "disk"


def recorder(sink: LimitedSink, buffer: dict[str, object]) -> dict[str, object]:
    return {
        "type": "elasticsearch",
        "endpoint": sink.url,
        "manage_template": False,
        "batch": {"wait": "100ms"},
        "retry": {"initial": "100ms", "max": "1s"},
        "buffer": buffer,
    }


@pytest.fixture
def scene(disk: SmallDisk, tmp_path: Path) -> Iterator[Scene]:
    with LimitedSink(5_000, 4) as away, LimitedSink(5_000, 4) as there, Targets(tmp_path, 5, 1) as targets:
        scene = Scene(disk, tmp_path, away, there, targets)
        with scene.program:
            yield scene


def test_a_full_disk_costs_only_what_finds_no_room_and_goes_on_when_there_is_some(scene: Scene) -> None:
    scene.fill()

    scene.disk.make_room()
    scene.wait_for_growth()

    scene.away.put_up()
    scene.check(scene.settle())


def test_a_recorder_that_comes_back_empties_a_full_disk(scene: Scene) -> None:
    scene.fill()

    scene.away.put_up()
    if not scene.disk.is_shared:
        scene.disk.make_room()
    scene.program.wait_until(lambda: bool(scene.program.said("shedding ended")), "the disk has room again")

    scene.check(scene.settle())


def test_what_a_full_disk_holds_is_there_after_a_restart(scene: Scene) -> None:
    scene.fill()
    held = scene.waiting()
    scene.disk.make_room()

    assert scene.program.stop() == 0
    with scene.program:
        scene.program.wait_until(lambda: scene.waiting() >= held, "what was held is there")
        scene.away.put_up()
        scene.check(scene.settle(), under_way=scene.targets.count)
