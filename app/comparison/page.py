"""A comparison as one HTML page that a person can look through, without a network and without any other file."""

import base64
import hashlib
from importlib import resources
from typing import TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined

from app import comparison as here
from app.comparison.differences import Comparison, Reason
from app.comparison.tables import plain, summary


def write_page(comparison: Comparison, out: TextIO) -> None:
    """Write the page: a table by loss, with filters and counts.

    The page may run its own script and no other, and may load nothing: its Content-Security-Policy names the hashes of
    script and style. The data are JSON in which no text can end the element around it.
    """
    script, style = _file("page.js"), _file("page.css")
    environment = Environment(
        loader=PackageLoader("app.comparison", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    stream = environment.get_template("page.html").stream(
        comparison=comparison,
        summary=summary(comparison),
        reasons=[(reason.value, _IN_WORDS[reason]) for reason in Reason],
        differences=map(plain, comparison.differences),
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
    )
    stream.enable_buffering(100)
    out.writelines(stream)


_IN_WORDS = {
    Reason.POLICY: "the policy",
    Reason.MERGED_ROLE: "a merged role",
    Reason.SUPERSET: "the superset rule",
    Reason.ROLE_GONE: "a role that is gone",
    Reason.PLACE_NEW: "a new school, section or student",
    Reason.PLACE_GONE: "a school, section or student that is gone",
    Reason.ROLE_FIELDS: "a field of the role",
}


def _file(name: str) -> str:
    return resources.files(here).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
