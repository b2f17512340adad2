"""Whom the measurements are about: users of the sandbox, some of whom are given what they need to be measured."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from app.sandbox.world import World
from tests.bench.processes import Served

USUAL_BYTES = 1_600
LARGE_BYTES = 20_000
_BYTES_AN_ID = 27


def path_of(user: str) -> str:
    """Return where the permission set of a user is."""
    return f"/v1/users/{user}/permissions"


def administering(clever: Served, service: Served, user: str, most_bytes: int) -> bytes:
    """Give a user so many schools that their set is as large as may be, and return it as the service answers it.

    Ids are made up: the service keeps schools that Clever's own list lacks, as its policy says.
    """
    with httpx.Client(base_url=clever.url) as sandbox, service.asking(**{"Cache-Control": "no-cache"}) as asking:
        number = 1
        while True:
            schools = [f"5f0000000000000000{number:06x}" for number in range(number)]
            given = {"roles": {"staff": {"schools": schools, "title": "Principal"}, "teacher": None}}
            sandbox.patch(f"/_sandbox/users/{user}", json=given).raise_for_status()
            answer = asking.get(path_of(user)).raise_for_status().content
            if number > 1:
                assert most_bytes - _BYTES_AN_ID < len(answer) <= most_bytes
                return answer
            number += (most_bytes - len(answer)) // _BYTES_AN_ID


@dataclass(frozen=True)
class Teacher:
    """A teacher, and what the standard's questions about them are: sections that they teach, and others."""

    user: str
    district: str
    taught: Sequence[str]
    others: Sequence[str]
    school_of: dict[str, str]


def typical_teacher(world: World) -> Teacher:
    """Return a teacher and nothing else, of six sections, which is what most have."""
    district = world.districts[0]
    for user in district.users_in_role["teacher"]:
        taught = [each.id for each in district.sections_of_user.get(user.id, ()) if user.id in each.taught_by]
        if len(taught) == SECTIONS and set(user.roles) == {"teacher"}:
            others = sorted(district.sections.keys() - set(taught))
            schools = {each.id: each.school for each in district.sections.values()}
            return Teacher(user.id, district.id, sorted(taught), others, schools)
    raise LookupError("this world has no such teacher")


SECTIONS = 6


def asked(teacher: Teacher, section: str) -> dict[str, object]:
    """Ask whether a teacher may edit a section, as the standard has it."""
    return about(teacher) | {"resource": {"type": "section", "id": section}}


def about(teacher: Teacher) -> dict[str, object]:
    """Return what all questions about a teacher have in common."""
    return {"subject": {"type": "user", "id": teacher.user}, "action": {"name": "edit"}}


def written(said: object) -> bytes:
    """Return JSON without blanks."""
    return json.dumps(said, separators=(",", ":")).encode()
