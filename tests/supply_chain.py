"""`python -m tests.supply_chain`: is anything known against what is locked (`make audit`).

Exits with 1 where something is, and with 0 where nothing is known, or nothing can be: where the advisories cannot be
reached, that is said loudly and is no failure. A package index that is a mirror may have packages and no advisories;
pip-audit alone calls that a success.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

HOUSE = Path(__file__).parent.parent
UV = Path(sys.executable).parent / "uv"
LOCKED = ("--locked", "--all-extras", "--all-groups", "--no-emit-project", "--format", "requirements.txt", "--quiet")
AUDIT = ("run", "--isolated", "--locked", "--only-group", "audit", "--python", sys.executable, "--quiet", "pip-audit")
AS_LOCKED = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "15")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an audit, to be printed and to exit with."""

    code: int
    lines: Sequence[str]


def judged(report: str) -> Verdict:
    """Judge what pip-audit printed, which is nothing that can be read where it did not get far."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return _skipped("pip-audit did not get as far as a report")
    read = [package for package in packages if "vulns" in package]
    if not read:
        return _skipped("the advisories of none of the packages can be read here")
    unread = [f"unknown to the advisories: {package['name']}" for package in packages if "vulns" not in package]
    findings = [_line(package, found) for package in read for found in package["vulns"]]
    summary = f"audit: {len(findings)} known against {len(read)} locked packages"
    return Verdict(1 if findings else 0, [*findings, *unread, summary])


def _line(package: dict[str, Any], found: dict[str, Any]) -> str:
    mended = ", ".join(found["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {found['id']}, mended in {mended}"


def _skipped(why: str) -> Verdict:
    frame = "!" * 78
    return Verdict(
        0, [frame, f"!! audit SKIPPED: {why}.", "!! Nothing is known of what is locked, good or bad.", frame]
    )


def main(out: TextIO = sys.stdout) -> int:
    """Audit everything that is locked, and return the exit code."""
    with TemporaryDirectory() as folder:
        locked = Path(folder) / "requirements.txt"
        subprocess.run([UV, "export", *LOCKED, "--output-file", locked], cwd=HOUSE, check=True)
        run = subprocess.run(
            [UV, *AUDIT, *AS_LOCKED, "--requirement", locked], cwd=HOUSE, stdout=subprocess.PIPE, check=False
        )
    verdict = judged(run.stdout.decode())
    print(*verdict.lines, sep="\n", file=out, flush=True)
    return verdict.code


if __name__ == "__main__":
    sys.exit(main())
