"""What is logged of requests and decisions, and that nobody waits for it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.server import in_background
from app.main import create_app, default_policy
from app.policy_files.yaml import read_policy
from tests.conftest import CLEAN, KEY, TOKEN, MovedClock, Sandbox, rosterguard_process, settings_over

REVISION = read_policy(default_policy()).revision
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROUTE = "/v1/users/{user_id}/permissions"


@dataclass
class Kept:
    """Lines that are kept."""

    text: bytes = b""

    def write(self, lines: Sequence[bytes]) -> None:
        self.text += b"".join(lines)

    def close(self) -> None:
        pass


@dataclass
class Logs:
    """What a service logged while it ran."""

    decided: Path
    kept: Kept = field(default_factory=Kept)

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.kept.text.splitlines()]

    @property
    def decisions(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.decided.read_text().splitlines()]


@contextmanager
def logging_to(logs: Logs, sandbox: Sandbox, clock: MovedClock, **given: object) -> Iterator[httpx.Client]:
    """Run a service, and have all that it tells in ``logs`` when it has ended."""
    app = create_app(settings_over(sandbox, **given), clock=clock, requests_to=logs.kept)
    credential = {"Authorization": f"Bearer {KEY}"}
    with in_background(app) as url, httpx.Client(base_url=url, headers=credential, timeout=30) as client:
        client.get(f"/v1/users/{sandbox.user('co_teacher')}/roles")  # the first question asks which district there is
        yield client


def shortened(line: dict[str, Any]) -> dict[str, Any]:
    """The line without what is another each time."""
    return {name: value for name, value in line.items() if name not in {"time", "ms"}}


def evaluation(user: str, action: str, kind: str, named: str) -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": user},
        "action": {"name": action},
        "resource": {"type": kind, "id": named},
    }


def test_a_request_is_one_line_with_its_names_and_route(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    logs = Logs(tmp_path / "decisions")
    with logging_to(logs, sandbox, clock) as client:
        headers = {"X-Request-ID": "mine", "traceparent": f"00-{TRACE}-{SPAN}-01"}
        client.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions", headers=headers)
    assert shortened(logs.requests[-1]) == {
        "level": "info",
        "event": "request",
        "request_id": "mine",
        "trace_id": TRACE,
        "caller": "tests",
        "method": "GET",
        "route": ROUTE,
        "status": 200,
    }


def test_a_request_without_an_id_is_logged_under_the_one_that_comes_back(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    logs = Logs(tmp_path / "decisions")
    with logging_to(logs, sandbox, clock) as client:
        answer = client.get("/v1/policy")
    assert logs.requests[-1]["request_id"] == answer.headers["x-request-id"]


def test_a_request_that_is_refused_before_authentication_is_logged_without_a_caller(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    logs = Logs(tmp_path / "decisions")
    with logging_to(logs, sandbox, clock) as client:
        httpx.get(f"{client.base_url}/v1/policy")
    assert (logs.requests[-1]["caller"], logs.requests[-1]["route"], logs.requests[-1]["status"]) == (None, "-", 401)


def test_nothing_that_a_caller_writes_gets_into_a_line(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    logs = Logs(tmp_path / "decisions")
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided)) as client:
        client.get("/v1/users/jane-doe/permissions?x=jane", headers={"X-Request-ID": 'jane", "doe'})
        client.post("/access/v1/evaluation", json=evaluation("jane", "jane", "jane", "jane"))
        client.post("/access/v1/evaluation", json=evaluation("f" * 24, "jane:doe", "section", "jane"))
        client.post(
            "/access/v1/evaluation",
            json={**evaluation("jane", "view", "school", "jane"), "context": {"role_context": "jane"}},
        )
    assert len(logs.decisions) == 4
    assert "jane" not in logs.kept.text.decode() + logs.decided.read_text()


def test_a_request_for_one_decision_is_one_line_with_the_decision_in_it(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    logs = Logs(tmp_path / "decisions")
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided), log_ids="plain") as client:
        answer = client.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions?role=teacher")
    assert logs.requests == []
    told = logs.decisions[-1]
    assert (told["event"], told["route"], told["caller"]) == ("request", ROUTE, "tests")
    assert told["decision"] == {
        "kind": "permissions",
        "revision": REVISION,
        "answer": answer.headers["etag"].strip('"'),
        "district": sandbox.district,
        "user": sandbox.user("teacher_only"),
        "role": "teacher",
        "permission": None,
        "resource": None,
        "reason": None,
        "age": 0,
        "stale": None,
    }


def test_an_evaluation_is_logged_with_what_was_asked_and_why_it_was_denied(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    logs = Logs(tmp_path / "decisions")
    user = sandbox.user("teacher_only")
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided), log_ids="plain") as client:
        client.post("/access/v1/evaluation", json=evaluation(user, "view", "district", sandbox.district))
    assert logs.decisions[-1]["decision"] == {
        "kind": "evaluation",
        "revision": REVISION,
        "answer": False,
        "district": sandbox.district,
        "user": user,
        "role": None,
        "permission": "district:view",
        "resource": {"type": "district", "id": sandbox.district},
        "reason": "not_permitted",
        "age": 0,
        "stale": None,
    }


@pytest.mark.parametrize(
    ("user", "asked", "reason"),
    [
        ("f" * 24, {}, "unknown_subject"),
        (None, {"district": "f" * 24}, "unknown_subject"),
        (None, {"role": "staff"}, "role_not_held"),
    ],
)
def test_a_refused_explanation_is_logged_as_a_refused_set_is(
    user: str | None, asked: dict[str, str], reason: str, sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    logs = Logs(tmp_path / "decisions")
    user = user or sandbox.user("teacher_only")
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided), log_ids="plain") as client:
        client.get(f"/v1/users/{user}/permissions", params=asked)
        client.get(f"/v1/users/{user}/explanation", params={"permission": "section:view", **asked})
    of_set, of_explanation = (line["decision"] for line in logs.decisions[-2:])
    assert (of_set["user"], of_set["answer"], of_set["reason"]) == (user, False, reason)
    assert of_explanation == {**of_set, "kind": "explanation", "permission": "section:view"}


def test_ids_are_hashed_unless_they_are_wanted_plain(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    logs = Logs(tmp_path / "decisions")
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided)) as client:
        for _ in range(2):
            client.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
    users = {line["decision"]["user"] for line in logs.decisions[-2:]}
    assert len(users) == 1
    assert sandbox.user("teacher_only") not in logs.decided.read_text()
    assert sandbox.district not in logs.decided.read_text()


def test_each_answer_of_a_batch_is_a_line_beside_that_of_the_request(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    logs = Logs(tmp_path / "decisions")
    users = [{"id": sandbox.user("teacher_only")}, {"id": "f" * 24}]
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided), log_ids="plain") as client:
        client.post("/v1/users/permissions", json={"users": users}, headers={"X-Request-ID": "mine"})
    told = {line["decision"]["user"]: line for line in logs.decisions[1:]}
    assert [line["route"] for line in logs.requests] == ["/v1/users/permissions"]
    assert set(told) == {sandbox.user("teacher_only"), "f" * 24}
    assert {(line["event"], line["request_id"], line["caller"]) for line in told.values()} == {
        ("decision", "mine", "tests")
    }
    assert told["f" * 24]["decision"]["reason"] == "unknown_subject"


def test_a_search_tells_how_many_it_found(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    logs = Logs(tmp_path / "decisions")
    asked = {
        "subject": {"type": "user", "id": sandbox.user("teacher_only")},
        "action": {"name": "edit"},
        "resource": {"type": "section"},
    }
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided)) as client:
        found = client.post("/access/v1/search/resource", json=asked).json()["results"]
    told = logs.decisions[-1]["decision"]
    assert (told["kind"], told["permission"], told["answer"]) == ("search", "section:edit", len(found))


def test_what_is_not_sampled_is_logged_as_a_request_and_a_denial_always(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    logs = Logs(tmp_path / "decisions")
    with logging_to(logs, sandbox, clock, decision_log=str(logs.decided), decision_sample=0) as client:
        client.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions")
        client.get(f"/v1/users/{'f' * 24}/permissions")
    assert [line["status"] for line in logs.requests] == [200, 200]
    assert [line["decision"]["answer"] for line in logs.decisions] == [False]


@contextmanager
def deciding_on_stdout(sandbox: Sandbox) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Run the service as a process that tells decisions on stdout, which nobody reads yet, and ends with the block."""
    settings = {"CLEVER_URL": sandbox.url, "CLEVER_TOKEN": TOKEN, "DECISION_LOG": "stdout"}
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--no-auth"],
        env=CLEAN | {f"ROSTERGUARD_{name}": value for name, value in settings.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            url = process.stderr.readline().removeprefix("Rosterguard on ").strip()
            with httpx.Client(base_url=url, timeout=30) as client:
                yield process, client
        finally:
            process.terminate()


def test_where_decisions_go_to_stdout_nothing_else_stands_there(sandbox: Sandbox) -> None:
    with deciding_on_stdout(sandbox) as (process, client):
        client.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions").raise_for_status()
        process.terminate()
        told, _ = process.communicate()
    assert [json.loads(line)["decision"]["kind"] for line in told.splitlines()] == ["permissions"]


def test_whoever_stops_reading_the_decisions_keeps_nobody_waiting(sandbox: Sandbox) -> None:
    user = sandbox.user("teacher_only")
    with deciding_on_stdout(sandbox) as (_, client):
        # More than a pipe holds, of which nothing is read.
        answers = [client.get(f"/v1/users/{user}/permissions").status_code for _ in range(400)]
    assert answers == [200] * 400


def test_a_process_tells_json_but_to_a_terminal(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as stderr,
        rosterguard_process("--no-auth", stderr=stderr.fileno(), ROSTERGUARD_CLEVER_URL=sandbox.url) as (_, url),
    ):
        httpx.get(f"{url}/livez")
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert ("request", "/livez") in {(line.get("event"), line.get("route")) for line in told}
    assert all(line["level"] == "info" for line in told)


def test_a_process_tells_people_what_they_can_read(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"ROSTERGUARD_CLEVER_URL": sandbox.url, "ROSTERGUARD_LOG_FORMAT": "console"}
    with (
        log.open("w") as stderr,
        rosterguard_process("--no-auth", stderr=stderr.fileno(), **settings) as (_, url),
    ):
        httpx.get(f"{url}/livez", headers={"X-Request-ID": "mine"})
    [line] = [line for line in log.read_text().splitlines() if "/livez" in line]
    assert line.split()[1:4] == ["GET", "/livez", "200"]
    assert "request_id=mine" in line
