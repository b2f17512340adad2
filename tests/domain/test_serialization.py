"""Packing loses nothing, and what is not packed facts is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope
from app.domain.serialization import (
    FORMAT,
    PackedFacts,
    is_confirmed,
    packed,
    packed_roles,
    unpacked,
    unpacked_roles,
)
from tests.domain.worlds import law

_clever_ids = st.binary(min_size=12, max_size=12).map(bytes.hex)
_other_ids = st.text("ABCabc019_-", min_size=1, max_size=64)
_ids = st.lists(st.one_of(_clever_ids, _other_ids), max_size=4).map(tuple)
_texts = st.lists(st.text(max_size=20), max_size=3).map(tuple)
_standings = st.builds(
    Standing,
    st.lists(st.tuples(st.sampled_from(Scope), _ids), max_size=3).map(tuple),
    st.lists(st.tuples(st.text(max_size=10), _texts), max_size=2).map(tuple),
    st.none() | _ids,
    _ids,
    st.none() | st.one_of(_clever_ids, _other_ids),
)
_roles = st.builds(
    HeldRole, st.sampled_from(Role), st.lists(_standings, max_size=3).map(tuple), st.none() | st.text(max_size=30)
)
_facts = st.builds(Facts, _clever_ids, _other_ids, st.lists(_roles, max_size=3).map(tuple))


@law
@given(_facts)
def test_packing_loses_nothing(facts: Facts) -> None:
    assert unpacked(packed(facts)) == facts
    assert is_confirmed(packed(facts)) == facts.confirmed()


@law
@given(st.binary(max_size=60))
def test_whatever_is_no_packed_facts_is_refused_or_is_facts(said: bytes) -> None:
    try:
        facts = unpacked(PackedFacts(bytes((FORMAT, 0)) + said))
    except ValueError:
        return
    assert isinstance(facts, Facts)


def test_roles_alone_are_packed_without_loss() -> None:
    taught = Standing(((Scope.SECTION, ("5f3c1e8a9b2d4c6e7f8a9b0c", "maths")),), term="autumn")
    roles = (HeldRole(Role.TEACHER, (taught,), "1234"), HeldRole(Role.STUDENT))
    assert unpacked_roles(packed_roles(roles)) == roles


@pytest.mark.parametrize("kept", [0, 2, 10])
def test_facts_that_were_cut_off_are_refused(kept: int) -> None:
    with pytest.raises(ValueError, match="not facts in this format"):
        unpacked(PackedFacts(packed(Facts(UserId("ann"), DistrictId("north")))[:kept]))


@pytest.mark.parametrize("format_told", [b"", bytes((FORMAT + 1,)), b"\x00"])
def test_facts_of_another_format_are_refused(format_told: bytes) -> None:
    with pytest.raises(ValueError, match="not facts in this format"):
        unpacked(PackedFacts(format_told + packed(Facts(UserId("ann"), DistrictId("north")))[1:]))


def test_the_format_is_what_other_processes_have_written() -> None:
    """A change of these bytes needs another number of the format."""
    standing = Standing(
        ((Scope.SECTION, ("5f0000000000000000000001",)),),
        (("title", ("dean",)),),
        None,
        ("5f0000000000000000000002",),
        "5f0000000000000000000003",
    )
    facts = Facts(
        UserId("668262009155dac234000003"), DistrictId("north"), (HeldRole(Role.TEACHER, (standing,), "legacy"),)
    )
    assert packed(facts).hex() == (
        "030093c40c668262009155dac234000003c40d6e6f7274682020202020202020919302a66c6567616379"
        "919591920291c40c5f00000000000000000000019192a57469746c6591a46465616ec091c40c5f0000000000000000000002"
        "c40c5f0000000000000000000003"
    )


def test_a_teacher_of_six_sections_takes_little_room() -> None:
    ids = tuple(f"{number:024x}" for number in range(8))
    standing = Standing(((Scope.SECTION, ids[:6]), (Scope.SCHOOL, ids[6:])), section_schools=ids[6:])
    assert len(packed(Facts(UserId(ids[0]), DistrictId(ids[1]), (HeldRole(Role.TEACHER, (standing,)),)))) < 200
