"""TypeScript clients made from the document: they compile strictly, all in one, and read every kind of answer."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import BIN, DOCUMENT, JAVA, NO_JAVA, expected, generate, question, run_in
from tests.conftest import Sandbox

HERE = Path(__file__).parent / "typescript"
TOOLS = HERE / "node_modules/.bin"


def test_generated_clients_read_typed_answers(
    tmp_path: Path, service: httpx.Client, sandbox: Sandbox, subtests: pytest.Subtests
) -> None:
    run = run_in(tmp_path)
    clients = ["hey_api", "openapi_fetch", *(["typescript_fetch"] if JAVA else [])]
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    for name in ("package.json", *(f"{client}.ts" for client in clients)):
        shutil.copy(HERE / name, tmp_path)
    config = json.loads((HERE / "tsconfig.json").read_text(encoding="utf-8"))
    (tmp_path / "tsconfig.json").write_text(json.dumps(config | {"files": [f"{client}.ts" for client in clients]}))

    run(TOOLS / "openapi-ts", "--input", DOCUMENT, "--output", "client", "--no-log-file")
    run(TOOLS / "openapi-typescript", DOCUMENT, "--output", "schema.ts")
    if JAVA:
        options = ("-o", "typescript_fetch", "--additional-properties=importFileExtension=.js")
        generate(run, "-i", DOCUMENT, "-g", "typescript-fetch", *options)
    run(TOOLS / "tsc", "--project", ".")
    for client in clients:
        with subtests.test(client):
            assert json.loads(run(BIN / "node", f"out/{client}.js", *question(service, sandbox))) == expected(
                service, sandbox
            )
    if not JAVA:
        with subtests.test("typescript_fetch"):
            pytest.skip(NO_JAVA)
