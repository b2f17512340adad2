"""Python clients made from the document: generated without a warning, they read every kind of answer."""

import json
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from tests.clients.conftest import BIN, DOCUMENT, JAVA, NO_JAVA, expected, generate, question, run_in
from tests.conftest import Sandbox

HERE = Path(__file__).parent / "python"


def test_a_client_of_openapi_python_client_reads_typed_answers(
    tmp_path: Path, service: httpx.Client, sandbox: Sandbox
) -> None:
    run = run_in(tmp_path)
    program = shutil.copy(HERE / "openapi_python_client.py", tmp_path)
    generate = [BIN / "openapi-python-client", "generate", "--fail-on-warning", "--meta", "none"]
    run(*generate, "--path", DOCUMENT, "--output-path", tmp_path / "rosterguard_client")
    run(BIN / "mypy", "--strict", "--follow-imports", "silent", "--cache-dir", tmp_path / "types", program)
    assert json.loads(run(sys.executable, program, *question(service, sandbox))) == expected(service, sandbox)


def test_models_of_datamodel_code_generator_read_answers(
    tmp_path: Path, service: httpx.Client, sandbox: Sandbox
) -> None:
    run = run_in(tmp_path)
    program = shutil.copy(HERE / "datamodel_models.py", tmp_path)
    models = ["--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin", "--output", "models.py"]
    run(BIN / "datamodel-codegen", "--input", DOCUMENT, "--input-file-type", "openapi", *models)
    assert json.loads(run(sys.executable, program, *question(service, sandbox))) == expected(service, sandbox)


@pytest.mark.skipif(not JAVA, reason=NO_JAVA)
def test_a_client_of_openapi_generator_reads_answers(tmp_path: Path, service: httpx.Client, sandbox: Sandbox) -> None:
    run = run_in(tmp_path)
    program = shutil.copy(HERE / "openapi_generator.py", tmp_path)
    generate(run, "-i", DOCUMENT, "-g", "python", "-o", ".")
    assert json.loads(run(sys.executable, program, *question(service, sandbox))) == expected(service, sandbox)
