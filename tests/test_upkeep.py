"""A state directory is taken up: what buffers lack is made good, what readers knew goes on, what is doubtful waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expvastic.buffer import BatchSettings, BufferSettings
from expvastic.buffers.disk import DiskBuffer
from expvastic.buffers.memory import MemoryBuffer
from expvastic.datatypes import Poll
from expvastic.delivery import Delivery, DeliverySettings
from expvastic.outcomes.ledger import Ledger
from expvastic.state import Mark, State
from expvastic.upkeep import Keeper, go_on, take_up
from fakes import FakeRecorder, FakeSink, Log
from samples import make_containers

ALL = BatchSettings(count=10_000, bytes=15_000_000)
TYPES = {"a": "fake", "b": "fake"}


class OtherRecorder(FakeRecorder):
    @property
    def destination(self) -> str:
        return "elsewhere"


class FakeEngine:
    def __init__(self) -> None:
        self.went_on: list[tuple[int, bytes]] = []

    def go_on(self, number: int, knowledge: bytes) -> None:
        self.went_on.append((number, knowledge))


@pytest.fixture
def state(tmp_path: Path) -> Any:
    with State.open(tmp_path / "state") as state:
        yield state


def delivery(state: State, name: str, make: Callable[[], Any] | None = None) -> Delivery:
    ledger = Ledger()
    buffer = DiskBuffer(BufferSettings(type="disk"), ledger, state.recorder_folder(name) / "buffer")
    log: Any = Log()
    return Delivery(name, "fake", make or FakeSink().make, buffer, ledger, DeliverySettings(), log, clock=lambda: 0.0)


def filled(state: State, name: str, *polls: Poll) -> None:
    """A recorder's buffer as an earlier process left it: with these polls, not a word of the end."""
    before = delivery(state, name)
    take_up(state, {name: before}, TYPES, 0.0)
    for poll in polls:
        before.offer(poll)
    before.end()


def held(found: Delivery) -> list[str]:
    return [record.container.id for record in found.buffer.take(ALL, 0.0)]


def poll(number: int, knowledge: bytes = b"") -> Poll:
    return Poll("app", number, make_containers(1, first=number), knowledge or b"after %d" % number)


def test_a_reader_goes_on_with_what_its_one_buffer_knows(state: State) -> None:
    filled(state, "a", poll(1), poll(2))
    found, engine = delivery(state, "a"), FakeEngine()
    take_up(state, {"a": found}, TYPES, 0.0)
    engines: Any = {"app": engine}
    go_on(state, engines, {"app": ("a",)}, {"a": found})

    assert engine.went_on == [(2, b"after 2")]
    assert held(found) == ["app-000001", "app-000002"]
    found.end()


def test_a_buffer_that_is_behind_is_given_the_last_poll_once(state: State) -> None:
    """The process was killed when one of two buffers had the poll."""
    filled(state, "a", poll(1), poll(2))
    filled(state, "b", poll(1))
    Keeper(state, "app", synced=False, with_containers=True).offer(poll(2))
    for _ in range(2):  # the second start finds nothing to do
        both = {name: delivery(state, name) for name in "ab"}
        take_up(state, both, TYPES, 0.0)
        engine = FakeEngine()
        engines: Any = {"app": engine}
        go_on(state, engines, {"app": ("a", "b")}, both)
        contents = {name: held(each) for name, each in both.items()}
        for each in both.values():
            each.end()

    assert contents == {"a": ["app-000001", "app-000002"], "b": ["app-000001", "app-000002"]}
    assert engine.went_on == [(2, b"after 2")]


def test_a_reader_without_a_buffer_on_the_disk_goes_on_all_the_same(state: State) -> None:
    Keeper(state, "app", synced=False, with_containers=False).offer(poll(7))
    engine = FakeEngine()
    engines: Any = {"app": engine}
    go_on(state, engines, {"app": ()}, {})
    kept = state.last_poll("app")

    assert engine.went_on == [(7, b"after 7")]
    assert kept is not None
    assert list(kept.containers) == []


def test_a_reader_that_was_routed_elsewhere_goes_on_all_the_same(state: State) -> None:
    filled(state, "a", poll(1), poll(2))
    both = {name: delivery(state, name) for name in "ab"}
    take_up(state, both, TYPES, 0.0)
    engine = FakeEngine()
    engines: Any = {"app": engine}
    go_on(state, engines, {"app": ("b",)}, both)

    assert engine.went_on == [(2, b"after 2")]
    assert held(both["b"]) == [], "it was read for another one"
    for each in both.values():
        each.end()


def test_what_was_kept_before_another_route_is_not_given_to_a_new_recorder(state: State) -> None:
    """Two recorders, then one, which needs no keeper, then another one besides."""
    Keeper(state, "app", synced=False, with_containers=True).offer(poll(1))
    filled(state, "a", poll(1), poll(2), poll(3))
    both = {name: delivery(state, name) for name in "ab"}
    take_up(state, both, TYPES, 0.0)
    engine = FakeEngine()
    engines: Any = {"app": engine}
    go_on(state, engines, {"app": ("a", "b")}, both)

    assert engine.went_on == [(3, b"after 3")]
    assert held(both["b"]) == []
    for each in both.values():
        each.end()


def test_data_on_the_disk_of_a_recorder_whose_buffer_is_in_memory_now_is_told_of(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(state, "a", poll(1))
    log = Log()
    monkeypatch.setattr("expvastic.upkeep.logs.logger", lambda: log)
    found = delivery(state, "a")
    found.buffer = MemoryBuffer(BufferSettings(), found.ledger)
    take_up(state, {"a": found}, TYPES, 0.0)

    assert log.said() == ["data waits for a recorder whose buffer is in memory now"]


def test_a_reader_that_never_was_begins_at_the_beginning(state: State) -> None:
    engine = FakeEngine()
    engines: Any = {"app": engine}
    go_on(state, engines, {"app": ()}, {})

    assert engine.went_on == []


def test_data_for_another_destination_is_held(state: State) -> None:
    filled(state, "a", poll(1))
    found = delivery(state, "a", lambda: OtherRecorder(FakeSink()))
    take_up(state, {"a": found}, TYPES, 0.0)

    assert "1 container" in found.held
    assert "adopt" in found.held
    assert state.mark("a") == Mark("a", "fake", "sink"), "until the user has decided"
    found.end()


def test_an_empty_buffer_may_be_pointed_anywhere(state: State) -> None:
    filled(state, "a")
    found = delivery(state, "a", lambda: OtherRecorder(FakeSink()))
    take_up(state, {"a": found}, TYPES, 0.0)

    assert found.held == ""
    assert state.mark("a") == Mark("a", "fake", "elsewhere")
    found.end()


def test_a_renamed_recorder_is_held_while_the_old_name_has_data(state: State) -> None:
    filled(state, "a", poll(1))
    found = delivery(state, "b")
    take_up(state, {"b": found}, TYPES, 0.0)

    assert "--from a" in found.held
    found.end()


def test_a_disk_that_cannot_be_written_does_not_stop_the_samples(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper(state, "app", synced=False, with_containers=True)
    log: Any = Log()
    keeper._log = log

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "keep", fail)
    keeper.offer(poll(1))
    keeper.offer(poll(2))

    assert log.said("error") == ["reader's knowledge not kept"]
