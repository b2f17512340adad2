"""A TypeScript client made from the document: it is generated, compiled strictly, and it works."""

import json
import shutil
from pathlib import Path

from tests.clients.conftest import BIN, HOUSE, Json, Run

HERE = Path(__file__).parent / "typescript"
TOOLS = HERE / "node_modules/.bin"


def test_a_generated_typescript_client_reads_typed_answers(
    tmp_path: Path, run: Run, question: list[str], expected: Json
) -> None:
    for name in ("package.json", "program.ts", "tsconfig.json"):
        shutil.copy(HERE / name, tmp_path)
    run(TOOLS / "openapi-ts", "--input", HOUSE / "openapi/openapi.json", "--output", "client", "--no-log-file")
    run(TOOLS / "tsc", "--project", ".")
    assert json.loads(run(BIN / "node", "out/program.js", *question)) == expected
