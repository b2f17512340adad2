"""Which part of Clever a URL asks, in one of a few words: the URL itself says whom."""

import re

import httpx

_PATH = re.compile(r"/(v[0-9.]+|oauth)/([a-z]+)(/[^/]+)?(/[a-z]+)?/*$")

_OF_USER = {"sections": "sections", "schools": "schools"}


def endpoint_of(url: httpx.URL | str) -> str:
    """Return ``user``, ``sections``, ``schools``, ``lookup``, ``list``, ``tokens`` or ``other``.

    The first three are the reads of one user; ``lookup`` is one record of another kind, ``list`` those of a place, and
    ``tokens`` whatever tells which districts are connected.
    """
    path = str(url).partition("?")[0]
    found = _PATH.search(path)
    if found is None:
        return "other"
    api, records, record, within = found.groups()
    if api == "oauth" or records == "districts":
        return "tokens"
    if record is None:
        return "list"
    if records == "users":
        return "user" if within is None else _OF_USER.get(within[1:], "list")
    return "lookup" if within is None else "list"
