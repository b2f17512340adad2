"""What the reference shows of the standard's bodies is what the sandbox answers."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.api.openapi import EXAMPLES
from tests.api.authzen.conftest import PUBLIC_URL, Json, ask
from tests.conftest import Serve


def without_token(answer: Mapping[str, Any]) -> Json:
    """Leave out the token, which is another for every secret, but not that there is one."""
    page = answer.get("page")
    return {**answer, "page": page and {**page, "next_token": bool(page["next_token"])}}


@pytest.mark.parametrize(
    ("path", "asked", "answered"),
    [
        ("evaluation", "EvaluationRequest", "DecisionBody"),
        ("evaluations", "EvaluationsRequest", "EvaluationsAnswer"),
        ("search/subject", "SubjectSearchRequest", "SubjectResults"),
        ("search/resource", "ResourceSearchRequest", "ResourceResults"),
        ("search/action", "ActionSearchRequest", "ActionResults"),
    ],
)
def test_each_question_that_is_shown_gets_the_answer_that_is_shown(
    path: str, asked: str, answered: str, service: httpx.Client
) -> None:
    assert without_token(ask(service, path, EXAMPLES[asked])) == without_token(EXAMPLES[answered])


def test_the_metadata_that_is_shown(serve: Serve) -> None:
    shown = EXAMPLES["AuthzenConfiguration"]
    assert serve(public_url=PUBLIC_URL).get("/.well-known/authzen-configuration").json() == shown
