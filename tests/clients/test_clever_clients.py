"""Clients that others made for Clever's API read every list of the sandbox, page by page."""

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.sandbox.records import COLLECTIONS, OLD_COLLECTIONS, District
from tests.clients.conftest import JAVA, NO_JAVA, generate, run_in
from tests.conftest import Sandbox

HERE = Path(__file__).parent
TOKEN = "sandbox-token"
LIMIT = 90
"""Of a page; a teacher of the sandbox has more sections."""

Paths = Mapping[str, Mapping[str, Any]]


def description(name: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((HERE.parent / "sandbox" / name).read_text(encoding="utf-8"))
    return described


def lists_of(paths: Paths, ids: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the path of every list that comes in pages, with the operation of clients and its arguments."""
    for path, described in paths.items():
        if any(parameter["name"] == "limit" for parameter in described["parameters"]):
            wanted = [ids[path.split("/")[1]]] if "{id}" in path else []
            operation = re.sub(r"(?<!^)(?=[A-Z])", "_", described["operationId"]).lower()
            yield path.format(id=wanted[0] if wanted else ""), [operation, *wanted]


def check_pages(
    folder: Path, package: str, sandbox: Sandbox, version: str, paths: Paths, ids: Mapping[str, str]
) -> None:
    """Let a program walk through all lists with a package, and compare each with what it holds in one page."""
    asked, program = dict(lists_of(paths, ids)), shutil.copy(HERE / "python/pages_of_clever.py", folder)
    with httpx.Client(base_url=f"{sandbox.url}/{version}", headers={"Authorization": f"Bearer {TOKEN}"}) as clever:
        whole = {
            path: [item["data"]["id"] for item in clever.get(path, params={"limit": "10000"}).json()["data"]]
            for path in asked
        }
    said = run_in(folder)(
        sys.executable, program, package, f"{sandbox.url}/{version}", TOKEN, f"{LIMIT}", json.dumps([*asked.values()])
    )
    assert dict(zip(asked, json.loads(said), strict=True)) == whole
    assert sum(len(one) > LIMIT for one in whole.values()) > 3


def one_of_each(district: District, **chosen: str) -> dict[str, str]:
    """An id of each collection."""
    return {each: next(iter(getattr(district, each)), "") for each in COLLECTIONS} | chosen


def test_the_published_client_for_version_2_0_pages_through_every_list(tmp_path: Path, sandbox: Sandbox) -> None:
    # It is of 2018: by now `async` is a word of the language, and a module beside it is imported with a dot.
    spec = find_spec("clever")
    assert spec is not None
    package = shutil.copytree(
        Path(spec.origin or "").parent, tmp_path / "clever", ignore=shutil.ignore_patterns("*.pyc")
    )
    for module in package.rglob("*.py"):
        source = re.sub(r"\basync\b", "asynchronous", module.read_text(encoding="utf-8"))
        module.write_text(
            re.sub(r"^import event$", "from . import event", source, flags=re.MULTILINE), encoding="utf-8"
        )
    district = sandbox.world.districts[0].before_v3
    accounts = {each: district.users_in_role[role][0].id for role, each in OLD_COLLECTIONS.items()}
    [busy] = sandbox.world.districts[0].users[sandbox.user("teacher_of_many_sections")].ids_in("teacher", "legacy_id")
    ids = one_of_each(district, **accounts | {"teachers": busy})
    check_pages(tmp_path, "clever", sandbox, "v2.0", description("description-2.1.json")["paths"], ids)


@pytest.mark.skipif(not JAVA, reason=NO_JAVA)
def test_a_client_made_from_the_description_of_3_1_pages_through_every_list(tmp_path: Path, sandbox: Sandbox) -> None:
    described = description("description.json")
    (tmp_path / "clever.json").write_text(json.dumps(swagger(described)), encoding="utf-8")
    generate(run_in(tmp_path), "-i", "clever.json", "-g", "python", "--package-name", "generated", "-o", ".")
    ids = one_of_each(sandbox.world.districts[0], users=sandbox.user("teacher_of_many_sections"))
    check_pages(tmp_path, "generated", sandbox, "v3.1", described["paths"], ids)


def swagger(described: Mapping[str, Any]) -> dict[str, Any]:
    """The description as Clever publishes it, without what we left out of it."""
    paths = {}
    for path, one in described["paths"].items():
        parameters = [{**each, "required": each["in"] == "path"} for each in one["parameters"]]
        for each in parameters:
            if each["type"] == "array":
                each["items"] = {"type": "string"}
        answer = {"description": "OK Response", "schema": {"$ref": f"#/definitions/{one['response']}"}}
        paths[path] = {
            "get": {
                "operationId": one["operationId"],
                "tags": ["Events" if path.startswith("/events") else "Data"],
                "parameters": parameters,
                "responses": {"200": answer},
            }
        }
    definitions = {name: schema for name, schema in described["definitions"].items() if "." not in name}
    info = {"title": "Clever API", "version": "3.1.0"}
    return {"swagger": "2.0", "info": info, "basePath": "/v3.1", "paths": paths, "definitions": definitions}
