"""A sink that misbehaves in every way at random: each container is there once, or refused by name, or shed by name."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from chaos_sink import POISON, ChaosServer, ChaosSink
from expvastic.buffer import Buffer, BufferSettings, Loss, Record
from expvastic.buffers import BUFFERS
from expvastic.datatypes import Container, Poll
from expvastic.delivery import Delivery, DeliverySettings
from expvastic.outcomes.ledger import Ledger
from expvastic.outcomes.quarantine import Quarantine
from expvastic.outcomes.refusals import Refusals
from expvastic.outcomes.salvage import REFUSED
from expvastic.outcomes.verdicts import Verdicts
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, ElasticsearchSettings
from fakes import Log
from samples import make_container

READERS = ("a", "b", "c")
HEALTHY = "d"  # a reader
HOPELESS = 97  # of so many documents one is, but none of the healthy reader's
POLL = 5  # containers
AHEAD = 400  # containers that wait before the next poll is held back
SETTINGS = DeliverySettings.model_validate(
    {
        "timeout": 0.15,
        "backoff": 5,
        "batch": {"count": 20, "wait": "10ms"},
        "retry": {"initial": "1ms", "max": "8ms"},
    }
)


def is_hopeless(known: str) -> bool:
    return int(known[-6:]) % HOPELESS == 7


def make(reader: str, number: int) -> Container:
    values: dict[str, Any] = {"expvar.count": number}
    if number % 53 == 5:
        values[POISON] = f"text {number}"
    if number % 211 == 11:
        values["expvar.bulk"] = "x" * 120_000
    return make_container(number, reader, **values)


class Scene:
    """One delivery after the other on one buffer, to one sink."""

    def __init__(self, seed: int, folder: Path, kind: str, **limits: Any) -> None:
        self.sink = ChaosSink(seed, is_hopeless)
        self.log = Log()
        self.offered: dict[str, Container] = {}
        self.shed: set[str] = set()
        self._rng = random.Random(seed)
        self._folder = folder
        self._kind = kind
        self._limits = BufferSettings(**limits)
        self._lives = 0
        self._numbers: Counter[str] = Counter()
        self._polls: Counter[str] = Counter()
        self._quarantine = Quarantine(folder / "quarantine")
        self.delivery: Delivery
        self.ledger: Ledger

    @asynccontextmanager
    async def delivering(self, server: ChaosServer, *, killed: bool = False) -> AsyncIterator[None]:
        """A delivery at work; stopped in the middle of whatever it does.

        If it is ``killed``, the next one finds the buffer's files as they were at that moment, whatever came after.
        """
        settings = ElasticsearchSettings.model_validate({"endpoint": server.url, "manage_template": False})
        self.ledger = Ledger()
        verdicts = Verdicts(self.ledger, self.log)  # type: ignore[arg-type]
        self.delivery = Delivery(
            "es",
            "elasticsearch",
            lambda: ElasticsearchRecorder(settings),
            self._buffer(),
            self.ledger,
            SETTINGS,
            self.log,  # type: ignore[arg-type]
            verdicts=verdicts,
            refusals=Refusals(verdicts, self.log, self._quarantine),  # type: ignore[arg-type]
        )
        self.delivery.open(anyio.current_time())
        async with anyio.create_task_group() as group:
            group.start_soon(self.delivery.run)
            yield
            if killed:
                shutil.copytree(self._place(self._lives), self._place(self._lives + 1))
                self._lives += 1
                self.sink.is_deaf = True  # a task that was just about to send would still do so; a dead one would not
            group.cancel_scope.cancel()
        self.sink.is_deaf = False
        self.check_books()
        self.delivery.end()

    def _buffer(self) -> Buffer:
        make_buffer: Callable[..., Buffer] = BUFFERS[self._kind]
        places = (self._place(self._lives),) if self._kind == "disk" else ()
        buffer = make_buffer(self._limits, self.ledger, *places)
        self._eavesdrop(buffer)
        return buffer

    def _place(self, life: int) -> Path:
        return self._folder / f"buffer-{life}"

    def _eavesdrop(self, buffer: Buffer) -> None:
        """Note by id what is settled, and what is lost, up to a kill."""
        settle, take_losses, life = buffer.settle, buffer.take_losses, self._lives

        def settle_and_note(records: Iterable[Record]) -> None:
            settled = list(records)
            settle(settled)
            if life == self._lives:
                self.sink.settled.update(record.container.id for record in settled)

        def take_losses_and_note() -> Sequence[Loss]:
            losses = take_losses()
            self.shed.update(loss.id for loss in losses)
            return losses

        buffer.settle = settle_and_note  # type: ignore[method-assign]
        buffer.take_losses = take_losses_and_note  # type: ignore[method-assign]

    async def offer(self, count: int, *, ahead: int = AHEAD) -> None:
        for _ in range(count // POLL):
            reader = self._rng.choice(READERS)
            first = self._numbers[reader]
            self._numbers[reader] += POLL
            self._poll(reader, [make(reader, number) for number in range(first, first + POLL)])
            while self.delivery.buffer.waiting > ahead:
                await anyio.sleep(0.001)

    async def drain(self) -> None:
        """Let everything be delivered.

        Something good comes now and then, for a sink that refuses all that is left might be at fault itself.
        """
        with anyio.fail_after(90):
            while self.delivery.buffer.waiting or self.delivery.buffer.out:
                self._numbers[HEALTHY] += HOPELESS
                self._poll(HEALTHY, [make(HEALTHY, self._numbers[HEALTHY])])
                for _ in range(100):
                    if self.delivery.buffer.waiting or self.delivery.buffer.out:
                        await anyio.sleep(0.005)

    def _poll(self, reader: str, containers: Sequence[Container]) -> None:
        self._polls[reader] += 1
        self.offered.update((container.id, container) for container in containers)
        self.delivery.offer(Poll(reader, self._polls[reader], containers))

    def check_books(self) -> None:
        assert self.delivery.statistics().is_balanced

    def check(self) -> None:
        """The law, container by container."""
        refused = {entry.id for entry in self._quarantine.entries()}
        recorded = self.sink.documents.keys()
        assert refused == {known for known in self.offered if is_hopeless(known)} - self.shed
        assert self.offered.keys() == recorded | refused | self.shed
        assert not recorded & refused
        for known, document in self.sink.documents.items():
            check_document(document, json.loads(self.offered[known].document))
        assert self.ledger.totals["offered"] == len(self.offered)
        assert self.ledger.refused.total() == len(refused)
        assert self.ledger.shed.total() == len(self.shed)
        assert self.ledger.totals["conflicts"] == 0
        assert self.sink.needless == [], "what is settled is never sent again"
        assert [line for line in self.log.lines if "misbehaved" in line[1]] == []


def check_document(found: Mapping[str, Any], offered: Mapping[str, Any]) -> None:
    """It is what was offered, but for what was taken out and is told of."""
    gone = offered.keys() - found.keys()
    assert {name: found[name] for name in offered if name not in gone} == {
        name: value for name, value in offered.items() if name not in gone
    }
    assert bool(gone) == (REFUSED in found)
    assert POISON not in found


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kind"), [(0, "memory"), (1, "disk")])
async def test_every_container_is_recorded_once_or_refused_by_name(seed: int, kind: str, tmp_path: Path) -> None:
    scene = Scene(seed, tmp_path, kind)

    async with ChaosServer(scene.sink) as server, scene.delivering(server):
        await scene.offer(2_000)
        await scene.drain()

    scene.check()
    assert scene.shed == set()
    assert scene.sink.acts.total() > 500
    assert len(scene.sink.acts) == 13, "everything has happened"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "killed"), [(0, False), (1, True)], ids=["stopped", "killed"])
async def test_ended_in_the_middle_again_and_again_it_goes_on_where_it_was(
    seed: int, killed: bool, tmp_path: Path
) -> None:
    scene = Scene(seed, tmp_path, "disk", segment_bytes=2**16)

    async with ChaosServer(scene.sink) as server:
        for _ in range(20):
            async with scene.delivering(server, killed=killed):
                await scene.offer(100)
        async with scene.delivering(server):
            await scene.drain()

    scene.check()
    assert scene.shed == set()


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kind", "max_bytes"), [(0, "memory", 300_000), (1, "disk", 1_000_000)])
async def test_what_finds_no_room_is_shed_by_name(seed: int, kind: str, max_bytes: int, tmp_path: Path) -> None:
    scene = Scene(seed, tmp_path, kind, max_bytes=max_bytes, segment_bytes=2**16)

    async with ChaosServer(scene.sink) as server, scene.delivering(server):
        for _ in range(20):
            await scene.offer(300, ahead=10**9)
            await anyio.sleep(0.05)
        await scene.drain()

    scene.check()
    assert scene.shed
