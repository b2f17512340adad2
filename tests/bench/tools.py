"""What measures and what we are measured beside, neither of which is part of development: fetched when it is needed.

All of it lies in a folder of the environment, so `make clean` removes it.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(sys.prefix) / "bench"

CERBOS_VERSION = "0.55.0"
_CERBOS_FOR = {"x86_64": "cerbos-linux-x64", "aarch64": "cerbos-linux-arm64"}

_WRK_PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")


class Missing(Exception):
    """A tool that is not there and cannot be fetched; its text says what to install."""


def reason_of(error: Exception) -> str:
    """Return why something could not be measured, in one line; of a command that failed the last it wrote but hints."""
    written = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines = [line for each in (written or "").splitlines() if (line := each.strip()) and not line.startswith("hint:")]
    return lines[-1].replace("|", "/") if lines else type(error).__name__


@dataclass(frozen=True)
class Tool:
    """A program and what its environment needs."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def wrk() -> Tool:
    """Find wrk in the path, or take it out of Debian's packages without installing them; raises ``Missing``."""
    if there := shutil.which("wrk"):
        return Tool(Path(there))
    folder = CACHE / "wrk"
    program = folder / "usr/bin/wrk"
    if not program.exists():
        _unpack_debian(folder)
    libraries = {str(found.parent) for found in folder.glob("usr/lib/**/libluajit*")}
    tool = Tool(program, {"LD_LIBRARY_PATH": ":".join(sorted(libraries))})
    if not _runs(tool):
        raise Missing("wrk is not in the path, and Debian's package of it does not run here: install wrk")
    return tool


def _runs(tool: Tool) -> bool:
    told = subprocess.run(
        [tool.path, "-v"], env={**os.environ, **tool.environment}, stdout=subprocess.PIPE, check=False
    )
    return told.stdout.startswith(b"wrk ")


def _unpack_debian(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            [_program("apt-get"), "-qq", "-o", "APT::Sandbox::User=root", "download", *_WRK_PACKAGES],
            cwd=folder,
            check=True,
        )
        for package in folder.glob("*.deb"):
            subprocess.run([_program("dpkg"), "-x", package, folder], check=True)
    except (OSError, subprocess.CalledProcessError):
        raise Missing("wrk is not in the path, and cannot be fetched by apt-get: install wrk") from None


def _program(name: str) -> str:
    """Return where a program is; raises ``FileNotFoundError``."""
    if there := shutil.which(name):
        return there
    raise FileNotFoundError(name)


def cerbos() -> Tool:
    """Find Cerbos where it was fetched to, or fetch it from the npm registry; raises ``Missing``."""
    name = _CERBOS_FOR.get(platform.machine())
    if platform.system() != "Linux" or name is None:
        raise Missing("there is no Cerbos for this machine: measure on Linux, on x86-64 or ARM64")
    folder = CACHE / f"cerbos-{CERBOS_VERSION}"
    program = folder / "node_modules/@cerbos" / name / name
    if not program.exists():
        _install_from_npm(folder, f"@cerbos/{name}@{CERBOS_VERSION}")
    return Tool(program)


def _install_from_npm(folder: Path, package: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    npm = Path(sys.executable).parent / "npm"
    path = {"PATH": f"{npm.parent}:{os.environ['PATH']}"}
    options = ("--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    try:
        subprocess.run([npm, "install", "--prefix", folder, *options, package], env=os.environ | path, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise Missing("Cerbos cannot be fetched from the npm registry: reach one, or leave its part out") from None
