"""The page of a comparison, opened in a real browser and gone through by keyboard."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.comparison.differences import Difference
from app.comparison.page import write_page
from tests.comparison.comparisons import HOSTILE, district

BROWSER = Path(__file__).parents[1] / "browser"
NODE = Path(sys.executable).with_name("node")
DOES_NOT_RUN = 3
USERS = 10_000


def is_filtered(difference: Difference) -> bool:
    return "teacher" in difference.roles and difference.gained[0].schools == ("school-of-gained-9",)


def gone_through(page: Path) -> Any:
    """Return what the browser saw, or skip where none runs and none is required."""
    command = [str(NODE), str(BROWSER / "comparison_page.mjs"), page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    if done.returncode == DOES_NOT_RUN and not os.environ.get("REQUIRE_BROWSER"):
        pytest.skip(f"the Chromium of @sparticuz/chromium does not run here: the page is NOT tried. {done.stderr}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_person_looks_through_twenty_thousand_changes_by_keyboard(tmp_path: Path) -> None:
    shown, page = district(USERS), tmp_path / "page.html"
    with page.open("w", encoding="utf-8") as out:
        write_page(shown, out)
    seen = gone_through(page)

    assert (seen["requests"], seen["errors"]) == ([page.as_uri()], [])
    assert (seen["heading"], seen["before"]) == ("Who gains and who loses", HOSTILE)
    by_loss = [each.user for each in shown.differences[:25] for _ in ("lost", "gained")]
    assert (seen["opened"]["users"], seen["opened"]["page"]) == (by_loss, "Page 1 of 400")
    assert seen["opened"]["counts"] == (
        "20000 of 20000 changes: 10000 users or accounts lose something, 10000 gain something."
    )
    teachers = [str(each.user) for each in shown.differences if "teacher" in each.roles]
    assert seen["teachers"]["users"] == [user for user in teachers[:25] for _ in ("lost", "gained")]
    at_one_school = [str(each.user) for each in shown.differences if is_filtered(each)]
    assert (seen["filtered"]["users"], seen["filtered"]["changes"]) == (at_one_school[:50], ["gained"])
    second = [each.user for each in shown.differences[25:50] for _ in ("lost", "gained")]
    assert (seen["turned"]["users"], seen["turned"]["page"]) == (second, "Page 2 of 400")
    assert seen["searched"]["users"] == ["user-4242", "user-4242"]
    assert seen["violations"] == {"light": [], "dark": []}
    assert seen["overflow"] == 0


def test_no_text_ends_the_script_and_the_page_may_load_nothing() -> None:
    out = io.StringIO()
    write_page(district(3), out)
    page = out.getvalue()
    assert page.count("</script>") == page.count("<script") == 2
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert re.sub(r"sha256-[^']+", "…", policy) == (
        "default-src 'none'; script-src '…'; style-src '…'; base-uri 'none'; form-action 'none'"
    )
    assert re.findall(r"(?:src|href)=", page) == []
