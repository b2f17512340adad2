"""Facts of users as Clever would give them, in any number, no two of whom have a place in common."""

from app.domain.facts import Facts, HeldRole, Role, Standing
from app.domain.ids import DistrictId, UserId
from app.domain.scopes import Scope

DISTRICT = DistrictId("5f00000000000000000000d1")
SECTIONS, SCHOOLS = 6, 2


def user_id(number: int) -> UserId:
    """Return the id of a user."""
    return UserId(f"{number:08x}aaaaaaaaaaaaaaaa")


def teacher(number: int, sections: int = SECTIONS, schools: int = SCHOOLS) -> Facts:
    """Return a teacher of so many sections, which lie at so many schools."""
    taught = tuple(f"{number:08x}bbbbbbbb{each:08x}" for each in range(sections))
    at = tuple(f"{number:08x}cccccccc{each:08x}" for each in range(schools))
    standing = Standing(((Scope.SCHOOL, at), (Scope.SECTION, taught)), section_schools=at)
    return Facts(user_id(number), DISTRICT, (HeldRole(Role.TEACHER, (standing,)),))
