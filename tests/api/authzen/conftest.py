"""What questions of the standard's are asked with, and the roster that its certification scenario asks for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.server import in_background
from app.sandbox.records import District, School, Section, User
from app.sandbox.server import create_sandbox
from app.sandbox.world import World, generate
from tests.conftest import KEY, MovedClock, Sandbox, serving, settings_over

Json = dict[str, Any]

POLICY = Path(__file__).parents[2] / "fixtures" / "certification.yaml"
PUBLIC_URL = "https://pdp.example.org"
DISTRICT, SCHOOL = "district-1", "school-1"
HERE: Json = {"school": SCHOOL, "schools": (SCHOOL,)}


def ask(service: httpx.Client, path: str, said: object) -> Json:
    """Ask at a path below /access/v1/, and return the answer, which has to be 200."""
    answer = service.post(f"/access/v1/{path}", json=said)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
    body: Json = answer.json()
    return body


def subject(named: str, **properties: object) -> Json:
    return {"type": "user", "id": named} | ({"properties": properties} if properties else {})


def action(name: str, **properties: object) -> Json:
    return {"name": name} | ({"properties": properties} if properties else {})


def resource(named: str, kind: str = "section", **properties: object) -> Json:
    return {"type": kind, "id": named} | ({"properties": properties} if properties else {})


def record(named: str, **properties: object) -> Json:
    return resource(named, "record", **properties)


def question(who: Json, what: Json, where: Json, **beside: object) -> Json:
    return {"subject": who, "action": what, "resource": where, **beside}


def certification_world() -> World:
    """One school with two sections: alice teaches the one, bob the other, and bob is staff."""
    sections = {
        named: Section(named, DISTRICT, number, named, SCHOOL, teacher, (teacher,), ())
        for number, (named, teacher) in enumerate({"record-1": "alice", "record-2": "bob"}.items())
    }
    users = {
        "alice": User("alice", DISTRICT, 0, {"teacher": HERE}),
        "bob": User("bob", DISTRICT, 1, {"teacher": HERE, "staff": {"schools": (SCHOOL,)}}),
    }
    schools = {SCHOOL: School(SCHOOL, DISTRICT, 0, "Certification School")}
    return World(0, (District(DISTRICT, 1, "contact-1", schools, sections, users),), {})


@pytest.fixture(scope="module")
def certified(running_clock: MovedClock) -> Iterator[httpx.Client]:
    """The service as the certification asks it, over its roster and under its policy."""
    world = certification_world()
    sandbox = create_sandbox(world, rate_limit=0)
    with in_background(sandbox) as url:
        settings = settings_over(
            Sandbox(url, sandbox, world), policy=POLICY, id_pattern="[A-Za-z0-9_-]{1,64}", public_url=PUBLIC_URL
        )
        with serving(settings, running_clock) as service:
            yield service


def sections_of(sandbox: Sandbox, case: str = "teacher_only") -> list[str]:
    """The ids of the sections that somebody stands in; the teacher teaches two."""
    return [section.id for section in sandbox.world.districts[0].sections_of_user[sandbox.user(case)]]


def anonymous(service: httpx.Client) -> httpx.Client:
    """A client of the same service that carries no key."""
    return httpx.Client(base_url=service.base_url, timeout=30)


def credential(key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def two_worlds() -> Iterator[Sandbox]:
    """A Clever with two districts."""
    world = generate(districts=2)
    sandbox = create_sandbox(world, rate_limit=0)
    with in_background(sandbox) as url:
        yield Sandbox(url, sandbox, world)
