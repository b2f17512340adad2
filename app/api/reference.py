"""The reference: the OpenAPI document, and its page, which needs no network."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.api.document import document_of

ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve the document, and its page with scripts and styles of our own host."""
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="reference-assets")
    document = document_of(app)
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
