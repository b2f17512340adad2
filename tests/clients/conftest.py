"""What every generated client is asked, and what it has to have read."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from app.api.dependencies import SECTION_EXAMPLE as SECTION
from tests.conftest import KEY, Sandbox

DOCUMENT = Path(__file__).parents[2] / "openapi/openapi.json"
JAVA = shutil.which("java")
NO_JAVA = "openapi-generator needs Java, which is not on this machine: its clients are NOT tried"
BIN = Path(sys.executable).parent
NOBODY = "0" * 24

Json = dict[str, object]
Run = Callable[..., str]


def run_in(tmp_path: Path) -> Run:
    """Return what runs a command of the environment in a folder, and returns what it printed."""

    def run(*command: str | Path) -> str:
        # Generators look for tools beside them: ruff, node.
        environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def generate(run: Run, *options: str | Path) -> str:
    """Run openapi-generator, where Java is there."""
    # It runs for two seconds, in which the better compiler costs more than it gains.
    quick = "JAVA_OPTS=-XX:TieredStopAtLevel=1"
    return run("env", quick, BIN / "openapi-generator-cli", "generate", *options)


def question(service: httpx.Client, sandbox: Sandbox) -> list[str]:
    """The arguments of every program: where to ask, with which key, about whom, and about which section of theirs."""
    return [str(service.base_url), KEY, sandbox.user("staff_who_also_teach_elsewhere"), NOBODY, SECTION]


def expected(service: httpx.Client, sandbox: Sandbox) -> Json:
    """What every program prints, whatever the language."""
    kind = "urn:problem-type:rosterguard:"
    return {
        "scopes": ["school", "section"],
        "via": [["staff"], ["staff", "teacher"]],
        "role": "teacher",
        "refused": {"status": 409, "type": f"{kind}role-not-held", "held": ["staff", "teacher"]},
        "unknown": {"status": 404, "type": f"{kind}user-unknown"},
        "malformed": {"status": 422, "type": f"{kind}malformed-id"},
        "opened": "staff",
        "results": [
            [200, sandbox.user("staff_who_also_teach_elsewhere")],
            [404, f"{kind}user-unknown"],
            [409, f"{kind}role-not-held"],
        ],
        "decision": [True, "granted"],
        "alone": True,
        "several": [True, False],
        "message": [400, "string"],
        "rule": "superset",
        "superset": service.get("/v1/policy").json()["policy"]["superset"],
        "alive": "alive",
    }
