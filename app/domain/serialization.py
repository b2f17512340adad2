"""The compact form in which facts are cached.

As Python objects, the facts of a user take some 1,800 bytes, most of them in ids of 24 letters. Packed they take some
200 bytes, and the garbage collector has nothing to trace. They are unpacked only for a new evaluation.
"""

import re
from collections.abc import Iterable
from typing import Annotated, NewType

import msgspec

from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import CLEVER_ID, DistrictId, UserId
from app.domain.scopes import Scope

PackedFacts = NewType("PackedFacts", bytes)
"""A byte for the format, one that says whether the user's schools are confirmed, then the facts in MessagePack."""

FORMAT = 3
"""Raise it with every change to the meaning of the bytes, such as the order of roles or scopes. Facts in format 1 lack
undocumented values of fields, those in format 2 the terms of sections, and so either may grant too much."""

_CONFIRMED = 1
_HEAD_BYTES = 2
_ROLES, _SCOPES = tuple(Role), tuple(Scope)
_is_hexadecimal = re.compile(CLEVER_ID).fullmatch

_ID_BYTES = 12
_Id = bytes
"""Twelve bytes for an id of Clever's; any other id as text, padded with spaces to at least thirteen bytes."""

_Standing = tuple[
    tuple[tuple[Annotated[int, msgspec.Meta(ge=0, lt=len(_SCOPES))], tuple[_Id, ...]], ...],
    tuple[tuple[str, tuple[str, ...]], ...],
    tuple[_Id, ...] | None,
    tuple[_Id, ...],
    _Id | None,
]
_Role = tuple[Annotated[int, msgspec.Meta(ge=0, lt=len(_ROLES))], str | None, tuple[_Standing, ...]]
_Facts = tuple[_Id, _Id, tuple[_Role, ...]]

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Facts)
_ROLES_DECODER = msgspec.msgpack.Decoder(tuple[_Role, ...])


def packed(facts: Facts) -> PackedFacts:
    """Return the compact form of facts."""
    roles = tuple(map(_put_role, facts.roles))
    head = bytes((FORMAT, _CONFIRMED if facts.confirmed() else 0))
    return PackedFacts(head + _ENCODER.encode((short_id(facts.user), short_id(facts.district), roles)))


def packed_roles(roles: Iterable[HeldRole]) -> bytes:
    """Return the compact form of roles alone, without a format: for the memory of this process only."""
    return _ENCODER.encode(tuple(map(_put_role, roles)))


def unpacked_roles(roles: bytes) -> tuple[HeldRole, ...]:
    """Return the roles of a compact form."""
    return tuple(map(_role, _ROLES_DECODER.decode(roles)))


def is_confirmed(facts: PackedFacts) -> bool:
    """Whether administered schools were checked against Clever's list (``Facts.confirmed``).

    It is read from the header, without unpacking.
    """
    return facts[1] == _CONFIRMED


def unpacked(facts: PackedFacts) -> Facts:
    """Return the facts of a compact form; raises ``ValueError`` for bytes of another format."""
    if facts[:1] != bytes((FORMAT,)):
        raise ValueError("these bytes are not facts in this format")
    try:
        user, district, roles = _DECODER.decode(memoryview(facts)[_HEAD_BYTES:])
        return Facts(UserId(long_id(user)), DistrictId(long_id(district)), tuple(map(_role, roles)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError("these bytes are not facts in this format") from error


def _put_role(held: HeldRole) -> _Role:
    return _ROLES.index(held.role), held.legacy_id, tuple(map(_put, held.standings))


def _put(standing: Standing) -> _Standing:
    return (
        tuple((_SCOPES.index(scope), _all_short(ids)) for scope, ids in standing.places),
        standing.fields,
        None if standing.unconfirmed is None else _all_short(standing.unconfirmed),
        _all_short(standing.section_schools),
        None if standing.term is None else short_id(standing.term),
    )


def _role(given: _Role) -> HeldRole:
    role, legacy_id, standings = given
    return HeldRole(_ROLES[role], tuple(map(_standing, standings)), legacy_id)


def _standing(given: _Standing) -> Standing:
    places, fields, unconfirmed, section_schools, term = given
    return Standing(
        tuple((_SCOPES[scope], _all_long(ids)) for scope, ids in places),
        fields,
        None if unconfirmed is None else _all_long(unconfirmed),
        _all_long(section_schools),
        None if term is None else long_id(term),
    )


def short_id(named: str) -> bytes:
    """Return the compact form of an id."""
    return bytes.fromhex(named) if _is_hexadecimal(named) else named.encode(errors="surrogatepass").ljust(_ID_BYTES + 1)


def long_id(named: bytes) -> str:
    """Return the id of a compact form."""
    return named.hex() if len(named) == _ID_BYTES else named.decode().rstrip()


def long_ids(named: Iterable[bytes]) -> list[str]:
    """Return the ids of several compact forms."""
    return [each.hex() if len(each) == _ID_BYTES else long_id(each) for each in named]


def _all_short(ids: Iterable[str]) -> tuple[_Id, ...]:
    return tuple([bytes.fromhex(each) if _is_hexadecimal(each) else short_id(each) for each in ids])


def _all_long(ids: Iterable[_Id]) -> tuple[str, ...]:
    return tuple(long_ids(ids))
