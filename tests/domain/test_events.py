"""Events that one replica passes on to another lose nothing, and what is no events is refused."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calendar import Calendar, Term
from app.domain.events import Change, Event, Kind, Passage, packed_passage, unpacked_passage
from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, SchoolId, SectionId, UserId
from app.domain.places import Section
from app.domain.scopes import Scope
from app.domain.serialization import FORMAT
from tests.domain.worlds import law

_ids = st.binary(min_size=12, max_size=12).map(bytes.hex)
_some_ids = st.lists(_ids, max_size=3).map(tuple)
_facts = st.builds(Facts, _ids, _ids, st.lists(st.builds(HeldRole, st.sampled_from(Role)), max_size=2).map(tuple))
_sections = st.builds(Section, _ids, _ids, st.none() | _ids, _some_ids, _some_ids, st.none() | _ids)
_events = st.builds(
    Event,
    _ids,
    st.sampled_from(Kind),
    st.sampled_from(Change),
    st.none() | _ids,
    st.none() | _facts | _sections | _ids,
    _some_ids,
)
_passages = st.builds(Passage, _ids, _ids, st.lists(_events, max_size=3).map(tuple))

DISTRICT = DistrictId("north")


@law
@given(_passages)
def test_passing_events_on_loses_nothing(passage: Passage) -> None:
    assert unpacked_passage(packed_passage(passage)) == passage


@pytest.mark.parametrize(
    "record",
    [
        None,
        SchoolId("hill"),
        Calendar("paused", date(2026, 6, 1), None, None, (Term("fall", date(2026, 8, 1)),)),
        Section(SectionId("algebra"), DISTRICT, None, ("bob",), ("ada",)),
        Facts(UserId("ada"), DISTRICT, (HeldRole(Role.STAFF, (Standing(((Scope.SCHOOL, ("hill",)),)),)),)),
    ],
)
def test_each_kind_of_record_is_passed_on(record: Facts | Section | SchoolId | Calendar | None) -> None:
    passage = Passage("one", "two", (Event("two", Kind.USER, record=record, previous=(UserId("cy"),)),))
    assert unpacked_passage(packed_passage(passage)) == passage


@pytest.mark.parametrize("said", [b"", b"\x00", packed_passage(Passage("one", "two"))[:-1]])
def test_what_is_no_events_is_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match="not events in this format"):
        unpacked_passage(said)


def test_events_of_another_format_are_refused() -> None:
    of_another = packed_passage(Passage("one", "two")).replace(bytes((FORMAT,)), bytes((FORMAT + 1,)), 1)
    with pytest.raises(ValueError, match="not events in this format"):
        unpacked_passage(of_another)
