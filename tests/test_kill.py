"""kill -9 under load: nothing that was read is lost, and nothing is there twice."""

from __future__ import annotations

import sys

import pytest

from benchmarking import BENCHMARKS, benchmark
from real_nodes import Node

sys.path.append(str(BENCHMARKS))

from parts.identity import Document, End, compare
from parts.targets import Served, ServedPage

SECOND = 10**9
ROUNDS = ("--rounds", "5")


@pytest.mark.slow
@pytest.mark.parametrize("sync", ["always", "interval", "never"])
def test_killed_again_and_again_it_loses_and_doubles_nothing_in_its_files(sync: str) -> None:
    printed = benchmark("kill", *ROUNDS, "--node", "none", "--sync", sync, "--seed", "1")

    assert "kills" in printed


@pytest.mark.slow
def test_killed_again_and_again_it_loses_and_doubles_nothing_in_a_real_node(real_node: Node) -> None:
    printed = benchmark("kill", *ROUNDS, "--url", real_node.url, "--seed", "2")

    assert "kills" in printed


@pytest.mark.slow
def test_killed_while_the_node_comes_and_goes_it_loses_and_doubles_nothing(real_node: Node) -> None:
    real_node.stop()  # one node at a time is enough

    printed = benchmark("kill", *ROUNDS, "--node", real_node.product.name, "--outage", "--seed", "3")

    assert "kills" in printed


class Scene:
    """One target with three pages and three pauses, recorded twice as it should be; a kill after the third page."""

    def __init__(self) -> None:
        pages = {serial: ServedPage(serial * SECOND, serial, is_complete=True) for serial in (1, 2, 3)}
        self.served = {"app": Served(pages, [10, 20, 30])}
        self.documents = [
            Document(f"id-{serial}", "app", serial, serial, (serial * 10,) if serial > 1 else ())
            for serial in (1, 2, 3)
        ]
        self.others = [*self.documents]
        self.ends = [End(3 * SECOND + SECOND // 10, 1)]

    def violations(self) -> list[str]:
        return compare(self.served, {"a": self.documents, "b": self.others}, self.ends).violations


def test_what_is_recorded_once_everywhere_breaks_nothing() -> None:
    assert Scene().violations() == []


def test_a_page_that_was_under_way_may_be_missing() -> None:
    scene = Scene()
    del scene.documents[2], scene.others[2]

    assert scene.violations() == []


def test_a_pause_of_a_missing_page_must_be_shipped_by_a_later_one() -> None:
    scene = Scene()
    del scene.documents[1], scene.others[1]
    scene.ends.insert(0, End(2 * SECOND, 1))
    assert scene.violations() == [f"{name}: app: pauses missing: (2, 20)" for name in "ab"]

    scene.documents[1] = scene.others[1] = scene.documents[1]._replace(pauses=(20, 30))

    assert scene.violations() == []


def test_a_page_lost_without_a_kill_is_told() -> None:
    scene = Scene()
    scene.documents[1:2], scene.others[1:2] = [], []

    assert "pages lost though no process ended: ('app', 2, '1.100 s before the nearest end')" in scene.violations()


def test_more_pages_lost_than_were_under_way_are_told() -> None:
    scene = Scene()
    del scene.documents[2], scene.others[2]
    scene.ends = [End(3 * SECOND, 0)]

    assert scene.violations() == ["more pages lost than were under way: 1 of 0 at end 1"]


def test_a_page_that_is_there_twice_is_told() -> None:
    scene = Scene()
    twice = scene.documents[0]._replace(id="another")
    scene.documents.append(twice)
    scene.others.append(twice)

    assert [line.partition(":")[2].split(":")[0] for line in scene.violations()] == [" pages twice"] * 2


def test_an_id_that_is_there_twice_is_told() -> None:
    scene = Scene()
    scene.documents.append(scene.documents[0])

    assert "a: ids twice: id-1" in scene.violations()


def test_a_document_that_one_recorder_lacks_is_told() -> None:
    scene = Scene()
    lacking = scene.others.pop()

    assert f"in a, not in b: {lacking}" in scene.violations()


def test_a_document_that_differs_is_told() -> None:
    scene = Scene()
    scene.others[0] = scene.others[0]._replace(pauses=(10,))

    assert any(line.startswith("not the same in a and b: id-1") for line in scene.violations())


def test_a_pause_that_was_shipped_twice_is_told() -> None:
    scene = Scene()
    scene.documents[2] = scene.others[2] = scene.documents[2]._replace(pauses=(20, 30))

    assert "a: app: pauses twice: (2, 20)" in scene.violations()


def test_a_pause_that_never_was_is_told() -> None:
    scene = Scene()
    scene.documents[2] = scene.others[2] = scene.documents[2]._replace(pauses=(31,))

    assert "a: app: pauses that never were: (3, 31)" in scene.violations()
    assert "a: app: pauses missing: (3, 30)" in scene.violations()


def test_a_page_that_nobody_served_is_told() -> None:
    scene = Scene()
    stray = Document("id-9", "app", 9, 3, ())
    scene.documents.append(stray)
    scene.others.append(stray)

    assert "a: pages that nobody served: ('app', 9)" in scene.violations()
