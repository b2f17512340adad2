"""The standard's metadata (AuthZEN section 9): where this service is, as it was told; never by Host."""

import hashlib
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.authzen.evaluation import EVALUATION_PATH, EVALUATIONS_PATH
from app.api.authzen.openapi import messages
from app.api.errors import CONFIGURATION_PATH, Refused
from app.api.http_caching import has

KEPT_SECONDS = 3600

_PATHS: Mapping[str, str] = {
    "access_evaluation_endpoint": EVALUATION_PATH,
    "access_evaluations_endpoint": EVALUATIONS_PATH,
    "search_subject_endpoint": "/access/v1/search/subject",
    "search_resource_endpoint": "/access/v1/search/resource",
    "search_action_endpoint": "/access/v1/search/action",
}


class AuthzenConfiguration(BaseModel):
    """Where this service is, and each of its endpoints."""

    model_config = ConfigDict(frozen=True)

    policy_decision_point: Annotated[str, Field(description="The identifier of this service.")]
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str


def router_for(public_url: str | None) -> APIRouter:
    """Return the route of the document, and a second one where the URL has a path, which comes last in the standard."""
    router = APIRouter(tags=["authzen"])
    body = None if public_url is None else _configuration(public_url).model_dump_json().encode()

    @router.get(
        CONFIGURATION_PATH,
        operation_id="getAuthzenConfiguration",
        summary="Where the endpoints of the standard are",
        response_model=AuthzenConfiguration,
        responses={304: {"description": "Not modified"}, **messages(404)},
    )
    async def get_authzen_configuration(request: Request) -> Response:
        """Tell where the endpoints of OpenID AuthZEN are; it needs no credential, and may be kept for an hour."""
        if body is None:
            raise Refused("this service does not know its public URL: ROSTERGUARD_PUBLIC_URL is not set", 404)
        return _kept_response(request, body)

    if public_url is not None and (path := urlsplit(public_url).path.rstrip("/")):
        router.get(CONFIGURATION_PATH + path, include_in_schema=False)(get_authzen_configuration)
    return router


def _configuration(public_url: str) -> AuthzenConfiguration:
    base = public_url.rstrip("/")
    endpoints = {name: base + path for name, path in _PATHS.items()}
    return AuthzenConfiguration(policy_decision_point=public_url, **endpoints)


def _kept_response(request: Request, body: bytes) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"Cache-Control": f"public, max-age={KEPT_SECONDS}", "ETag": tag}
    if has(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
