"""What every recorder keeps to. Inherit ``RecorderContract`` in the recorder's own test file and fill in its hooks.

::

    class TestFileRecorder(RecorderContract):
        @pytest.fixture(autouse=True)
        def place(self, tmp_path: Path) -> None:
            self.path = tmp_path / "samples.ndjson"

        def make_recorder(self) -> FileRecorder: ...
        async def recorded(self) -> list[tuple[str, dict[str, object]]]: ...
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest

from contracts.touching import heard_by_the_system
from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome, Recorder, Verdict
from samples import make_container, make_containers

PATIENCE = 10  # seconds until a test that hangs is ended
TURNS = pytest.mark.parametrize("turns", [1, 2, 4, 8, 16, 64])


class RecorderContract:
    """The tests. ``make_recorder`` and ``recorded`` must be given, the other hooks where the medium allows."""

    leaves_one_copy: ClassVar[bool] = True
    """Whether the medium knows ids, so that a container written again is answered as a duplicate."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """Texts in the settings of ``make_recorder`` (and of ``make_absent``) that nobody may see."""

    def make_recorder(self) -> Recorder[Any]:
        """A new recorder, made from the same settings each time; not entered."""
        raise NotImplementedError

    async def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        """Id and document of all that has been recorded, in the order of arrival."""
        raise NotImplementedError

    def make_absent(self) -> Recorder[Any] | None:
        """A recorder whose destination is not there; None where that cannot be."""
        return None

    async def break_destination(self, recorder: Recorder[Any]) -> bool:
        """Break the destination under an entered recorder, for good; False where that cannot be done."""
        return False

    # -- lifetime --

    def test_constructing_touches_nothing(self) -> None:
        self.make_recorder()  # whatever is loaded on first use is loaded now

        with heard_by_the_system() as touched:
            self.make_recorder()

        assert touched == []

    async def test_entering_records_nothing(self) -> None:
        async with self._deadline(), self.make_recorder():
            assert await self.recorded() == []

    async def test_entering_without_a_destination_raises_record_error(self) -> None:
        recorder = self.make_absent()
        if recorder is None:
            pytest.skip("this destination is always there")

        async with self._deadline():
            with pytest.raises(RecordError) as raised:
                async with recorder:
                    pass

        self._check_message(raised.value)

    async def test_leaving_twice_is_harmless(self) -> None:
        recorder = self.make_recorder()

        async with self._deadline():
            async with recorder:
                await recorder.record([make_container()])
            await recorder.__aexit__(None, None, None)

        assert len(await self.recorded()) == 1

    async def test_leaving_without_having_entered_is_harmless(self) -> None:
        async with self._deadline():
            await self.make_recorder().__aexit__(None, None, None)

        assert await self.recorded() == []

    async def test_a_second_recorder_goes_on_after_the_first_was_left(self) -> None:
        async with self._deadline():
            async with self.make_recorder() as recorder:
                await recorder.record(make_containers(2))
            async with self.make_recorder() as recorder:
                verdicts = await recorder.record(make_containers(2, first=2))

        assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 2
        assert await self._recorded_ids() == [container.id for container in make_containers(4)]

    # -- what arrives --

    async def test_a_batch_arrives_whole_and_in_order(self) -> None:
        batch = make_containers(300)

        await self._record(batch)

        assert await self._recorded_ids() == [container.id for container in batch]
        assert [document["expvar.count"] for _, document in await self.recorded()] == list(range(300))

    async def test_batches_arrive_one_after_the_other(self) -> None:
        async with self._deadline(), self.make_recorder() as recorder:
            for first in range(0, 9, 3):
                await recorder.record(make_containers(3, first=first))

        assert [document["expvar.count"] for _, document in await self.recorded()] == list(range(9))

    async def test_every_value_arrives_as_it_was(self) -> None:
        values: dict[str, Any] = {
            "expvar.text": 'quote " backslash \\ line\nbreak \u2028 \x1b[31m \x00 é 漢 🦔',
            "expvar.large": 2**64 - 1,
            "expvar.float": 0.1,
            "expvar.true": True,
            "expvar.list": [1, 2.5, 3],
        }

        await self._record([make_container(**values)])

        [(_, document)] = await self.recorded()
        assert {name: document[name] for name in values} == values
        assert document["@timestamp"] == "2026-11-21T03:31:00.000000Z"

    async def test_an_empty_batch_is_harmless(self) -> None:
        assert list(await self._record([])) == []
        assert await self.recorded() == []

    async def test_the_batch_is_left_as_it_was(self) -> None:
        batch = make_containers(3)
        before = list(batch)
        documents = [container.document for container in batch]

        await self._record(batch)

        assert batch == before
        assert [container.document for container in batch] == documents

    # -- what is answered --

    async def test_there_is_one_verdict_per_container(self) -> None:
        verdicts = await self._record(make_containers(7))

        assert all(isinstance(verdict, Verdict) for verdict in verdicts)
        assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 7

    async def test_the_same_batch_twice_leaves_one_copy_where_ids_are_known(self) -> None:
        batch = make_containers(3)

        async with self._deadline(), self.make_recorder() as recorder:
            await recorder.record(batch)
            verdicts = await recorder.record(batch)

        assert [verdict.outcome for verdict in verdicts] == [self._outcome_of_known] * 3
        assert len(await self.recorded()) == (3 if self.leaves_one_copy else 6)

    async def test_verdicts_stand_in_the_order_of_the_containers(self) -> None:
        old, new = make_containers(2)

        async with self._deadline(), self.make_recorder() as recorder:
            await recorder.record([old])
            verdicts = await recorder.record([new, old])

        assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED, self._outcome_of_known]
        assert (await self._recorded_ids())[:2] == [old.id, new.id]

    async def test_the_same_batch_to_a_second_recorder_leaves_one_copy_where_ids_are_known(self) -> None:
        await self._record(make_containers(3))
        verdicts = await self._record(make_containers(4))

        assert [verdict.outcome for verdict in verdicts] == [self._outcome_of_known] * 3 + [Outcome.RECORDED]
        assert len(await self.recorded()) == (4 if self.leaves_one_copy else 7)

    # -- what goes wrong --

    async def test_a_broken_destination_raises_record_error(self) -> None:
        async with self._deadline(), self.make_recorder() as recorder:
            await recorder.record([make_container()])
            if not await self.break_destination(recorder):
                pytest.skip("this destination cannot be broken")
            with pytest.raises(RecordError) as raised:
                await recorder.record([make_container(1)])

        self._check_message(raised.value)

    @TURNS
    async def test_cancelled_in_mid_record_it_still_closes(self, turns: int) -> None:
        batch = make_containers(200)

        async with self._deadline():
            async with self.make_recorder() as recorder:
                await _cancel_after(turns, recorder, batch)
            await self._record_patiently(self.make_recorder, batch)

        ids = await self._recorded_ids()
        assert set(ids) == {container.id for container in batch}
        assert len(ids) == len(batch) or not self.leaves_one_copy

    @TURNS
    async def test_cancelled_in_mid_record_it_may_be_used_again(self, turns: int) -> None:
        batch = make_containers(200)

        async with self._deadline(), self.make_recorder() as recorder:
            await _cancel_after(turns, recorder, batch)
            await self._record_patiently(lambda: contextlib.nullcontext(recorder), batch)

        ids = await self._recorded_ids()
        assert set(ids) == {container.id for container in batch}
        assert len(ids) == len(batch) or not self.leaves_one_copy

    # -- what is shown --

    def test_the_destination_is_one_line_and_the_same_for_equal_settings(self) -> None:
        destination = self.make_recorder().destination

        assert destination
        assert destination.isprintable()
        assert destination == self.make_recorder().destination

    def test_no_secret_is_shown(self) -> None:
        recorder = self.make_recorder()
        shown = [repr(recorder), str(recorder), repr(recorder.settings), str(recorder.settings), recorder.destination]

        assert [secret for secret in self.secrets for text in shown if secret in text] == []

    # -- how it is done --

    async def _record(self, batch: list[Container]) -> list[Verdict]:
        async with self._deadline(), self.make_recorder() as recorder:
            return list(await recorder.record(batch))

    async def _recorded_ids(self) -> list[str]:
        return [known for known, _ in await self.recorded()]

    @property
    def _outcome_of_known(self) -> Outcome:
        return Outcome.DUPLICATE if self.leaves_one_copy else Outcome.RECORDED

    async def _record_patiently(
        self, make: Callable[[], AbstractAsyncContextManager[Recorder[Any]]], batch: list[Container]
    ) -> None:
        """As a delivery would: what failed as a whole, perhaps since the cancelled try goes on, is tried again."""
        while True:
            try:
                async with make() as recorder:
                    await recorder.record(batch)
            except RecordError:
                await anyio.lowlevel.checkpoint()
            else:
                return

    def _check_message(self, error: RecordError) -> None:
        message = str(error)
        assert message
        assert "\n" not in message
        assert [secret for secret in self.secrets if secret in message] == []

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        with anyio.fail_after(PATIENCE):
            yield


async def _cancel_after(turns: int, recorder: Recorder[Any], batch: list[Container]) -> None:
    """Cancel a record() when the loop has turned so often, wherever it is by then."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recorder.record, batch)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
