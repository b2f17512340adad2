"""The reference: the OpenAPI document, and its page, which needs no network."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.api import problems

ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve the reference page with scripts and styles of our own host, and describe problems as what they are."""
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="reference-assets")
    document = openapi_of(app)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to change the document

    @app.get("/docs", include_in_schema=False)
    async def reference() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Rosterguard",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
        )


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of ``app``: errors are problems, and the open paths need no credential."""
    document: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info=app.license_info,
    )
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                schema = response.get("content", {}).get("application/json", {}).get("schema", {})
                if schema.get("$ref", "").rpartition("/")[2] in problems.SCHEMAS:
                    response["content"] = {problems.MEDIA_TYPE: {"schema": schema}}
    return document
