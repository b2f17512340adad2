"""Nothing personal gets past the reading: every such field at Clever holds a mark, and no mark is found anywhere else.

The one exception is a role's title and department and the names of staff roles: in the cache and among roles, and
nowhere else.
"""

import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from app.cli.serve import document
from app.cli.server import in_background
from app.main import create_app
from app.settings import Settings
from app.telemetry import tracing
from tests.conftest import CLEAN, KEY, TOKEN, Sandbox, api_key, rosterguard_process
from tests.marking import MARK, TITLE, Marks, found_in, marked_sandbox
from tests.planted import SECRET
from tests.valkey import valkey

Question = tuple[str, str, Mapping[str, str], object]
"""Method, path as the document has it, query, and body."""

CREDENTIAL = {"Authorization": f"Bearer {KEY}"}

# Those that a Clever which is up can lie with; the last ones are held against it, and end the asking.
FAULTS = (
    *(
        "html",
        "half_json",
        "garble",
        "wrong_shape",
        "gone",
        "other_record",
        "other_district",
        "loop",
        "astray",
        "dangling",
    ),
    *("truncate", "status"),
)


@dataclass(frozen=True)
class Person:
    """Somebody to ask about, and a section and a school to ask about them at."""

    user: str
    section: str
    school: str

    def at(self, path: str) -> str:
        return path.replace("{user_id}", self.user).replace("{district_id}", "d" * 24)


def questions(person: Person) -> Iterator[Question]:
    """Ask all that there is to ask, some of it badly."""
    for query in ({}, {"role": "staff"}, {"role": "nobody"}, {"district": "d" * 24}):
        yield "get", "/v1/users/{user_id}/permissions", query, None
    yield "get", "/v1/users/{user_id}/roles", {}, None
    for place in ({"section": person.section}, {"school": person.school}, {"student": person.user}, {}):
        yield "get", "/v1/users/{user_id}/explanation", {"permission": "student:view", **place}, None
    yield "post", "/v1/users/permissions", {}, {"users": [{"id": person.user}, {"id": "f" * 24}]}
    subject, action = {"type": "user", "id": person.user}, {"name": "view"}
    for resource in ({"type": "section", "id": person.section}, {"type": "student", "id": person.user}):
        question = {"subject": subject, "action": action, "resource": resource}
        yield "post", "/access/v1/evaluation", {}, question
        yield "post", "/access/v1/evaluations", {}, {**question, "evaluations": [{"action": {"name": "edit"}}]}
        yield "post", "/access/v1/search/subject", {}, {**question, "subject": {"type": "user"}, "page": {"limit": 2}}
        yield "post", "/access/v1/search/action", {}, question
    for kind in ("section", "school", "student"):
        searched = {"subject": subject, "action": action, "resource": {"type": kind}, "page": {"limit": 2}}
        yield "post", "/access/v1/search/resource", {}, searched
    yield "post", "/access/v1/evaluation", {}, ["no question"]
    yield "get", "/v1/users", {"legacy_id": person.user}, None
    for path in ("", "/load", "/changes"):
        yield "get", f"/v1/districts/{{district_id}}{path}", {}, None
    yield "post", "/v1/districts/{district_id}/load", {}, None
    yield "get", "/v1/districts", {}, None
    for path in ("/v1/policy", "/livez", "/readyz", "/metrics", "/.well-known/authzen-configuration", "/openapi.json"):
        yield "get", path, {}, None


def test_every_operation_is_asked() -> None:
    asked = {(method, path) for method, path, _, _ in questions(Person("u", "s", "s"))}
    described: Any = document()
    there = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert there - asked == set()


@pytest.fixture(scope="module")
def marked() -> Iterator[Sandbox]:
    """A sandbox in which everything personal is a mark."""
    app = marked_sandbox(Marks())
    with in_background(app) as url:
        yield Sandbox(url, app, app.state.world.start)


def people(sandbox: Sandbox) -> list[Person]:
    [district] = sandbox.world.districts
    told = [case.user for case in sandbox.world.cases.values()]
    rooms = district.sections_of_user
    anywhere = district.all_sections[0]
    lessons = [(user, next(iter(rooms.get(user, ())), anywhere)) for user in told]
    return [Person(user, section.id, section.school) for user, section in lessons]


