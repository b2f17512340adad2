"""The reference: the OpenAPI document, and its page, which needs no network."""

import hashlib
import re
from base64 import b64encode
from functools import cache, partial

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from app.api.document import document_of
from app.api.headers import RawHeaders, protecting

PATH = "/docs"
ASSETS = "/docs/assets"


def install(app: FastAPI) -> None:
    """Serve the document, and its page with scripts and styles of our own host."""
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]), name="reference-assets")
    # FastAPI's own way to change the document, which is made when it is first asked for.
    app.openapi = cache(partial(document_of, app))  # type: ignore[method-assign]

    @app.get(PATH, include_in_schema=False)
    async def reference() -> HTMLResponse:
        return _page()


def protection() -> RawHeaders:
    """Return the headers of the page: it may run its own scripts and no others, and ask nobody but us.

    The reference styles what it shows piece by piece, and has its small pictures in its style sheet.
    """
    [script] = re.findall(r"<script>(.*?)</script>", bytes(_page().body).decode(), re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return protecting(
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _page() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Rosterguard",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
        # Its own default shows a badge of a site to which it tells where this document is.
        swagger_ui_parameters={"validatorUrl": None},
    )
