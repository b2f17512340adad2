"""Clever's paging: pages of a list sorted by id, and the links between them."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from app.sandbox.endpoints import Refusal, bad_parameter
from app.sandbox.records import Record
from app.sandbox.serialization import Link

DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 10_000

_LIMIT = re.compile(r"0*[1-9][0-9]{0,17}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list; `before` and `after` say whether it has links to the pages around it."""

    records: Sequence[Record]
    before: bool
    after: bool


def page_of(records: Sequence[Record], parameters: Mapping[str, str]) -> Page:
    """Return the page that the parameters ask for.

    As at Clever, a page reached from one side always has a link back, even if nothing is left there.
    """
    limit, (after, before) = _limit(parameters), _cursors(parameters)
    if before is not None:
        end = bisect_left(records, before, key=_id_of)
        start = max(end - limit, 0)
        return Page(records[start:end], before=start > 0, after=True)
    start = bisect_right(records, after, key=_id_of) if after is not None else 0
    end = start + limit
    return Page(records[start:end], before=after is not None, after=end < len(records))


def page_links(path: str, parameters: Mapping[str, str], page: Page) -> list[Link]:
    """Return the links `self`, `next` and `prev`; an empty page has only `self`."""
    links = [{"rel": "self", "uri": _with(path, parameters)}]
    others = {name: value for name, value in parameters.items() if name not in ("starting_after", "ending_before")}
    if page.records and page.after:
        links.append({"rel": "next", "uri": _with(path, others | {"starting_after": page.records[-1].id})})
    if page.records and page.before:
        links.append({"rel": "prev", "uri": _with(path, others | {"ending_before": page.records[0].id})})
    return links


def _id_of(record: Record) -> str:
    return record.id


def _with(path: str, parameters: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _limit(parameters: Mapping[str, str]) -> int:
    asked = parameters.get("limit", f"{DEFAULT_LIMIT}")
    if not _LIMIT.fullmatch(asked):
        raise bad_parameter("limit")
    if int(asked) > HIGHEST_LIMIT:
        raise Refusal(413, f"limit must be at most {HIGHEST_LIMIT}")
    return int(asked)


def _cursors(parameters: Mapping[str, str]) -> tuple[str | None, str | None]:
    cursors = {name: parameters.get(name) for name in ("starting_after", "ending_before")}
    for name, value in cursors.items():
        if value is not None and not _ID.fullmatch(value):
            raise bad_parameter(name)
    if None not in cursors.values():
        raise Refusal(400, "starting_after and ending_before exclude each other")
    return cursors["starting_after"], cursors["ending_before"]
