"""The figures of a run: on which machine, with what, and what was reached; as Markdown and as JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from tests.bench.tools import CERBOS_VERSION
from tests.chaos.report import Figure, table

_LIBRARIES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "orjson", "cachetools", "httpx")

_PREFACE = """\
# What was measured

`make bench` measured this on {machine}, on {day}, with Python {python}: {libraries}, Cerbos {cerbos}.
Servers have one core and wrk the other, with 32 connections. Of a pair, each slice is followed by one of the other, and
a ratio is the median over rounds; a rate is the median of its slices. Times in process are the best of several repeats.
Believe the ratios, and measure the rest where you need it.
"""


@dataclass(frozen=True)
class Part:
    """Something that was measured."""

    name: str
    title: str
    figures: Sequence[Figure]


def machine() -> str:
    """Return what kind of machine this is."""
    return f"{_processor()} ({platform.machine()}, {os.cpu_count()} cores, {platform.system()})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "a processor"
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "a processor")


def _versions() -> Mapping[str, str]:
    return {library: version(library) for library in _LIBRARIES}


def as_markdown(parts: Sequence[Part], day: date) -> str:
    """Return a page of what was measured."""
    preface = _PREFACE.format(
        machine=machine(),
        day=day.isoformat(),
        python=platform.python_version(),
        libraries=", ".join(f"{name} {number}" for name, number in _versions().items()),
        cerbos=CERBOS_VERSION,
    )
    return "\n".join((preface, *(f"{table(part.title, part.figures)}\n" for part in parts)))


def as_json(parts: Sequence[Part], day: date) -> str:
    """Return the same for programs; ``met`` is null for what is only reported."""
    said = {
        "date": day.isoformat(),
        "machine": machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {**_versions(), "cerbos": CERBOS_VERSION},
        "figures": {part.name: [_said(figure) for figure in part.figures] for part in parts},
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _said(figure: Figure) -> Mapping[str, object]:
    number = None if figure.number is None else float(f"{figure.number:.4g}")
    return {
        "what": figure.what,
        "reached": number,
        "wanted": figure.wanted or None,
        "met": figure.met if figure.wanted else None,
    }
