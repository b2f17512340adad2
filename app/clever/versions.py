"""Which versions of Clever's API can be read: a row each, and the shapes and rules of its family."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.clever import v3
from app.clever.records import Entry, IdRecord, Page, SectionRecord, UserRecord
from app.domain.facts import Facts, Oddity
from app.domain.ids import DistrictId, IdShape

Version = Literal["v3.0", "v3.1"]


@dataclass(frozen=True, slots=True)
class Family:
    """Versions that send the same where it matters.

    Attributes:
        user: the shape of `/users/{id}`.
        sections: the shape of a page of `/users/{id}/sections`.
        schools: the shape of a page of `/users/{id}/schools`.
        facts_of: how they become facts.
    """

    user: type[Entry[UserRecord]]
    sections: type[Page[SectionRecord]]
    schools: type[Page[IdRecord]]
    facts_of: Callable[[v3.Answers, DistrictId, IdShape], tuple[Facts, Counter[Oddity]]]


_V3 = Family(Entry[UserRecord], Page[SectionRecord], Page[IdRecord], v3.facts_of)

FAMILIES: Mapping[Version, Family] = {"v3.0": _V3, "v3.1": _V3}
"""The family of each version that can be read."""
