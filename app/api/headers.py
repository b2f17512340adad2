"""What every answer tells a browser, and which other sites' pages may read answers."""

from collections.abc import Collection, Mapping

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = tuple[tuple[bytes, bytes], ...]


def protecting(policy: str) -> RawHeaders:
    """Return the headers of an answer that a browser is to treat by ``policy``, a Content-Security-Policy."""
    return (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", policy.encode()),
    )


DATA = protecting("default-src 'none'; frame-ancestors 'none'")
"""Of an answer that is read and never shown as a page."""


class Protected:
    """Puts the headers that protect whoever reads it with a browser on every answer, the errors included."""

    def __init__(self, app: ASGIApp, pages: Mapping[str, RawHeaders]) -> None:
        """Wrap ``app``; ``pages`` are the paths that are meant to be shown, with the headers of each."""
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        protection = self._pages.get(scope["path"], DATA)

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *protection]
            await send(message)

        await self._app(scope, receive, protected)


_READ_BY_PAGES = ("Age", "ETag", "Retry-After", "X-Request-ID")
_SENT_BY_PAGES = ("Authorization", "Cache-Control", "Content-Type", "If-None-Match", "X-Request-ID")


def shared_with(origins: Collection[str], app: ASGIApp) -> ASGIApp:
    """Let pages of ``origins`` read the answers of ``app``; of no others, and without any only those of its own.

    What a browser asks beforehand is answered alike at every path, before any credential is looked at: it tells nothing
    but whether an origin is on the list. Cookies are never wanted: the credential is a header that a page has to know.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=tuple(origins),
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=_SENT_BY_PAGES,
        expose_headers=_READ_BY_PAGES,
    )
