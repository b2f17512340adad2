"""Requests made from the OpenAPI document: what it allows, and what it does not."""

from collections.abc import Mapping
from typing import Any

import httpx
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.cli.serve import document
from tests.chaos.findings import CREDENTIALS, EXPECTED_5XX, RIGHT, WRONG, Credential, Findings
from tests.chaos.leaks import CALLED, SAID, SENT, Planted

Operation = APIOperation[Any, Any, Any, Any]
Case = schemathesis.Case[Any]

_UNDESCRIBED = frozenset({400, 401, 404, 405, 413, 414, 415, 431})
"""Statuses that may be answered to anything, whatever the document says of the operation."""

_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
_MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
_SPOTS = st.sampled_from(["", "", "path", "past it", "query", "body", "whole body"])
_NUMBERS = st.integers(0, 999_999)


def operations() -> dict[str, Operation]:
    """Return what the document describes, by method and path."""
    schema = schemathesis.openapi.from_dict(document())
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return {operation.label: operation for operation in found}


def cases_of(operation: Operation) -> st.SearchStrategy[Case]:
    """Return what may be asked of an operation, half of it what the document does not allow."""
    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in _MODES])


def ask(
    cases: st.SearchStrategy[Case],
    users: st.SearchStrategy[str],
    client: httpx.Client,
    findings: Findings,
    data: st.DataObject,
) -> None:
    """Ask for something that is made up, with a key, with a wrong one or without any, and look at the answer.

    Raises:
        AssertionError: an answer that the document does not describe, or a failure.
    """
    # First, since what is drawn after much else is hardly ever drawn at random.
    credential, spot, number = data.draw(CREDENTIALS), data.draw(_SPOTS), data.draw(_NUMBERS)
    user = f"{SENT}{number:06d}" if spot == "path" else data.draw(st.none() | users)
    case = data.draw(cases)
    if user is not None and "user_id" in case.path_parameters:
        case.path_parameters["user_id"] = user
    sent = case.as_transport_kwargs(base_url=str(client.base_url))
    said = f"{SAID}{number:06d}"
    _say(data, sent, spot, said)
    request = _request(client, sent, credential, f"{CALLED}{number:06d}")
    if request is None:
        return
    response = client.send(request)
    look(response, credential, findings, said.encode())
    judge(response)
    if response.status_code not in _UNDESCRIBED:
        case.validate_response(response, checks=_CHECKS)


def _say(data: st.DataObject, sent: dict[str, Any], spot: str, mark: str) -> None:
    """Put a mark into the query or the body of a request, or behind its path, where that is the spot."""
    if spot == "query":
        params = dict(sent.get("params") or {})
        name = data.draw(st.sampled_from([*params, "permission", mark]))
        sent["params"] = params | {name: f"{mark}:edit" if name == "permission" else mark}
    elif spot == "past it":
        sent["url"] += f"/{SENT}{mark[-6:]}"
    elif spot == "body" and sent.get("json") is not None:
        sent["json"] = _with(data, sent["json"], mark)
    elif spot == "whole body":
        sent["json"] = _full_of(sent.get("json"), mark)


def _with(data: st.DataObject, body: Any, mark: str) -> Any:
    """Return a body with a mark somewhere in it, as a name or instead of a value."""
    if isinstance(body, dict) and body:
        name = data.draw(st.sampled_from([*body, mark]))
        return {**body, name: _with(data, body.get(name), mark)}
    if isinstance(body, list) and body:
        place = data.draw(st.integers(0, len(body) - 1))
        return [*body[:place], _with(data, body[place], mark), *body[place + 1 :]]
    return mark


def _full_of(body: Any, mark: str) -> Any:
    """Return a body that has a mark for every text, but where that says the type of something."""
    if isinstance(body, dict):
        return {name: value if name == "type" else _full_of(value, mark) for name, value in body.items()}
    if isinstance(body, list):
        return [_full_of(one, mark) for one in body]
    return mark if isinstance(body, str) else body


def _request(
    client: httpx.Client, sent: Mapping[str, Any], credential: Credential, called: str
) -> httpx.Request | None:
    """Return what was made up as a request; None where HTTP cannot say it."""
    made_up = [(name, str(value)) for name, value in (sent.get("headers") or {}).items()]
    headers = [(name, value) for name, value in made_up if name.lower() not in {"authorization", "user-agent"}]
    headers += [("Authorization", value) for value in credential]
    headers += [(name, f"{SENT}header") for name in ("User-Agent", "Referer", "Cookie", "X-Forwarded-For")]
    if "x-request-id" not in {name.lower() for name, _ in headers}:
        headers.append(("X-Request-ID", called))
    try:
        return client.build_request(
            sent["method"],
            sent["url"],
            params=sent.get("params") or None,
            headers=headers,
            json=sent.get("json"),
            content=sent.get("data") if isinstance(sent.get("data"), (str, bytes)) else None,
        )
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        return None


def look(response: httpx.Response, credential: Credential, findings: Findings, said: bytes = b"") -> None:
    """Note an answer, and look for what should not be in it, and whether it should be at all."""
    path = response.request.url.path
    (findings.with_key if credential == RIGHT else findings.without_key)[response.status_code] += 1
    findings.see_to_entry(credential, path, response.status_code)
    named = tuple(value for name, value in response.request.headers.raw if name.lower() == b"x-request-id")
    findings.lookout.answer(_whole(response), Planted(named, said, path.endswith("/roles")), "an answer")


def _whole(response: httpx.Response) -> bytes:
    """Return an answer as it came over the wire."""
    status = f"{response.http_version} {response.status_code} {response.reason_phrase}".encode()
    headers = [name + b": " + value for name, value in response.headers.raw]
    return b"\r\n".join([status, *headers, b"", response.content])


def judge(response: httpx.Response) -> None:
    """Raise ``AssertionError`` unless an error is one of those that are meant, and says what it is."""
    status, kind = response.status_code, response.headers.get("content-type", "")
    assert status < 500 or status in EXPECTED_5XX, (status, response.text)
    if status in {429, 503}:
        assert response.headers.get("retry-after", "").isdigit(), dict(response.headers)
    if status >= 400 and response.request.method != "HEAD":
        assert kind == "application/problem+json" or kind.startswith("text/plain"), (status, kind, response.text)


def ask_without_key(url: str, operation: Operation, findings: Findings) -> None:
    """Ask an operation without a key and with wrong ones; raises ``AssertionError`` where the challenge is missing."""
    path = operation.path.replace("{user_id}", "0" * 24)
    with httpx.Client(base_url=url) as client:
        for credential in WRONG:
            headers = [("Authorization", value) for value in credential]
            response = client.request(operation.method, path, headers=headers, json={})
            look(response, credential, findings)
            if response.status_code == 401:
                assert response.headers["www-authenticate"].startswith("Bearer"), dict(response.headers)