def test_what_clever_sends_is_full_of_marks(marked: Sandbox) -> None:
    marks: Marks = marked.app.state.marks
    answers = [
        httpx.get(
            f"{marked.url}/v3.1/{path}", headers={"Authorization": f"Bearer {TOKEN}"}, params={"limit": 1000}
        ).text
        for path in ("users", "schools", "sections", "districts")
    ]
    found = found_in("".join(answers))
    assert marks.made.keys() >= {
        *("first", "last", "middle", "name", "email", "dob", "address", "city", "zip", "phone", "district_username"),
        *("sis_id", "state_id", "student_number", "staff_id", "teacher_number", "gender", "race", "iep_status", "ext"),
        *("frl_status", "disability_status", "home_language", "preferred_name", "locker", "relationship", "staff_role"),
    }
    assert len(found) > 1_000
    assert found_in("".join(answers), TITLE)
    assert "Agate" not in "".join(answers)


def test_no_mark_is_answered_logged_or_written(marked: Sandbox, tmp_path: Path) -> None:
    answers: list[tuple[str, httpx.Response]] = []
    log = tmp_path / "log"
    with (
        log.open("wb") as stderr,
        rosterguard_process(stderr=stderr.fileno(), **_environment(marked, tmp_path)) as (process, url),
        httpx.Client(base_url=url, headers=CREDENTIAL, timeout=30) as client,
    ):
        everybody = people(marked)
        for person in everybody:
            answers += [(path, _ask(client, person, asked)) for asked in questions(person) for path in [asked[1]]]
        answers += [("failing", answer) for answer in _asked_while_failing(client, marked, everybody[0])]
        process.terminate()
        process.wait()
        assert process.stdout is not None
        written = [process.stdout.read(), log.read_text(), (tmp_path / "decisions").read_text()]
    assert {answer.status_code for _, answer in answers} >= {200, 404, 409, 422, 502}
    assert any("rosterguard_" in answer.text for path, answer in answers if path == "/metrics")
    told = [(path, f"{answer.headers} {answer.text}") for path, answer in answers]
    assert [(path, found_in(text)) for path, text in told if found_in(text)] == []
    assert {path for path, answer in answers if found_in(answer.text, TITLE)} == {"/v1/users/{user_id}/roles"}
    assert ("odd data" in written[1], "/v1/users/{user_id}/permissions" in written[2]) == (True, True)
    assert [found_in(one, MARK) | found_in(one, TITLE) for one in written] == [set() for _ in written]


def _environment(marked: Sandbox, folder: Path) -> dict[str, str]:
    """Return the settings of a service that tells as much as it can."""
    return {
        "ROSTERGUARD_DECISION_LOG": str(folder / "decisions"),
        "ROSTERGUARD_LOG_FORMAT": "json",
        "ROSTERGUARD_LOG_IDS": "plain",
        "ROSTERGUARD_CLEVER_URL": marked.url,
        "ROSTERGUARD_API_KEYS": f"[{json.dumps(api_key('tests', KEY).model_dump(mode='json', exclude_none=True))}]",
        "ROSTERGUARD_DEADLINE_SECONDS": "0.5",
        "ROSTERGUARD_CALLER_SHARE": "1",
    }


def _ask(client: httpx.Client, person: Person, question: Question) -> httpx.Response:
    method, path, query, body = question
    return client.request(method, person.at(path), params=query, json=body)


def _asked_while_failing(client: httpx.Client, marked: Sandbox, person: Person) -> Iterator[httpx.Response]:
    for kind in FAULTS:
        fault = {"path": "/v3.1/users/*", "kind": kind} | ({"status": 500} if kind == "status" else {})
        httpx.put(f"{marked.url}/_sandbox/faults", json={"seed": 1, "faults": [fault]}).raise_for_status()
        for path in ("permissions", "roles"):
            yield client.get(f"/v1/users/{person.user}/{path}", headers={"Cache-Control": "no-cache"})
    httpx.delete(f"{marked.url}/_sandbox/faults")


async def test_no_mark_is_in_the_cache_or_in_a_trace(marked: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="rosterguard")
    settings = Settings(
        clever_url=marked.url, clever_token=SecretStr(TOKEN), api_keys=(api_key("tests", KEY),), caller_share=1
    )
    spans = InMemorySpanExporter()
    async with _in_process(settings, spans) as (client, state):
        for person in people(marked):
            for method, path, query, body in questions(person):
                await client.request(method, person.at(path), params=query, json=body)
        pdp = state["active_policy"].decision_point
        kept = texts_below(pdp.roster.store, pdp.accesses, pdp.roster.fetches.in_progress)
    assert any(people(marked)[0].user in text for text in kept)
    assert [text for text in kept if found_in(text)] == []
    # That a title is found shows that marks would be; and so is an answer that was rendered with it.
    assert any(found_in(text, TITLE) for text in kept)
    told = [caplog.text, *(span.to_json() for span in spans.get_finished_spans())]
    assert len(told) > 100
    assert [found_in(one) | found_in(one, TITLE) for one in told] == [set() for _ in told]


