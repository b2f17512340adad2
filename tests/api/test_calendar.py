"""A district's pause, launch and terms over HTTP: answers switch at the instant, by the clock that is handed in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import default_policy
from tests.conftest import MovedClock, Sandbox, serving, settings_over

MIDNIGHT = datetime(2024, 12, 2, tzinfo=UTC).timestamp()
"""When a term of the sandbox ends and the next begins; its districts are launched."""


class Service:
    """A service whose clocks are moved together, and the sandbox that it reads."""

    def __init__(self, client: httpx.Client, sandbox: Sandbox, clock: MovedClock, wall: MovedClock) -> None:
        self.client, self.sandbox, self.clock, self.wall = client, sandbox, clock, wall

    def at(self, seconds: float) -> None:
        """Move to so many seconds after midnight."""
        self.clock.move(MIDNIGHT + seconds - self.wall.now)
        self.wall.now = MIDNIGHT + seconds

    def change(self, **fields: object) -> None:
        address = f"{self.sandbox.url}/_sandbox/districts/{self.sandbox.district}"
        httpx.patch(address, json=fields).raise_for_status()

    def permissions(self, user: str | None = None, **headers: str) -> httpx.Response:
        return self.client.get(f"/v1/users/{user or self.teacher}/permissions", headers=headers)

    def held(self, user: str | None = None) -> list[str]:
        answer = self.permissions(user).raise_for_status().json()
        assert answer["stale"] is False
        held: list[str] = answer["permissions"]
        return held

    def reason(self, action: str, section: str | None = None, user: str | None = None) -> str:
        resource = {"type": "section", "id": section or self.sections()[0]}
        asked = {"subject": {"type": "user", "id": user or self.teacher}, "action": {"name": action}}
        answer = self.client.post("/access/v1/evaluation", json={**asked, "resource": resource})
        context = answer.raise_for_status().json()["context"]
        many = self.client.post("/access/v1/evaluations", json={"evaluations": [{**asked, "resource": resource}]})
        assert many.json()["evaluations"][0]["context"] == context
        found: str = context["reason"]
        return found

    @property
    def teacher(self) -> str:
        return self.sandbox.user("teacher_only")

    def sections(self, case: str = "teacher_only") -> list[str]:
        found = self.sandbox.world.districts[0].sections_of_user[self.sandbox.user(case)]
        return [section.id for section in found]


@contextmanager
def under(policy: str, sandbox: Sandbox, clock: MovedClock, folder: Path) -> Iterator[Service]:
    """Serve under a policy, a minute before midnight."""
    file, wall = folder / "policy.yaml", MovedClock(MIDNIGHT - 60)
    file.write_text(policy)
    with serving(settings_over(sandbox, policy=file), clock, wall) as client:
        yield Service(client, sandbox, clock, wall)


def calendars_read(sandbox: Sandbox) -> list[str]:
    """Return what was read of the calendar."""
    parts = (path.removeprefix("/v3.1") for path in sandbox.requests)
    return sorted(part for part in parts if part == "/terms" or part.startswith("/districts/"))


ALL = ["assignment:grade", "section:edit", "section:view", "student:view"]
VIEWS = ["section:view", "student:view"]
WITHOUT_BLOCKS = default_policy().partition("\ndistrict:")[0]


def test_at_the_launch_everything_begins_without_another_reading(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    with under(default_policy(), sandbox, clock, tmp_path) as service:
        service.change(launch_date="2024-12-02")
        assert (service.held(), service.reason("edit")) == ([], "district_not_launched")
        assert service.held(service.sandbox.user("district_admin_only")) == []
        read = dict(sandbox.requests)
        for seconds in (-30, -0.5):
            service.at(seconds)
            answer = service.permissions()
            assert answer.json()["permissions"] == []
            kept = int(answer.headers["cache-control"].partition("max-age=")[2].partition(",")[0])
            assert kept - int(answer.headers["age"]) == int(-seconds)
        service.at(0)
        assert (service.held(), service.reason("edit")) == (ALL, "granted")
        assert service.permissions().headers["cache-control"] == "private, max-age=300, must-revalidate"
        assert sandbox.requests == read
        service.wall.now = MIDNIGHT - 30  # as where a clock that was ahead is set right
        assert service.held() == []


@pytest.mark.parametrize("pause_end", ["2024-12-03", "2024-12-03T00:00:00.000Z"])
def test_during_a_pause_there_is_what_the_policy_leaves_and_no_more(
    pause_end: str, sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    with under(f"{WITHOUT_BLOCKS}\ndistrict: {{paused: read_only}}\n", sandbox, clock, tmp_path) as service:
        service.change(pause_start="2024-12-02", pause_end=pause_end)
        assert (service.held(), service.reason("edit")) == (ALL, "granted")
        read = dict(sandbox.requests)
        service.at(0)
        assert (service.held(), service.reason("edit"), service.reason("view")) == (VIEWS, "district_paused", "granted")
        told = service.client.get(f"/v1/users/{service.teacher}/explanation?permission=section:edit").json()
        assert told["reason"] == "district_paused"
        assert [each["lack"] for each in told["missing"][:2]] == ["district", "reach"]
        assert "the district is paused from 2024-12-02 until 2024-12-03: its data is last year's" in told["summary"]
        assert sandbox.requests == read
        service.at(24 * 3600)
        assert service.held() == ALL


def test_a_search_finds_nobody_while_the_district_denies(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    with under(f"{WITHOUT_BLOCKS}\ndistrict: {{paused: deny}}\n", sandbox, clock, tmp_path) as service:
        service.change(pause_start="2024-12-02")
        resource = {"type": "section", "id": service.sections()[0]}
        subject, action = {"type": "user", "id": service.teacher}, {"name": "view"}
        searches: list[dict[str, Any]] = [
            {"path": "subject", "subject": {"type": "user"}, "action": action, "resource": resource},
            {"path": "resource", "subject": subject, "action": action, "resource": {"type": "section"}},
            {"path": "action", "subject": subject, "resource": resource},
        ]

        def found() -> list[bool]:
            posted = [service.client.post(f"/access/v1/search/{each['path']}", json=each) for each in searches]
            return [bool(answer.raise_for_status().json()["results"]) for answer in posted]

        assert found() == [True, True, True]
        service.at(0)
        assert found() == [False, False, False]


def test_at_the_end_of_a_term_its_sections_can_be_read_and_those_of_the_next_begin(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    by_term = "\nsections: {terms: current, grace_days: 0, after: read_only}\n"
    with under(WITHOUT_BLOCKS + by_term, sandbox, clock, tmp_path) as service:
        user = sandbox.user("teacher_of_every_term")
        past, current, coming, undated, none = service.sections("teacher_of_every_term")

        def reasons() -> list[str]:
            return [service.reason("edit", section, user) for section in (past, current, coming, undated, none)]

        assert reasons() == ["term_ended", "granted", "term_not_begun", "granted", "granted"]
        assert service.reason("view", past, user) == "granted"
        assert [len(grant["ids"]) for grant in service.permissions(user).json()["grants"]] == [1, 3]
        read = dict(sandbox.requests)
        service.at(0)
        assert reasons() == ["term_ended", "term_ended", "granted", "granted", "granted"]
        assert [len(grant["ids"]) for grant in service.permissions(user).json()["grants"]] == [2, 3]
        where = f"/v1/users/{user}/explanation?section={current}&permission=section"
        told = [service.client.get(f"{where}:{action}").json()["summary"] for action in ("view", "edit")]
        assert "teaches this section, whose term ended on 2024-12-01: it can still be read" in told[0]
        assert "teaches this section, but its term ended on 2024-12-01: it can only be read now" in told[1]
        assert {path: sandbox.requests[path] for path in read} == read
        assert calendars_read(sandbox) == [f"/districts/{sandbox.district}", "/terms"]


def test_the_calendar_is_read_once_for_a_fresh_time_and_only_where_the_policy_looks_at_it(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    people = [user.id for user in sandbox.world.districts[0].all_users[:3]]
    for policy, times in ((WITHOUT_BLOCKS, 0), (default_policy(), 1)):
        with under(policy, sandbox, clock, tmp_path) as service:
            sandbox.requests.clear()
            for user in people:
                service.permissions(user).raise_for_status()
            assert calendars_read(sandbox) == [f"/districts/{sandbox.district}"] * times
            of_users = sum(times for path, times in sandbox.requests.items() if "/users/" in path)
            assert of_users == 3 * len(people)
    with under(default_policy(), sandbox, clock, tmp_path) as service:
        service.held()
        service.change(state="paused", launch_date="2025-01-01")
        assert service.held() == ALL
        assert service.permissions(**{"Cache-Control": "no-cache"}).json()["permissions"] == []


FAILING = {"faults": [{"kind": "status", "status": 500, "path": "/v3.1/districts/*"}]}


def test_without_its_calendar_nobody_of_a_district_holds_anything(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    with under(default_policy(), sandbox, clock, tmp_path) as service:
        httpx.put(f"{sandbox.url}/_sandbox/faults", json=FAILING).raise_for_status()
        assert service.permissions().status_code == 503
        asked = {"users": [{"id": user.id} for user in sandbox.world.districts[0].all_users[:20]]}
        answers = service.client.post("/v1/users/permissions", json=asked).json()["results"]
        assert {answer["status"] for answer in answers} == {503}


def test_an_older_calendar_stands_in_and_the_answer_says_how_old_it_is(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    with under(default_policy(), sandbox, clock, tmp_path) as service:
        service.at(0)
        assert service.held() == ALL
        httpx.put(f"{sandbox.url}/_sandbox/faults", json=FAILING).raise_for_status()
        service.at(301)
        answer = service.permissions()
        assert (answer.json()["stale"], answer.json()["permissions"]) == (True, ALL)
        assert (answer.json()["as_of"], answer.headers["age"]) == ("2024-12-02T00:00:00Z", "301")


def test_a_day_that_cannot_be_read_opens_and_shuts_nothing_and_is_counted_and_shown(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    policy = f"{WITHOUT_BLOCKS}\ndistrict: {{paused: deny, before_launch: deny}}\n"
    with under(policy, sandbox, clock, tmp_path) as service:
        service.change(state="running", launch_date="next fall", pause_start="2024-11-01", pause_end="soon")
        before = oddities(service)
        assert service.held() == ALL
        assert oddities(service) - before == 2
        shown = service.client.get(f"/v1/districts/{sandbox.district}").raise_for_status().json()
        assert shown["unreadable"] == ["launch_date", "pause_end"]
        service.change(state="paused")
        assert service.permissions(**{"Cache-Control": "no-cache"}).json()["permissions"] == []


def oddities(service: Service) -> float:
    told = service.client.get("/metrics").text
    found = re.search(r'rosterguard_clever_oddities_total\{kind="date_unreadable"\} (\S+)', told)
    return float(found[1]) if found else 0


def test_districts_are_counted_by_their_state(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    with under(default_policy(), sandbox, clock, tmp_path) as service:

        def state() -> str:
            told = service.client.get("/metrics").text
            states = dict(re.findall(r'^rosterguard_districts\{state="(\w+)"\} (\S+)$', told, re.MULTILINE))
            [found] = (state for state, districts in states.items() if districts == "1.0")
            return str(found)

        service.change(state="success", pause_start="2024-12-02")
        service.held()
        assert state() == "running"
        service.at(0)
        assert state() == "paused"
        for said, shown in (("Pending", "pending"), ("error", "error"), ("resting", "other"), (None, "running")):
            service.change(state=said, pause_start=None)
            service.permissions(**{"Cache-Control": "no-cache"}).raise_for_status()
            assert state() == shown
