"""Facts in few bytes: what is kept of a user for as long as they may be asked about.

As Python's own values they take some 1,800 bytes a user, most of it ids in 24 letters; packed some 200, and nothing
that the garbage collector has to look through. They are unpacked only where something is worked out anew.
"""

import re
from collections.abc import Iterable
from typing import Annotated, NewType

import msgspec

from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import CLEVER_ID, DistrictId, UserId
from app.domain.scopes import Scope

PackedFacts = NewType("PackedFacts", bytes)
"""The format, whether the user's schools are confirmed, and the facts as MessagePack, arrays without names."""

FORMAT = 2
"""To be raised with whatever changes what the bytes mean: the order of roles and of scopes does. Format 1 left out of
fields what Clever does not document, so that facts from then may grant too much."""

_CONFIRMED = 1
_HEAD_BYTES = 2
_ROLES, _SCOPES = tuple(Role), tuple(Scope)
_HEXADECIMAL = re.compile(CLEVER_ID)

_ID_BYTES = 12
_Id = bytes
"""Twelve bytes for an id of Clever's; any other as it is written, and made longer than that by spaces."""

_Standing = tuple[
    tuple[tuple[Annotated[int, msgspec.Meta(ge=0, lt=len(_SCOPES))], tuple[_Id, ...]], ...],
    tuple[tuple[str, tuple[str, ...]], ...],
    tuple[_Id, ...] | None,
    tuple[_Id, ...],
]
_Role = tuple[Annotated[int, msgspec.Meta(ge=0, lt=len(_ROLES))], str | None, tuple[_Standing, ...]]
_Facts = tuple[_Id, _Id, tuple[_Role, ...]]

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Facts)


def packed(facts: Facts) -> PackedFacts:
    """Return facts in few bytes."""
    roles = tuple((_ROLES.index(held.role), held.legacy_id, tuple(map(_put, held.standings))) for held in facts.roles)
    head = bytes((FORMAT, _CONFIRMED if facts.confirmed() else 0))
    return PackedFacts(head + _ENCODER.encode((_short(facts.user), _short(facts.district), roles)))


def is_confirmed(facts: PackedFacts) -> bool:
    """Tell what ``Facts.confirmed`` tells, without unpacking."""
    return facts[1] == _CONFIRMED


def unpacked(facts: PackedFacts) -> Facts:
    """Return facts as they were packed; raises ``ValueError`` for bytes that are not of this format."""
    if facts[:1] != bytes((FORMAT,)):
        raise ValueError("these are no facts of this format")
    try:
        user, district, roles = _DECODER.decode(memoryview(facts)[_HEAD_BYTES:])
        return Facts(UserId(_long(user)), DistrictId(_long(district)), tuple(map(_role, roles)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError("these are no facts of this format") from error


def _put(standing: Standing) -> _Standing:
    return (
        tuple((_SCOPES.index(scope), _all_short(ids)) for scope, ids in standing.places),
        standing.fields,
        None if standing.unconfirmed is None else _all_short(standing.unconfirmed),
        _all_short(standing.section_schools),
    )


def _role(given: _Role) -> HeldRole:
    role, legacy_id, standings = given
    return HeldRole(_ROLES[role], tuple(map(_standing, standings)), legacy_id)


def _standing(given: _Standing) -> Standing:
    places, fields, unconfirmed, section_schools = given
    return Standing(
        tuple((_SCOPES[scope], _all_long(ids)) for scope, ids in places),
        fields,
        None if unconfirmed is None else _all_long(unconfirmed),
        _all_long(section_schools),
    )


def _short(named: str) -> _Id:
    return bytes.fromhex(named) if _HEXADECIMAL.fullmatch(named) else named.encode().ljust(_ID_BYTES + 1)


def _long(named: _Id) -> str:
    return named.hex() if len(named) == _ID_BYTES else named.decode().rstrip()


def _all_short(ids: Iterable[str]) -> tuple[_Id, ...]:
    return tuple(map(_short, ids))


def _all_long(ids: Iterable[_Id]) -> tuple[str, ...]:
    return tuple(map(_long, ids))
