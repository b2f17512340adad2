"""Users whom Clever does not know, has let go of or tells in part: a tenth of those who are asked about.

Of the first all three reads fail at once, of the second that of the user alone, of the third that of the sections.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.sandbox.records import District

SHARE = 0.1
DEPARTED = HALF_BROKEN = 6

Fault = Mapping[str, Any]


@dataclass(frozen=True)
class Strangers:
    """Who they are.

    Attributes:
        departed: users who still stand in sections, and whom Clever says not to know.
        half_broken: teachers whose sections cannot be read.
    """

    departed: Sequence[str] = ()
    half_broken: Sequence[str] = ()

    @classmethod
    def of(cls, district: District, draw: random.Random, but: Sequence[str] = ()) -> "Strangers":
        """Pick some teachers of a district, and none of those who have to be known."""
        others = [user.id for user in district.users_in_role["teacher"] if user.id not in set(but)]
        picked = draw.sample(others, DEPARTED + HALF_BROKEN)
        return cls(tuple(picked[:DEPARTED]), tuple(picked[DEPARTED:]))

    def one(self, draw: random.Random) -> str:
        """Draw one; whom Clever does not know is another each time."""
        kind = draw.randrange(4)
        if kind > 1 or not self.departed:
            return f"{draw.getrandbits(96):024x}"
        return draw.choice((self.departed, self.half_broken)[kind])

    def among(self, users: Sequence[str], draw: random.Random) -> list[str]:
        """Return users with a stranger in the place of some."""
        return [self.one(draw) if draw.random() < SHARE else user for user in users]

    def faults(self) -> list[Fault]:
        """Return what makes a sandbox say so."""
        half = (("html", "gone")[number % 2] for number in range(len(self.half_broken)))
        return [
            *({"path": f"/v3.1/users/{user}", "kind": "gone"} for user in self.departed),
            *(
                {"path": f"/v3.1/users/{user}/sections", "kind": kind}
                for user, kind in zip(self.half_broken, half, strict=True)
            ),
        ]
