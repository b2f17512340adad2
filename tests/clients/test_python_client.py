"""A Python client made from the document: it is generated without a warning, its types hold, and it works."""

import json
import shutil
import sys
from pathlib import Path

from tests.clients.conftest import BIN, HOUSE, Json, Run

PROGRAM = Path(__file__).parent / "python/program.py"


def test_a_generated_python_client_reads_typed_answers(
    tmp_path: Path, run: Run, question: list[str], expected: Json
) -> None:
    shutil.copy(PROGRAM, tmp_path)
    document = HOUSE / "openapi/openapi.json"
    generate = [BIN / "openapi-python-client", "generate", "--fail-on-warning", "--meta", "none"]
    run(*generate, "--path", document, "--output-path", tmp_path / "rosterguard_client")
    run(BIN / "mypy", "--strict", "--follow-imports", "silent", "--cache-dir", tmp_path / "types", "program.py")
    assert json.loads(run(sys.executable, "program.py", *question)) == expected
