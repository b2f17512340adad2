"""Which versions of Clever's API can be read: a row each, and the shapes and rules of its family."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.clever import v3
from app.clever.records import Entry, Page, SchoolRecord, SectionRecord, UserRecord
from app.domain.facts import Facts, Oddity
from app.domain.ids import DistrictId, IdShape
from app.domain.places import Section

Version = Literal["v3.0", "v3.1"]


@dataclass(frozen=True, slots=True)
class Family:
    """Versions that send the same where it matters.

    Attributes:
        user: the shape of one user, `users` of a page of them.
        section: the shape of one section, `sections` of a page of them.
        school: the shape of one school, `schools` of a page of them.
        facts_of: how what was read of a user becomes facts.
        section_of: how the record of a section becomes a section.
    """

    user: type[Entry[UserRecord]]
    users: type[Page[UserRecord]]
    section: type[Entry[SectionRecord]]
    sections: type[Page[SectionRecord]]
    school: type[Entry[SchoolRecord]]
    schools: type[Page[SchoolRecord]]
    facts_of: Callable[[v3.Answers, DistrictId, IdShape], tuple[Facts, Counter[Oddity]]]
    section_of: Callable[[SectionRecord, DistrictId, IdShape], tuple[Section, Counter[Oddity]]]


_V3 = Family(
    user=Entry[UserRecord],
    users=Page[UserRecord],
    section=Entry[SectionRecord],
    sections=Page[SectionRecord],
    school=Entry[SchoolRecord],
    schools=Page[SchoolRecord],
    facts_of=v3.facts_of,
    section_of=v3.section_of,
)

FAMILIES: Mapping[Version, Family] = {"v3.0": _V3, "v3.1": _V3}
"""The family of each version that can be read."""
