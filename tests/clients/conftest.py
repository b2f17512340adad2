"""What both generated clients are asked, and what they have to have read."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import KEY, Sandbox

HOUSE = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NOBODY = "0" * 24

Json = dict[str, object]
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command of the environment in a folder of its own, and return what it printed."""

    def run(*command: str | Path) -> str:
        # Both generators look for tools beside them: ruff, node.
        environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def question(service: httpx.Client, sandbox: Sandbox) -> list[str]:
    """The arguments of both programs: where to ask, with which key, and about whom."""
    return [str(service.base_url), KEY, sandbox.user("staff_who_also_teach_elsewhere"), NOBODY]


@pytest.fixture
def expected(sandbox: Sandbox) -> Json:
    """What both programs print, whatever the language."""
    kind = "urn:problem-type:rosterguard:"
    return {
        "scopes": ["school", "section"],
        "via": [["staff"], ["staff", "teacher"]],
        "role": "teacher",
        "refused": {"status": 409, "type": f"{kind}role-not-held", "held": ["staff", "teacher"]},
        "unknown": {"status": 404, "type": f"{kind}user-unknown"},
        "malformed": {"status": 422, "type": f"{kind}malformed-id"},
        "opened": "staff",
        "results": [[200, sandbox.user("staff_who_also_teach_elsewhere")], [404, f"{kind}user-unknown"]],
        "rule": "superset",
        "alive": "alive",
    }
