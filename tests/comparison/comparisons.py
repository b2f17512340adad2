"""Comparisons to show: one that fits on a screen, and whole districts."""

from collections.abc import Sequence

from app.comparison.differences import Change, Comparison, Difference, OldAccount, Reason, by_loss
from app.domain.facts import Role
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope

HOSTILE = "</script><script>alert(1)</script><!-- {{ 7*7 }} &amp; \u2028"


def change(permission: str, *places: str, reason: Reason = Reason.POLICY, detail: str = "It differs.") -> Change:
    return Change(permission, Scope.SECTION, places, (f"school-of-{places[0]}",), reason, detail)


def comparison(differences: Sequence[Difference], before: str = "API v2.1", after: str = "API v3.1") -> Comparison:
    return Comparison(DistrictId("district-1"), before, after, len(differences) + 1, by_loss(differences))


EVE = Difference(
    UserId("eve"),
    OldAccount("eve-the-teacher", Role.TEACHER),
    (Role.STAFF, Role.TEACHER),
    gained=(change("report:export", "algebra", reason=Reason.MERGED_ROLE, detail="The role staff gives it."),),
    lost=(change("section:edit", "algebra", "biology"), change("section:view", "algebra", "biology")),
)
GONE = Difference(None, OldAccount("adam-the-teacher", Role.TEACHER), (Role.TEACHER,), (), EVE.lost[:1])
FEW = comparison([GONE, EVE])


def district(users: int) -> Comparison:
    """Return a comparison in which every user gains and loses one permission, at up to five sections."""
    roles = (Role.STAFF, Role.TEACHER, Role.STUDENT)
    return comparison(
        [
            Difference(
                UserId(f"user-{number}"),
                OldAccount(f"old-{number}", roles[number % 3]),
                (roles[number % 3],),
                gained=(change("section:view", f"gained-{number % 40}", reason=Reason.PLACE_NEW),),
                lost=(change("section:edit", *(f"section-{each}" for each in range(1 + number % 5)), detail=HOSTILE),),
            )
            for number in range(users)
        ],
        before=HOSTILE,
    )
