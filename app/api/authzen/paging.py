"""Pages of results (AuthZEN section 8.2): what a token holds, and that it goes with no other question.

A token says after which result to go on, so that no result comes twice or is lost when others come and go between two
pages. It is no right by itself: every page is searched anew for whoever asks.
"""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from app.api.authzen.requests import PageRequest
from app.api.errors import Refused

DEFAULT_SIZE = 1_000
MOST_SIZE = 10_000

_MAC_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the results, of how many there are in all, and the token for the next; empty on the last page."""

    results: Sequence[str]
    total: int
    next_token: str


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a page begins: after which result, None for the first; what was asked of pages when they were begun."""

    after: str | None
    limit: int | None
    properties: str


@dataclass(frozen=True, slots=True)
class Pager:
    """Cuts the results of one question into pages.

    Attributes:
        key: what tokens are authenticated by; as long as it is the same they hold.
        question: all that a token is bound to: question, caller and policy.
    """

    key: bytes
    question: bytes

    def page(self, found: Sequence[str], asked: PageRequest) -> Page:
        """Return the page of ``found``, which is sorted, that is asked for; raises ``Refused`` for a bad token."""
        start = self._start(asked)
        size = min(DEFAULT_SIZE if start.limit is None else start.limit, MOST_SIZE)
        begin = 0 if start.after is None else bisect_right(found, start.after)
        results = found[begin : begin + size]
        # A token beside no results would lead nowhere: whoever asks for none, which section 8.2.1 allows, gets a total.
        if not results or begin + size >= len(found):
            return Page(results, len(found), "")
        return Page(results, len(found), self._token(_Start(results[-1], start.limit, start.properties)))

    def _start(self, asked: PageRequest) -> _Start:
        properties = _digest(asked.properties)
        if not asked.token:
            return _Start(None, asked.limit, properties)
        start = self._start_in(asked.token)
        if asked.limit not in {None, start.limit}:
            raise Refused("page.limit is not that of the request which the token comes from")
        if asked.properties is not None and properties != start.properties:
            raise Refused("page.properties are not those of the request which the token comes from")
        return start

    def _token(self, start: _Start) -> str:
        payload = json.dumps([start.after, start.limit, start.properties]).encode()
        return b64encode(self._mac(payload) + payload, b"-_").decode()

    def _start_in(self, token: str) -> _Start:
        try:
            issued = b64decode(token, b"-_", validate=True)
        except ValueError as error:
            raise _not_ours() from error
        mac, payload = issued[:_MAC_BYTES], issued[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise _not_ours()
        return _Start(*json.loads(payload))

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self.key, hashlib.sha256(self.question).digest() + payload, "sha256")


def key_from(secret: bytes) -> bytes:
    """Derive the key of page tokens from the secret of the deployment."""
    return hmac.digest(secret, b"page-tokens", "sha256")


def canonical(said: object) -> bytes:
    """Return what was said, as JSON, in the one form in which equal things are equal bytes."""
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _digest(properties: dict[str, object] | None) -> str:
    return hashlib.sha256(canonical(properties)).hexdigest()[:16]


def _not_ours() -> Refused:
    return Refused("page.token is not one that this service gave for this question")
