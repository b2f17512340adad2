"""The requests of `openapi/requests.http`: each is answered as its title says, in the shape that the document gives."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.domain.callers import CallerScope
from tests.api.connecting import until
from tests.clients.document import FOLDER, mistakes, operations
from tests.conftest import KEY, Sandbox, Serve


@dataclass(frozen=True)
class Request:
    """One request of the file."""

    status: int
    method: str
    url: str
    headers: dict[str, str]
    body: str | None

    @property
    def path(self) -> str:
        return self.url.removeprefix("{{baseUrl}}")


HEAD, *WRITTEN = re.split(r"^### ", (FOLDER / "requests.http").read_text(encoding="utf-8"), flags=re.MULTILINE)
VARIABLES = dict(re.findall(r"^@(\w+) = (.*)$", HEAD, re.MULTILINE))


def read(written: str) -> Request:
    head, _, body = written.partition("\n\n")
    title, line, *headers = head.splitlines()
    method, url = line.split(" ", 1)
    return Request(int(title.split()[0]), method, url, dict(each.split(": ", 1) for each in headers), body or None)


def filled(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda name: variables[name[1]], text)


def documented(request: Request) -> dict[str, Any]:
    said: dict[str, Any] = next(each.said for each in operations() if each.serves(request.method, request.path))
    return said


def followed(serve: Serve, sandbox: Sandbox) -> httpx.Client:
    """A service of its own that has loaded the district, and follows it since there are events."""
    changed = f"{sandbox.url}/_sandbox/users/{sandbox.user('contact_of_two')}"
    httpx.patch(changed, json={"roles": {"contact": None}}).raise_for_status()
    service = serve(load=("all",), load_whom="everyone")
    path = f"/v1/districts/{sandbox.district}"
    until(lambda: service.get(path).is_success and service.get(path).json()["mode"] == "following")
    return service


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written.splitlines()[0])
def test_a_request_is_answered_as_its_title_says(
    written: str, service: httpx.Client, sandbox: Sandbox, serve: Serve
) -> None:
    request = read(written)
    if "/v1/districts" in request.path or "legacy_id" in request.path:
        service = followed(serve, sandbox)
    variables = VARIABLES | {"baseUrl": str(service.base_url), "apiKey": KEY}
    service.get(f"/v1/users/{sandbox.user('teacher_only')}/roles")  # before it, the service may not be ready
    answer = httpx.request(
        request.method,
        filled(request.url, variables),
        headers={name: filled(value, variables) for name, value in request.headers.items()},
        content=filled(request.body, variables) if request.body else None,
        timeout=30,
    )
    assert answer.status_code == request.status, answer.text
    content = documented(request)["responses"][str(request.status)]["content"]
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content
    if media_type.endswith("json"):
        assert mistakes(content[media_type]["schema"], answer.json()) == []


def test_the_key_that_the_head_makes_has_the_scopes_of_the_tests() -> None:
    assert sorted(re.findall(r"--scope ([a-z:]+)", HEAD)) == sorted(CallerScope)


def test_every_operation_is_asked_with_success() -> None:
    asked = [documented(request)["operationId"] for request in map(read, WRITTEN) if request.status < 300]
    assert {operation.said["operationId"] for operation in operations()} == set(asked)


def test_the_people_asked_about_are_those_of_the_sandbox(sandbox: Sandbox) -> None:
    assert VARIABLES["user"] == sandbox.user("staff_who_also_teach_elsewhere")
    assert VARIABLES["district"] == sandbox.district
