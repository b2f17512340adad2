"""`/docs` and `/openapi.json`: the reference, working without a network."""

import json
import re

import httpx
import pytest
from openapi_spec_validator import validate

from tests.conftest import KEY


def test_the_page_loads_nothing_from_elsewhere(service: httpx.Client) -> None:
    page = httpx.get(f"{service.base_url}/docs")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 3
    for path in loaded:
        assert path.startswith("/docs/assets/")
        assert httpx.get(f"{service.base_url}{path}").status_code == 200
    assert "http" not in page.text.replace("SwaggerUIBundle", "")


@pytest.fixture
def document(service: httpx.Client) -> dict[str, object]:
    document: dict[str, object] = httpx.get(f"{service.base_url}/openapi.json").json()
    return document


def test_the_document_is_valid_openapi(document: dict[str, object]) -> None:
    validate(document)


def test_no_operation_is_without_its_id_and_its_problems(document: dict[str, object]) -> None:
    paths = json.loads(json.dumps(document))["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        if "security" in operation:
            assert set(operation["responses"]["401"]["content"]) == {"application/problem+json"}
            assert set(operation["responses"]["422"]["content"]) == {"application/problem+json"}
    assert "HTTPValidationError" not in json.dumps(document)


def test_a_real_answer_fits_its_schema_and_a_real_problem_too(service: httpx.Client) -> None:
    assert service.headers["authorization"] == f"Bearer {KEY}"
