"""A district and accounts of which it is known whose they are: drawn from a seed, and mistyped as people mistype.

Knows nothing of the matcher. What a person is at Clever and what an application wrote down come from one truth; then
each goes its way: fields are missing on either side, and of what was written down one field in twenty is mistyped.
"""

import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

ACCOUNTS = 1_000
MISTYPED, LEFT_OUT, LEFT_OUT_AT_CLEVER, WITH_ID = 0.05, 0.2, 0.1, 0.35
VANISHED = 0.04
"""Of all people so many have left the district since, or are back with another id."""

FIRST = [
    "Ann",
    "Ben",
    "Cora",
    "Dan",
    "Eve",
    "Finn",
    "Gwen",
    "Hugo",
    "Ida",
    "Jon",
    "Kim",
    "Leo",
    "Mia",
    "Ned",
    "Ola",
    "Pia",
    "Quin",
    "Rosa",
    "Sam",
    "Tess",
    "Uma",
    "Vic",
    "Wes",
    "Zoe",
]
LAST = [
    "Alder",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Fir",
    "Ginkgo",
    "Hazel",
    "Ironwood",
    "Juniper",
    "Katsura",
    "Larch",
    "Maple",
    "Oak",
    "Pine",
    "Rowan",
]

OF_ROLE: Mapping[str, Sequence[str]] = {
    "student": ("sis_id", "student_number", "state_id", "date_of_birth", "email", "name"),
    "teacher": ("email", "sis_id", "teacher_number", "state_id", "name"),
    "staff": ("email", "staff_id", "name"),
    "district_admin": ("email", "name"),
    "contact": ("email", "name"),
}
NUMBERS = ("sis_id", "student_number", "teacher_number", "staff_id", "state_id")
ALONE: Mapping[str, frozenset[str]] = {
    role: frozenset({*NUMBERS, *(() if role in {"student", "contact"} else ("email",))}) for role in OF_ROLE
}
"""What identifies somebody by itself."""


@dataclass(frozen=True)
class Held:
    """Somebody in a role: as Clever has them."""

    user: str
    role: str
    legacy_id: str | None
    known: Mapping[str, str]


@dataclass(frozen=True)
class Written:
    """An account, as the application wrote it down.

    Attributes:
        id: its id.
        role: its role.
        user: whose it is; None for nobody's in the district.
        clever_id: the id that stands there.
        is_id_right: whether that is one of the user's.
        fields: what stands there.
    """

    id: str
    role: str
    user: str | None
    clever_id: str = ""
    is_id_right: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)

    def agrees(self, held: Held) -> set[str]:
        """In which fields it agrees with somebody."""
        return {name for name, value in self.fields.items() if value and held.known.get(name) == value}

    def differs(self, held: Held) -> set[str]:
        """In which fields it differs from somebody, where both have something."""
        both = {name for name, value in self.fields.items() if value and held.known.get(name)}
        return both - self.agrees(held)

    def points_to(self, held: Held) -> bool:
        """Whether it agrees in what identifies somebody."""
        agreeing = self.agrees(held)
        return bool(agreeing & ALONE[self.role] or ("name" in agreeing and agreeing & {"date_of_birth", "email"}))


@dataclass(frozen=True)
class Planted:
    """A district, and accounts."""

    held: Sequence[Held]
    accounts: Sequence[Written]

    def others(self, account: Written) -> Iterator[Held]:
        """Everybody in the role of an account whose it is not."""
        return (held for held in self.held if held.role == account.role and held.user != account.user)

    def owner(self, account: Written) -> Held | None:
        """Whose it is, in its role."""
        return next((held for held in self.held if (held.user, held.role) == (account.user, account.role)), None)

    def is_matchable(self, account: Written) -> bool:
        """Whether whoever sees nothing but what is written has to find whose it is, and can be sure of it.

        The owner is in the district, and no contact. An id of Clever's stands there and is right; or none does, and
        then what stands there identifies the owner and nobody else, more of it agrees with the owner than differs, and
        where the name differs, two fields agree each of which identifies somebody by itself.
        """
        owner = self.owner(account)
        if owner is None or account.role == "contact" or account.clever_id:
            return owner is not None and account.role != "contact" and account.is_id_right
        agreeing, differing = account.agrees(owner), account.differs(owner)
        return (
            account.points_to(owner)
            and not any(map(account.points_to, self.others(account)))
            and len(agreeing) > len(differing)
            and ("name" not in differing or len(agreeing & ALONE[account.role]) > 1)
        )

    def is_ambiguous(self, account: Written) -> bool:
        """Whether it has no id of Clever's, and what stands there leads to several people, or the name alone to one."""
        if account.clever_id or account.role == "contact":
            return False
        rest = [held for held in self.held if held.role == account.role]
        pointed = sum(map(account.points_to, rest))
        return pointed > 1 or (pointed == 0 and any("name" in account.agrees(held) for held in rest))


