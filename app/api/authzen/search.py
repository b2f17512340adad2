"""The standard's searches: who, what and which resources (AuthZEN section 8), in pages where there is much."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.authentication import CurrentCaller
from app.api.authzen.openapi import ERRORS, asks
from app.api.authzen.requests import (
    ActionSearchRequest,
    PageRequest,
    QuestionRequest,
    ResourceSearchRequest,
    SubjectSearchRequest,
    question_of,
    read_as,
)
from app.api.authzen.responses import (
    ActionResults,
    FoundAction,
    FoundResource,
    PageBody,
    ResourceResults,
    SubjectResults,
    search_context,
)
from app.api.dependencies import CurrentDecisionPoint, no_parameters
from app.api.errors import Refused
from app.api.http_caching import BatchFreshness, unkept_response
from app.api.strict_json import Said
from app.domain.callers import Caller
from app.services import search
from app.services.decision_point import DecisionPoint

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
    """Cuts the results of one question into pages (section 8.2).

    A token says after which result to go on, so that no result comes twice or is lost when others come and go between
    two pages. It is no right by itself: every page is searched anew for whoever asks.

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


router = APIRouter(
    prefix="/access/v1/search", tags=["authzen"], responses=ERRORS, dependencies=[Depends(no_parameters)]
)


@dataclass(frozen=True, slots=True)
class _Asker:
    pdp: DecisionPoint
    caller: Caller

    def page(self, found: list[str], asked: QuestionRequest, page: PageRequest | None) -> tuple[Page, PageBody | None]:
        """Return a page of ``found``, and what to say of it; nothing where it is all and no page was asked for."""
        if page is None and len(found) <= DEFAULT_SIZE:
            return Page(found, len(found), ""), None
        asked_for = {key: said for key, said in msgspec.to_builtins(asked).items() if key != "page"}
        question = [type(asked).__name__, asked_for]
        bound_to = canonical([question, self.caller.digest.hex(), self.pdp.policy.revision])
        part = Pager(key_from(self.pdp.secret), bound_to).page(found, page or PageRequest())
        return part, PageBody(next_token=part.next_token, count=len(part.results), total=part.total)


async def _asker(pdp: CurrentDecisionPoint, caller: CurrentCaller) -> _Asker:
    return _Asker(pdp, caller)


Asker = Annotated[_Asker, Depends(_asker)]


SUBJECTS_PATH = f"{router.prefix}/subject"


@router.post(
    "/subject",
    operation_id="searchSubjects",
    summary="Who may do this to that resource",
    response_model=SubjectResults,
    openapi_extra=asks(SubjectSearchRequest),
)
async def search_subjects(asker: Asker, freshness: BatchFreshness, said: Said) -> Response:
    """Tell which users may do something to a resource, by id; each is one that an evaluation would permit.

    Where several districts are connected, `resource.properties.district` names the one to ask.
    """
    asked = read_as(SubjectSearchRequest, said)
    found = await search.subjects(asker.pdp, question_of(asked), freshness)
    return unkept_response(rendered_subjects(asker.pdp, asker.caller, asked, found))


def rendered_subjects(pdp: DecisionPoint, caller: Caller, asked: SubjectSearchRequest, found: search.Found) -> bytes:
    """Return the users that were found as the body of an answer; raises ``Refused`` for a bad page token."""
    part, page = _Asker(pdp, caller).page(found.results, asked, asked.page)
    results = [{"type": asked.subject.type, "id": each} for each in part.results]
    answer = SubjectResults(page=page, context=search_context(pdp, found.stale), results=()).rendered()
    # To make models of a thousand results takes longer than to find them.
    return answer.removesuffix(b"[]}") + msgspec.json.encode(results) + b"}"


@router.post(
    "/resource",
    operation_id="searchResources",
    summary="To which resources may this subject do this",
    response_model=ResourceResults,
    openapi_extra=asks(ResourceSearchRequest),
)
async def search_resources(asker: Asker, freshness: BatchFreshness, said: Said) -> Response:
    """Tell to which resources of a type a user may do something, by id, through schools and district too.

    Types of the application's own cannot be enumerated: there are no results.
    """
    asked = read_as(ResourceSearchRequest, said)
    found = await search.resources(asker.pdp, question_of(asked), freshness)
    part, page = asker.page(found.results, asked, asked.page)
    results = [FoundResource(type=asked.resource.type, id=each) for each in part.results]
    answer = ResourceResults(page=page, context=search_context(asker.pdp, found.stale), results=results)
    return unkept_response(answer.rendered())


@router.post(
    "/action",
    operation_id="searchActions",
    summary="What may this subject do to that resource",
    response_model=ActionResults,
    openapi_extra=asks(ActionSearchRequest),
)
async def search_actions(asker: Asker, freshness: BatchFreshness, said: Said) -> Response:
    """Tell what a user may do to a resource, by name as an evaluation takes it."""
    asked = read_as(ActionSearchRequest, said)
    found = await search.actions(asker.pdp, question_of(asked), freshness)
    part, page = asker.page(found.results, asked, asked.page)
    results = [FoundAction(name=each) for each in part.results]
    answer = ActionResults(page=page, context=search_context(asker.pdp, found.stale), results=results)
    return unkept_response(answer.rendered())
