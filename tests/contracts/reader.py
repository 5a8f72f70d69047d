"""What every reader keeps to. Inherit ``ReaderContract`` in the reader's own test file and fill in its hooks.

::

    class TestHttpReader(ReaderContract):
        secrets = ("s3cret",)

        @contextlib.asynccontextmanager
        async def make(self) -> AsyncIterator[HttpReader]:
            async with ScriptedServer(Answer({"a": 1})) as server:
                yield HttpReader(HttpSettings(endpoint=server.url), no_snapshot)
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import pytest

from contracts.touching import heard_by_the_system
from expvastic.datatypes import Page, Reading
from expvastic.errors import ReadError
from expvastic.reader import Reader

PATIENCE = 10  # seconds until a test that hangs is ended
TURNS = pytest.mark.parametrize("turns", [1, 2, 4, 8, 16, 32, 64])


class ReaderContract:
    """The tests. ``make`` must be given, the other hooks where there is something that can fail."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """Texts in the settings of all the readers made here that nobody may see."""

    def make(self) -> contextlib.AbstractAsyncContextManager[Reader[Any]]:
        """A reader, not entered, whose source is there, and answers, as long as the context is."""
        raise NotImplementedError

    def make_absent(self) -> Reader[Any] | None:
        """A reader whose source is not there; None where that cannot be."""
        return None

    def make_misled(self) -> contextlib.AbstractAsyncContextManager[Reader[Any]] | None:
        """A reader whose source is there, and brings nothing that can be read; None where that cannot be."""
        return None

    # -- lifetime --

    async def test_constructing_touches_nothing(self) -> None:
        async with self.make() as reader:
            with heard_by_the_system() as touched:
                type(reader)(reader.settings, reader._snapshot)

        assert touched == []

    async def test_entering_is_possible_without_a_source(self) -> None:
        reader = self.make_absent()
        if reader is None:
            pytest.skip("this source is always there")

        async with self._deadline(), reader as entered:
            assert entered is reader

    async def test_leaving_twice_is_harmless(self) -> None:
        async with self._deadline(), self.make() as reader:
            async with reader:
                await reader.read()
            await reader.__aexit__(None, None, None)

    async def test_leaving_without_having_entered_is_harmless(self) -> None:
        async with self._deadline(), self.make() as reader:
            await reader.__aexit__(None, None, None)

    async def test_leaving_without_having_read_is_harmless(self) -> None:
        async with self._deadline(), self.make() as reader, reader:
            pass

    # -- what comes --

    async def test_a_read_brings_pages_that_are_json_objects(self) -> None:
        reading = await self._read()

        assert reading.pages
        assert all(isinstance(_decoded(page), dict) for page in reading.pages)
        assert all(page.dataset for page in reading.pages)

    async def test_time_and_duration_are_those_of_the_read(self) -> None:
        async with self._deadline(), self.make() as reader, reader:
            await reader.read()  # whatever is loaded on first use is loaded now
            before, started = time.time_ns(), time.perf_counter_ns()
            reading = await reader.read()
            after, took = time.time_ns(), time.perf_counter_ns() - started

        assert before <= reading.time <= after
        assert 0 <= reading.duration <= took

    async def test_two_reads_follow_one_another(self) -> None:
        async with self._deadline(), self.make() as reader, reader:
            first = await reader.read()
            second = await reader.read()

        assert first.time <= second.time
        assert first.pages
        assert second.pages

    # -- what goes wrong --

    @TURNS
    async def test_a_cancelled_read_leaves_the_reader_usable(self, turns: int) -> None:
        async with self._deadline(), self.make() as reader, reader:
            await _cancel_after(turns, reader)
            reading = await reader.read()

        assert reading.pages

    @TURNS
    async def test_a_cancelled_read_after_another_leaves_the_reader_usable(self, turns: int) -> None:
        async with self._deadline(), self.make() as reader, reader:
            await reader.read()
            await _cancel_after(turns, reader)
            reading = await reader.read()

        assert reading.pages

    async def test_a_source_that_is_not_there_raises_read_error_each_time(self) -> None:
        reader = self.make_absent()
        if reader is None:
            pytest.skip("this source is always there")

        async with self._deadline(), reader:
            for _ in range(2):
                with pytest.raises(ReadError) as raised:
                    await reader.read()
                self._check_message(raised.value)

    async def test_a_source_that_cannot_be_read_raises_read_error_each_time(self) -> None:
        making = self.make_misled()
        if making is None:
            pytest.skip("this source is always right")

        async with self._deadline(), making as reader, reader:
            for _ in range(2):
                with pytest.raises(ReadError) as raised:
                    await reader.read()
                self._check_message(raised.value)

    # -- what is shown --

    async def test_the_target_is_one_line_without_query(self) -> None:
        async with self.make() as reader:
            assert reader.target.isprintable()
            assert "?" not in reader.target

    async def test_no_secret_is_shown(self) -> None:
        async with self.make() as reader:
            shown = [repr(reader), str(reader), repr(reader.settings), str(reader.settings), reader.target]

        assert [secret for secret in self.secrets for text in shown if secret in text] == []

    async def test_the_settings_are_of_the_type_that_the_reader_names(self) -> None:
        async with self.make() as reader:
            assert isinstance(reader.settings, reader.settings_type)
            assert isinstance(reader.prefix, str)

    # -- how it is done --

    async def _read(self) -> Reading:
        async with self._deadline(), self.make() as reader, reader:
            return await reader.read()

    def _check_message(self, error: ReadError) -> None:
        assert error.reason.isidentifier()
        assert str(error).isprintable()
        assert [secret for secret in self.secrets if secret in str(error)] == []

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        with anyio.fail_after(PATIENCE):
            yield


def _decoded(page: Page) -> object:
    body = json.dumps(page.body, default=dict) if isinstance(page.body, Mapping) else page.body
    return json.loads(body)


async def _cancel_after(turns: int, reader: Reader[Any]) -> None:
    """Cancel a read() when the loop has turned so often, wherever it is by then."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.read)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
