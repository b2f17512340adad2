"""The standard's searches: who, what and which resources (AuthZEN section 8), in pages where there is much."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.authentication import CurrentCaller
from app.api.authzen.openapi import ERRORS, asks
from app.api.authzen.paging import DEFAULT_SIZE, Page, Pager, canonical, key_from
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
    FoundSubject,
    PageBody,
    ResourceResults,
    SubjectResults,
    search_context,
)
from app.api.dependencies import CurrentDecisionPoint, no_parameters
from app.api.http_caching import BatchFreshness, unkept_response
from app.api.strict_json import Said
from app.domain.callers import Caller
from app.services import search
from app.services.decision_point import DecisionPoint

router = APIRouter(
    prefix="/access/v1/search", tags=["authzen"], responses=ERRORS, dependencies=[Depends(no_parameters)]
)


@dataclass(frozen=True, slots=True)
class _Asker:
    pdp: DecisionPoint
    caller: Caller

    def page(self, found: list[str], asked: QuestionRequest, page: PageRequest | None) -> tuple[Page, PageBody | None]:
        """Return a page of ``found``, and what to say of it; nothing where it is all and no page was asked for."""
        asked_for = {key: said for key, said in msgspec.to_builtins(asked).items() if key != "page"}
        question = [type(asked).__name__, asked_for]
        bound_to = canonical([question, self.caller.digest.hex(), self.pdp.policy.revision])
        part = Pager(key_from(self.pdp.secret), bound_to).page(found, page or PageRequest())
        if page is None and len(found) <= DEFAULT_SIZE:
            return part, None
        return part, PageBody(next_token=part.next_token, count=len(part.results), total=part.total)


async def _asker(pdp: CurrentDecisionPoint, caller: CurrentCaller) -> _Asker:
    return _Asker(pdp, caller)


Asker = Annotated[_Asker, Depends(_asker)]


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
    part, page = asker.page(found.results, asked, asked.page)
    results = [FoundSubject(type=asked.subject.type, id=each) for each in part.results]
    answer = SubjectResults(page=page, context=search_context(asker.pdp, found.stale), results=results)
    return unkept_response(answer.rendered())


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
