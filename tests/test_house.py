"""What the project says of itself is true: committed files are current, and the README's commands run."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.policy import case_schema, policy_schema
from app.cli.serve import document
from app.main import default_policy
from app.policy_files.yaml import read_policy
from app.settings import PREFIX, Settings
from tests.conftest import CLEAN

PYTHON = shlex.quote(sys.executable)
HOUSE = Path(__file__).parent.parent
README = (HOUSE / "README.md").read_text(encoding="utf-8")
SERVING, *COMMANDS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def test_the_openapi_document_is_current() -> None:
    assert json.loads((HOUSE / "openapi/openapi.json").read_text(encoding="utf-8")) == document()


def test_the_schema_of_policies_is_current() -> None:
    assert json.loads((HOUSE / "openapi/policy.schema.json").read_text(encoding="utf-8")) == policy_schema()


def test_the_schema_of_policy_cases_is_current() -> None:
    assert json.loads((HOUSE / "openapi/policy-test.schema.json").read_text(encoding="utf-8")) == case_schema()


def test_the_case_of_the_readme_passes(tmp_path: Path) -> None:
    *_, written = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "case.yaml").write_text(written)
    assert CliRunner().invoke(app, ["policy", "test", str(tmp_path)]).exit_code == 0


def test_every_setting_is_in_the_readme_with_its_default_and_what_it_is() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (?:`(.*)` )?\| (.*) \|$", README, re.MULTILINE)
    assert [name.lower() for name, _, _ in rows] == list(Settings.model_fields)
    for name, default, about in rows:
        field = Settings.model_fields[name.lower()]
        assert default == ("" if field.default in {None, ()} else str(field.default))
        assert about.startswith((field.description or "?").rstrip("."))


def test_the_policy_of_the_readme_is_a_part_of_the_default_one() -> None:
    written, *_ = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    shown, whole = read_policy(written).file, read_policy(default_policy()).file
    assert shown.rule == whole.rule
    assert set(shown.superset.items()) <= set(whole.superset.items())
    assert set(map(str, shown.roles.staff)) <= set(map(str, whole.roles.staff))
    assert shown.roles.teacher == whole.roles.teacher


def test_starting_both_by_hand_gives_the_answer_that_is_shown() -> None:
    [shown] = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    shown = shown.replace("REVISION", read_policy(default_policy()).revision)
    [answer] = (line for line in _run(SERVING).splitlines() if line.startswith("{"))
    assert json.loads(answer) == json.loads(shown)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_that_are_shown_run(command: str) -> None:
    assert _run(command)


def _run(script: str) -> str:
    """Run a script of the README on free ports, with the Python of the tests, and end what it leaves running."""
    script = script.replace(".venv/bin/rosterguard", f"{PYTHON} -m app.cli")
    for port in ("8900", "8901"):
        script = script.replace(port, str(_free_port()))
    with TemporaryFile("w+") as told, TemporaryDirectory() as elsewhere:
        # Not in the project's own folder, where an operator may have an .env.
        for part in ("app", "tests"):
            (Path(elsewhere) / part).symlink_to(HOUSE / part)
        shell = subprocess.Popen(
            ["/bin/sh", "-eu", "-c", _CURL + script], cwd=elsewhere, env=CLEAN, stdout=told, start_new_session=True
        )
        try:
            assert shell.wait(timeout=60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
        told.seek(0)
        return told.read()


_CURL = f"""\
command -v curl >/dev/null || curl() {{
  {PYTHON} -c 'import httpx, sys
print(httpx.Client(transport=httpx.HTTPTransport(retries=9)).get(sys.argv[-1]).text)' "$@"
}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
