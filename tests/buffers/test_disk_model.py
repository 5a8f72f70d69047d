"""The buffer on disk in lock-step with a list: through kills, clean ends, and the loss of power."""

from __future__ import annotations

import pytest
from disk_driver import Driver, take_all

from contracts.buffer import assert_law, ids

SYNC = ("always", "interval", "never")
SEEDS = range(8)


@pytest.mark.parametrize("sync", SYNC)
def test_through_kills_everything_is_where_it_was_and_so_are_the_books(sync: str) -> None:
    for seed in SEEDS:
        driver = Driver(seed, sync=sync)
        for _ in range(8):
            for _ in range(driver.draw.randrange(1, 60)):
                driver.step()
            totals, rows = dict(driver.ledger.totals), [*driver.ledger.minutes.rows()]
            shed, polls = dict(driver.ledger.shed), dict(driver.buffer.last_polls)
            driver.files.kill()
            driver.open()

            assert {**driver.ledger.totals} == totals
            assert [*driver.ledger.minutes.rows()] == rows
            assert driver.ledger.shed == shed
            assert driver.buffer.last_polls == polls
            assert not driver.buffer.errors
            driver.check()
            batch = take_all(driver.buffer)
            assert sorted(ids(batch)) == sorted(driver.alive)
            assert {record.container.id for record in batch if record.tries} == driver.alive & driver.tried
            assert all(record.in_doubt == bool(record.tries) for record in batch)
            driver.tried.update(ids(batch))
            driver.buffer.give_back(batch, 0.0)


@pytest.mark.parametrize("sync", SYNC)
def test_through_clean_ends_a_full_buffer_keeps_to_its_limits(sync: str) -> None:
    for seed in SEEDS:
        driver = Driver(seed, sync=sync, max_bytes=250_000, max_age=50.0)
        for _ in range(4):
            for _ in range(100):
                driver.step()
            driver.buffer.close(driver.now)
            assert driver.files.open_files == 0
            driver.open()

            driver.check()
            assert sorted(driver.waiting_ids()) == sorted(driver.alive)
        assert driver.lost


@pytest.mark.parametrize("sync", SYNC)
def test_when_the_power_fails_what_was_synced_is_there_and_nothing_else_is_made_up(sync: str) -> None:
    for seed in range(30):
        driver = Driver(seed, sync=sync)
        for _ in range(5):
            for _ in range(driver.draw.randrange(1, 80)):
                driver.step()
            driver.files.lose_power(driver.draw)
            driver.open()

            assert_law_of_totals(driver)
            found = driver.waiting_ids()
            assert len(found) == len(set(found)) == driver.buffer.waiting
            assert set(found) <= set(driver.put) - driver.lost
            assert driver.safe - driver.settled - driver.lost <= set(found)
            assert not driver.safely_settled & set(found)
            driver.settled = set(driver.put) - set(found) - driver.lost
            driver.safe &= set(found)
            driver.safely_settled &= driver.settled
            driver.tried |= set(found)
            driver.ledger.minutes.restore({})
            rebook(driver)


def assert_law_of_totals(driver: Driver) -> None:
    assert driver.ledger.totals["offered"] == driver.ledger.settled + driver.buffer.waiting + driver.buffer.out


def rebook(driver: Driver) -> None:
    """The minutes cannot know what the disk lost; go on with those that would."""
    driver.check = lambda: assert_law_of_totals(driver)  # type: ignore[method-assign]


def test_the_law_holds_by_minute_too_where_nothing_was_lost() -> None:
    driver = Driver(7, sync="interval")
    for _ in range(300):
        driver.step()

    assert_law(driver.buffer, driver.ledger)
