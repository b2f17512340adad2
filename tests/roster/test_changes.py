"""The log of changes remembers as much as it may, and what it does not know it does not leave out."""

import asyncio

import pytest

from app.domain.ids import UserId
from app.roster.changes import Changed, ChangeLog, TooOld
from tests.waiting import turn

ANN, BEN, CY = UserId("ann"), UserId("ben"), UserId("cy")


def log(most: int = 10) -> ChangeLog:
    made = ChangeLog(most)
    made.restart("0")
    return made


def test_what_has_changed_since_an_event_is_everybody_whom_later_ones_touch() -> None:
    known = log()
    known.add("1", [BEN, ANN])
    known.add("2", [])
    known.add("3", [CY, ANN])
    assert known.since("0") == Changed((ANN, BEN, CY), "3")
    assert known.since("1") == known.since("2") == Changed((ANN, CY), "3")
    assert known.since("3") == Changed((), "3")


def test_a_log_that_is_full_forgets_the_oldest() -> None:
    known = log(most=3)
    known.add("1", [ANN, BEN])
    known.add("2", [CY, ANN])
    with pytest.raises(TooOld) as raised:
        known.since("0")
    assert raised.value.upto == "2"
    assert known.since("2").users == ()


def test_more_changes_than_fit_may_be_everybody() -> None:
    known = log(most=1)
    known.add("1", [ANN, BEN])
    with pytest.raises(TooOld):
        known.since("0")
    assert known.since("1") == Changed((), "1")


def test_after_another_load_nothing_from_before_is_known() -> None:
    known = log()
    known.add("1", [ANN])
    known.restart("5")
    with pytest.raises(TooOld):
        known.since("1")
    assert known.since("5") == Changed((), "5")
    known.restart(None)
    with pytest.raises(TooOld) as raised:
        known.since("5")
    assert raised.value.upto is None


@pytest.mark.parametrize(("event", "may_come"), [("0", False), ("2", True), ("1", False), ("20", False), ("x", True)])
def test_only_a_newer_event_may_come_yet(event: str, *, may_come: bool) -> None:
    known = log()
    known.add("1", [])
    assert known.may_come(event) is may_come


async def test_whoever_waits_is_woken_by_a_change_or_waits_no_longer_than_wanted() -> None:
    known = log()
    waiting = asyncio.create_task(known.wait(60))
    await turn()
    known.add("1", [])
    await turn()
    assert not waiting.done()
    known.add("2", [ANN])
    await waiting
    await known.wait(0)