async def test_no_mark_stands_in_redis(marked: Sandbox) -> None:
    with valkey() as redis:
        settings = Settings(
            clever_url=marked.url,
            clever_token=SecretStr(TOKEN),
            api_keys=(api_key("tests", KEY),),
            caller_share=1,
            secret=SecretStr(SECRET),
            redis_url=SecretStr(redis.url),
        )
        async with _in_process(settings, InMemorySpanExporter()) as (client, _):
            users = [person.user for person in people(marked)]
            for user in users:
                await client.get(f"/v1/users/{user}/permissions")
        texts = redis.texts()
    assert len(texts) > len(users)
    assert any(bytes.fromhex(user) in text for user in users for text in texts)
    kept = [text.decode(errors="replace") for text in texts]
    assert [found_in(text) for text in kept if found_in(text)] == []
    # The one exception, as in the cache of a process; that it is found shows that marks would be.
    assert any(found_in(text, TITLE) for text in kept)


def test_by_what_accounts_are_matched_stands_in_no_result_beyond_what_was_given(
    marked: Sandbox, tmp_path: Path
) -> None:
    users = httpx.get(
        f"{marked.url}/v3.1/users?role=student&limit=1000", headers={"Authorization": f"Bearer {TOKEN}"}
    ).json()
    known = [user["data"] for user in users["data"]]
    rows = [
        *({"clever_id": user["id"], "sis_id": user["roles"]["student"]["sis_id"]} for user in known),
        *({column: f"{MARK}bad"} for column in ("clever_id", "legacy_id", "date_of_birth", "role")),
    ]
    lines = [json.dumps({"account_id": str(number), "role": "student", **row}) for number, row in enumerate(rows)]
    (tmp_path / "accounts.ndjson").write_text("\n".join(lines))
    command = [sys.executable, "-m", "app.cli", "accounts", "match", "accounts.ndjson", "--output", "result.ndjson"]
    environment = {
        "ROSTERGUARD_CLEVER_URL": marked.url,
        "ROSTERGUARD_CLEVER_TOKEN": TOKEN,
        "PYTHONPATH": str(Path.cwd()),
    }
    done = subprocess.run(
        [*command, "--users", "users.csv", "--district", known[0]["district"]],
        cwd=tmp_path,
        env=CLEAN | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    written = [line.decode() for line in (tmp_path / "result.ndjson").read_bytes().splitlines()]
    assert all(line.startswith(given[:-1]) for line, given in zip(written, lines, strict=True))
    added = [line[len(given) :] for line, given in zip(written, lines, strict=True)]
    assert sum('"certainty":"id"' in line for line in added) == len(known)
    told = [*added, (tmp_path / "users.csv").read_text(), done.stdout, done.stderr]
    assert [found_in(text) for text in told if found_in(text)] == []
    assert {each.name for each in tmp_path.iterdir()} == {"accounts.ndjson", "result.ndjson", "users.csv"}


@asynccontextmanager
async def _in_process(
    settings: Settings, spans: InMemorySpanExporter
) -> AsyncIterator[tuple[httpx.AsyncClient, Mapping[str, Any]]]:
    """Run a service here, where its state is in reach; its traces go to ``spans``."""
    app = create_app(settings)
    with tracing.switched_on(lambda: spans):
        async with app.router.lifespan_context(app) as state:
            assert state is not None

            async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
                await app({**scope, "state": dict(state)}, receive, send)

            transport = httpx.ASGITransport(with_state)
            async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=CREDENTIAL) as client:
                yield client, state


def texts_below(*held: object) -> list[str]:
    """Return every text that can be reached from what is held, but through code."""
    seen: set[int] = set()
    texts: list[str] = []
    left = list(held)
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)):
            continue
        seen.add(id(one))
        if isinstance(one, (str, bytes)):
            texts.append(one if isinstance(one, str) else one.decode(errors="replace"))
        # The collector leaves out keys that are text, and structs that it is told to leave alone.
        left += [*gc.get_referents(one), *(one if isinstance(one, dict) else ())]
        left += [getattr(one, name) for name in getattr(one, "__struct_fields__", ())]
    return texts


def test_marks_would_be_found() -> None:
    mark = Marks().new("email")
    held = {"a": [({"b": mark.encode()},)], mark.upper(): 1}
    assert [found_in(text) for text in texts_below(held)].count({mark}) == 2