def planted(seed: int) -> Planted:
    """Draw a district and a thousand accounts."""
    draw = random.Random(seed)  # noqa: S311 -- drawn from a seed, and guards nothing
    people = [*_people(draw)]
    gone = set(draw.sample(range(len(people)), round(VANISHED * len(people))))
    held = [each for number, person in enumerate(people) if number not in gone for each in _at_clever(draw, person)]
    district = Planted(held, [])
    written = [
        _written(draw, district, each, is_gone=number in gone)
        for number, person in enumerate(people)
        for each in person
    ]
    return Planted(held, draw.sample(written, ACCOUNTS))


def _hex(draw: random.Random) -> str:
    return f"{draw.getrandbits(96):024x}"


def _people(draw: random.Random) -> Iterator[list[Held]]:
    """Draw people as they are: 860 students with 25 pairs of twins, employees in up to three roles, contacts."""
    numbers = iter(draw.sample(range(1_000, 4_000), 2_400))
    for _ in range(810):
        yield [_student(draw, numbers)]
    for _ in range(25):
        one = _student(draw, numbers)
        other = _student(draw, numbers)
        shared = {name: one.known[name] for name in ("date_of_birth", "email")}
        first, last = one.known["name"].split()
        sibling = draw.choice([name for name in FIRST if name != first])
        yield [one]
        yield [replace(other, known={**other.known, **shared, "name": f"{sibling} {last}"})]
    for roles in (
        *[("teacher",)] * 120,
        *[("staff",)] * 40,
        *[("teacher", "staff")] * 30,
        *[("teacher", "staff", "district_admin")] * 15,
        *[("district_admin",)] * 5,
        *[("contact",)] * 40,
    ):
        user, number = _hex(draw), next(numbers)
        first, last = draw.choice(FIRST), draw.choice(LAST)
        fields = {
            "email": f"{first}.{last}{number}@school.example.org".lower(),
            "name": f"{first} {last}",
            **{name: f"{name[0].upper()}{next(numbers)}" for name in ("sis_id", "teacher_number", "staff_id")},
            "state_id": f"{next(numbers):08}",
        }
        yield [Held(user, role, _hex(draw), {name: fields[name] for name in OF_ROLE[role]}) for role in roles]


def _student(draw: random.Random, numbers: Iterator[int]) -> Held:
    user, number = _hex(draw), next(numbers)
    first, last = draw.choice(FIRST), draw.choice(LAST)
    known = {
        "sis_id": f"S{number}",
        "student_number": f"{number + 7}",
        "state_id": f"{number + 70_000:08}",
        "date_of_birth": f"{draw.randint(1, 12)}/{draw.randint(1, 28)}/{draw.randint(2008, 2018)}",
        "email": f"{first}.{last}{number}@pupils.example.org".lower(),
        "name": f"{first} {last}",
    }
    return Held(user, "student", None, known)


def _at_clever(draw: random.Random, person: Sequence[Held]) -> Iterator[Held]:
    for held in person:
        kept = {
            name: value for name, value in held.known.items() if name == "name" or draw.random() >= LEFT_OUT_AT_CLEVER
        }
        yield replace(held, known=kept)


def _written(draw: random.Random, district: Planted, held: Held, *, is_gone: bool) -> Written:
    """Write somebody down; never so that nothing at all tells the account from somebody else's."""
    account = Written(_hex(draw)[:8], held.role, None if is_gone else held.user)
    if draw.random() < WITH_ID:
        right = draw.choice([held.user, held.legacy_id or held.user])
        is_mistyped = draw.random() < MISTYPED
        account = replace(
            account,
            clever_id=_mistyped(draw, right, "0123456789abcdef") if is_mistyped else right,
            is_id_right=not is_mistyped,
        )
    while True:
        fields = {
            name: _mistyped_field(draw, name, value) if draw.random() < MISTYPED else value
            for name, value in held.known.items()
            if draw.random() >= LEFT_OUT
        }
        account = replace(account, fields=fields)
        if not any(account.points_to(other) and not account.differs(other) for other in district.others(account)):
            return account


def _mistyped_field(draw: random.Random, name: str, value: str) -> str:
    if name == "date_of_birth":
        month, day, year = value.split("/")
        return f"{month}/{int(day) % 28 + 1}/{year}"
    return _mistyped(draw, value, string.digits if name in NUMBERS else string.ascii_lowercase)


def _mistyped(draw: random.Random, value: str, by: str) -> str:
    """Replace a character, or have two change places."""
    at = draw.randrange(1, len(value) - 1)
    if draw.random() < 0.3 and value[at] != value[at + 1]:
        return value[:at] + value[at + 1] + value[at] + value[at + 2 :]
    return value[:at] + draw.choice([each for each in by if each != value[at].lower()]) + value[at + 1 :]
