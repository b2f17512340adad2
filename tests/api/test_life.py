"""How processes begin, end, and are replaced, as real processes."""

import os
import re
import signal
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import Popen

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from app.cli.serve import server_config
from app.main import default_policy
from app.settings import Settings
from tests.api.connecting import PATIENCE, connected_to, told, until
from tests.conftest import Sandbox, rosterguard_process

BAD_POLICY = "version: 1\nrule: superset\nroles:\n  boss: []\n"
STARTED = re.compile(r"Started server process \[(\d+)\]")


@dataclass
class Running:
    """`rosterguard serve`, and what it logs."""

    process: Popen[str]
    url: str
    log: Path

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30)

    @property
    def workers(self) -> list[int]:
        """The processes that serve or have served, in the order in which they started."""
        return [int(pid) for pid in STARTED.findall(self.log.read_text())]

    def is_ready(self) -> bool:
        return self.get("/readyz").status_code == 200

    def is_stopping(self) -> bool:
        answer = self.get("/readyz")
        said = answer.json()
        return (answer.status_code, said["status"], said["parts"].get("process")) == (503, "not_ready", "stopping")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def are_being_read(sandbox: Sandbox, users: Collection[str]) -> bool:
    """Whether each of these users has been asked for; another worker may still be asking for the districts."""
    return {path.rpartition("/users/")[2] for path in sandbox.requests}.issuperset(users)


@contextmanager
def running(log: Path, sandbox: Sandbox, *arguments: str, **environment: str) -> Iterator[Running]:
    """Run the service until it is ready."""
    settings = {"ROSTERGUARD_CLEVER_URL": sandbox.url, "ROSTERGUARD_SECRET": "s" * 16} | environment
    with (
        log.open("w") as stderr,
        rosterguard_process("--no-auth", *arguments, stderr=stderr.fileno(), **settings) as (process, url),
    ):
        service = Running(process, url, log)
        until(service.is_ready)
        yield service


def test_what_is_in_progress_at_sigterm_is_answered(sandbox: Sandbox, service: httpx.Client, tmp_path: Path) -> None:
    log = tmp_path / "log"
    users = sorted({case.user for case in sandbox.world.cases.values() if case.district == sandbox.district})[:8]
    paths = [f"/v1/users/{user}/permissions" for user in users]
    wanted = [service.get(path) for path in paths]
    with running(log, sandbox) as ending, ExitStack() as stack:
        sandbox.requests.clear()
        sandbox.app.state.delay_ms = 1000
        idle, *callers = [stack.enter_context(connected_to(ending.url)) for _ in ("", *paths)]
        for caller, path in zip(callers, paths, strict=True):
            caller.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: are_being_read(sandbox, users))
        ending.end()
        assert idle.recv(1) == b""
        answers = [answer for caller in callers for answer in told(caller)]
    assert [(answer.status, answer.body) for answer in answers] == [(each.status_code, each.text) for each in wanted]
    assert {answer.headers["connection"] for answer in answers} == {"close"}
    assert ending.process.returncode in {0, -signal.SIGTERM}


def test_what_cannot_be_answered_before_the_end_is_to_be_asked_again(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    batch = f'{{"users": [{{"id": "{sandbox.user("teacher_only")}"}}]}}'.encode()
    head = f"Content-Type: application/json\r\nX-Request-ID: mine\r\nContent-Length: {len(batch)}\r\n\r\n".encode()
    with running(log, sandbox) as ending, connected_to(ending.url) as caller:
        sandbox.requests.clear()
        sandbox.app.state.delay_ms = 60_000
        caller.sendall(b"POST /v1/users/permissions HTTP/1.1\r\nHost: localhost\r\n" + head + batch)
        until(lambda: are_being_read(sandbox, [sandbox.user("teacher_only")]))
        ending.end()
        [answer] = told(caller)
    assert answer.kind == (503, "stopping")
    assert (answer.headers["retry-after"], answer.headers["x-request-id"]) == ("1", "mine")
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_after_sigterm_it_is_not_ready_but_answers_until_a_load_balancer_has_noticed(
    workers: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    told_to = {"ROSTERGUARD_SHUTDOWN_DELAY_SECONDS": "600"}
    with running(log, sandbox, "--workers", str(workers), **told_to) as ending:
        until(lambda: len(ending.workers) == workers)
        ending.end()
        until(lambda: all(ending.is_stopping() for _ in range(4 * workers)))
        assert [ending.get(path).status_code for _ in range(2 * workers)] == [200] * 2 * workers
        ending.end()
        ending.process.wait(PATIENCE)
        assert ending.process.returncode in {0, -signal.SIGTERM}
        until(lambda: not any(map(is_there, ending.workers)))


def test_after_that_it_ends_by_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(log, sandbox, ROSTERGUARD_SHUTDOWN_DELAY_SECONDS="0.2") as ending:
        ending.end()
        ending.process.wait(PATIENCE)
    assert ending.process.returncode in {0, -signal.SIGTERM}
    assert log.read_text().count("Application shutdown complete") == 1


def test_workers_that_get_more_signals_still_answer_what_they_began(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
    with running(log, sandbox, "--workers", "2") as ending, connected_to(ending.url) as caller:
        until(lambda: len(ending.workers) == 2)
        sandbox.requests.clear()
        sandbox.app.state.delay_ms = 300
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: are_being_read(sandbox, [sandbox.user("teacher_only")]))
        ending.end()
        for number in (signal.SIGINT, signal.SIGTERM):
            for worker in ending.workers:
                os.kill(worker, number)
        assert [answer.status for answer in told(caller)] == [200]


def test_how_long_a_connection_may_idle_is_a_setting() -> None:
    settings = Settings.model_validate({"clever_token": "t", "idle_seconds": 7})
    assert server_config(partial(FastAPI), settings).timeout_keep_alive == 7
    for wrong in ({"idle_seconds": 0}, {"shutdown_delay_seconds": -1}, {"shutdown_delay_seconds": "soon"}):
        with pytest.raises(ValidationError):
            Settings.model_validate({"clever_token": "t"} | wrong)


def test_workers_that_die_are_replaced_by_ones_that_wait_until_a_bad_policy_is_mended(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    file = log.with_name("policy.yaml")
    file.write_text(default_policy())
    with running(log, sandbox, "--workers", "2", ROSTERGUARD_POLICY=str(file)) as service:
        until(lambda: len(service.workers) == 2)
        file.write_text(BAD_POLICY)
        for worker in service.workers:
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(service.workers) == 4)
        refused = service.get("/v1/policy")
        assert (refused.status_code, refused.json()["type"][-15:]) == (503, "policy-unusable")
        assert service.get("/livez").status_code == 200
        assert "the policy file cannot be used: line 4: roles.boss: unknown key" in log.read_text()
        file.write_text(default_policy())
        path = f"/v1/users/{sandbox.user('teacher_only')}/permissions"
        # Each worker reads the file by itself, and any of them may answer.
        until(lambda: all(service.get(path).status_code == 200 for _ in range(8)))
        assert service.process.poll() is None
