"""Cerbos over the same questions: its policy says what ours says of sections, and it is sent what we look up.

The roles of a user and the places that they reach come with every request, as Cerbos has it; ours reads and caches
them. https://docs.cerbos.dev/cerbos/latest/api/
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.bench.cast import Teacher, written
from tests.bench.cores import SERVING, pinned
from tests.bench.processes import Served, ended
from tests.bench.tools import Tool

CHECK = "/api/check/resources"

_POLICY = {
    "apiVersion": "api.cerbos.dev/v1",
    "resourcePolicy": {
        "resource": "section",
        "version": "default",
        "rules": [
            {
                "actions": ["view", "edit"],
                "effect": "EFFECT_ALLOW",
                "roles": ["teacher"],
                "condition": {"match": {"expr": "R.id in P.attr.sections"}},
            },
            {
                "actions": ["view", "edit"],
                "effect": "EFFECT_ALLOW",
                "roles": ["staff"],
                "condition": {"match": {"expr": "R.attr.school in P.attr.schools || R.id in P.attr.sections"}},
            },
            {
                "actions": ["view", "edit"],
                "effect": "EFFECT_ALLOW",
                "roles": ["district_admin"],
                "condition": {"match": {"expr": "R.attr.district == P.attr.district"}},
            },
            {
                "actions": ["view"],
                "effect": "EFFECT_ALLOW",
                "roles": ["student"],
                "condition": {"match": {"expr": "R.id in P.attr.enrolled"}},
            },
        ],
    },
}
"""What the default policy comes to for sections: its levels are written out, since Cerbos has no seniors."""

_STARTS_WITHIN = 15


def asked(teacher: Teacher, sections: Sequence[str]) -> bytes:
    """Ask whether a teacher may edit sections; the body of a request to ``CHECK``."""
    places = {"district": teacher.district, "sections": teacher.taught, "schools": [], "enrolled": []}
    resources = [
        {
            "actions": ["edit"],
            "resource": {
                "kind": "section",
                "id": section,
                "attr": {"district": teacher.district, "school": teacher.school_of[section]},
            },
        }
        for section in sections
    ]
    return written({"principal": {"id": teacher.user, "roles": ["teacher"], "attr": places}, "resources": resources})


def decisions(url: str, body: bytes) -> list[bool]:
    """Return what it decides, in the order asked."""
    answer = httpx.post(url + CHECK, content=body, headers={"Content-Type": "application/json"}, timeout=30)
    results = answer.raise_for_status().json()["results"]
    return [result["actions"]["edit"] == "EFFECT_ALLOW" for result in results]


@contextmanager
def running(cerbos: Tool) -> Iterator[Served]:
    """Run it on the processor of the servers, without what it tells others and without logs of what it decides."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "policies").mkdir()
        (Path(folder) / "policies/section.json").write_text(json.dumps(_POLICY), encoding="utf-8")
        ports = _free_ports()
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(_config(folder, *ports)), encoding="utf-8")
        environment = os.environ | {"GOMAXPROCS": "1", "CERBOS_NO_TELEMETRY": "1"}
        command = pinned([cerbos.path, "server", "--log-level=error", f"--config={config}"], SERVING)
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                served = Served(f"http://127.0.0.1:{ports[0]}", process.pid)
                _wait_for(served)
                yield served
            finally:
                ended(process)


def _config(folder: str, http: int, grpc: int) -> dict[str, object]:
    return {
        "server": {"httpListenAddr": f"127.0.0.1:{http}", "grpcListenAddr": f"127.0.0.1:{grpc}"},
        "storage": {"driver": "disk", "disk": {"directory": f"{folder}/policies", "watchForChanges": False}},
        "audit": {"enabled": False},
        "telemetry": {"disabled": True},
    }


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for(served: Served) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{served.url}/_cerbos/health").status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise RuntimeError("Cerbos did not start")
