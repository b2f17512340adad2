"""What is locked is locked by its hash and known by name, and what an audit finds is reported for what it is."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.supply_chain import HOUSE, UV, Verdict, judged

LOCK = tomllib.loads((HOUSE / "uv.lock").read_text(encoding="utf-8"))
LOCKED = {package["name"]: package for package in LOCK["package"]}
FINE = {"name": "fine", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"], "aliases": []}]}
WORSE = {"name": "worse", "version": "3.0", "vulns": [{"id": "PYSEC-2", "fix_versions": [], "aliases": []}]}
UNREAD = {"name": "unread", "skip_reason": "Dependency not found on PyPI"}


def report(*packages: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [
        (report(FINE), Verdict(0, ["audit: 0 known against 1 locked packages"])),
        (
            report(BAD, FINE, WORSE),
            Verdict(
                1,
                [
                    "bad 2.0: PYSEC-1, mended in 2.1, 3.0",
                    "worse 3.0: PYSEC-2, mended in no version yet",
                    "audit: 2 known against 3 locked packages",
                ],
            ),
        ),
        (
            report(FINE, UNREAD),
            Verdict(0, ["unknown to the advisories: unread", "audit: 0 known against 1 locked packages"]),
        ),
    ],
    ids=["nothing known", "two known", "one not to be read"],
)
def test_an_audit_fails_by_what_is_known(printed: str, verdict: Verdict) -> None:
    assert judged(printed) == verdict


@pytest.mark.parametrize("printed", ["", "ConnectionError", "[]", report(), report(UNREAD, UNREAD)])
def test_an_audit_that_can_read_no_advisories_says_so_and_is_no_failure(printed: str) -> None:
    verdict = judged(printed)
    assert (verdict.code, "audit SKIPPED" in verdict.lines[1]) == (0, True)


def test_every_package_comes_from_the_registry_and_is_locked_by_its_hashes() -> None:
    sources = {name: package["source"] for name, package in LOCKED.items() if name != "rosterguard"}
    assert {name: source for name, source in sources.items() if "registry" not in source} == {}
    files = [file for package in LOCKED.values() for file in (*package.get("wheels", ()), package.get("sdist", {}))]
    assert [file for file in files if file and not file.get("hash", "").startswith("sha256:")] == []


def test_the_image_is_made_of_what_is_locked() -> None:
    lines = (HOUSE / "Dockerfile").read_text(encoding="utf-8").splitlines()
    syncs = [line for line in lines if "uv sync" in line]
    assert syncs
    assert all("--locked --no-dev --all-extras --no-" in line for line in syncs)
    assert [line for line in lines if re.match(r"(ADD|COPY) \. ", line)] == []


def test_nothing_that_may_hold_secrets_gets_into_an_image_or_is_committed() -> None:
    ignored, *let_in = (HOUSE / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored == "*"
    assert {line for line in let_in if line.startswith("!")} == {
        *("!app", "!pyproject.toml", "!uv.lock", "!README.md", "!LICENSE"),
    }
    # A folder that is let in is let in whole.
    assert "**/.env*" in let_in
    assert {".env", ".env.*"} <= set((HOUSE / ".gitignore").read_text(encoding="utf-8").splitlines())


def test_the_bill_of_materials_names_all_that_the_image_holds(tmp_path: Path) -> None:
    bill = tmp_path / "rosterguard.cdx.json"
    command = ["make", "--silent", "--no-print-directory", "-o", "setup", f"SBOM={bill}", "sbom"]
    subprocess.run([*command, f"PYTHON={sys.executable}"], cwd=HOUSE, check=True, capture_output=True)
    told = json.loads(bill.read_text(encoding="utf-8"))
    assert (told["bomFormat"], told["specVersion"], told["metadata"]["component"]["name"]) == (
        *("CycloneDX", "1.5"),
        "rosterguard",
    )
    bare = ("--no-emit-project", "--no-hashes", "--no-annotate", "--quiet")
    exported = subprocess.run(
        [UV, "export", "--locked", "--no-dev", "--all-extras", *bare],
        cwd=HOUSE,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    shipped = {line.split("==")[0] for line in exported.splitlines() if line and not line.startswith("#")}
    assert {component["name"] for component in told["components"]} == shipped
    assert all(component["purl"].startswith("pkg:pypi/") for component in told["components"])
