import json
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.tools import Missing
from tests.chaos.report import Figure, at_least, told

DAY = date(2026, 11, 30)


def broken() -> Iterator[Figure]:
    yield told("before", 1)
    raise subprocess.CalledProcessError(2, "uv", stderr="error: something\n  Caused by: no such wheel | 503\n")


def missed() -> Iterator[Figure]:
    yield at_least("ours / bare", 0.3, 0.4)


def unfetched() -> Iterator[Figure]:
    raise Missing("install wrk")


PARTS = {"broken": ("Broken", broken), "unfetched": ("Unfetched", unfetched), "missed": ("Missed", missed)}


def test_a_part_that_fails_keeps_what_it_measured_and_takes_no_other_along(tmp_path: Path) -> None:
    assert bench.main([], DAY, into=tmp_path, parts=PARTS) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert [figure["what"] for figure in figures["broken"]] == ["before", "the rest of this part"]
    assert [figure["reached"] for figure in figures["missed"]] == [0.3]
    page = (tmp_path / "figures.md").read_text()
    assert "| the rest of this part | not measured: Caused by: no such wheel / 503 |" in page
    assert "| the rest of this part | not measured: install wrk |" in page


def test_a_missed_limit_fails_the_run_only_where_that_is_asked_for(tmp_path: Path) -> None:
    assert bench.main(["missed"], DAY, into=tmp_path, parts=PARTS) == 0
    assert bench.main(["missed"], DAY, strict=True, into=tmp_path, parts=PARTS) == 1
    assert bench.main(["unfetched"], DAY, strict=True, into=tmp_path, parts=PARTS) == 0
    assert not list(tmp_path.iterdir())


def test_a_part_that_does_not_exist_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["hto"], DAY, parts=PARTS) == 2
    assert "there is no part hto" in capsys.readouterr().err
