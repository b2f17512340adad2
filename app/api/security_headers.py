"""What every answer tells a browser, and which other sites' pages may read answers."""

from collections.abc import Collection, Iterable, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from app.telemetry.current_request import Request as CurrentRequest

RawHeaders = Sequence[tuple[bytes, bytes]]


def protecting(policy: str) -> RawHeaders:
    """Return the protective headers of an answer; ``policy`` is its Content-Security-Policy."""
    return (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"content-security-policy", policy.encode()),
    )


def wire(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as they are sent (RFC 9112 section 5)."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


DATA = protecting("default-src 'none'; frame-ancestors 'none'")
"""Of an answer that is read and never shown as a page."""

_READ_BY_PAGES = ("Age", "ETag", "Retry-After", "X-Request-ID")
_SENT_BY_PAGES = ("Authorization", "Cache-Control", "Content-Type", "If-None-Match", "X-Request-ID")


def shared_with(origins: Collection[str], app: ASGIApp) -> ASGIApp:
    """Let pages of ``origins`` read the answers of ``app``; of no others, and without any only those of its own.

    What a browser asks beforehand is answered alike at every path, before any credential is looked at: it tells nothing
    but whether an origin is on the list. Cookies are never wanted: the credential is a header that a page has to know.
    """
    if not origins:
        return app
    return _Sharing(
        app,
        allow_origins=tuple(origins),
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=_SENT_BY_PAGES,
        expose_headers=_READ_BY_PAGES,
    )


def marked(headers: RawHeaders, request: CurrentRequest, protection: RawHeaders, *, by_origin: bool) -> RawHeaders:
    """Return the headers of an answer with those that each has: ids of its request, and what protects readers."""
    whole = [*headers, *request.id_headers(), *protection]
    return varied(whole, by_origin=True) if by_origin else whole


def varied(headers: Iterable[tuple[bytes, bytes]], *, by_origin: bool) -> list[tuple[bytes, bytes]]:
    """Return headers with all that an answer varies by in one line.

    Where pages of other sites may ask, that is the origin, also for who names none: a cache must not hand them that.
    """
    others, parts = [], []
    for header in headers:
        if header[0] == b"vary":
            parts += [part.strip() for part in header[1].split(b",")]
        else:
            others.append(header)
    parts += [b"Origin"] if by_origin else []
    return [*others, (b"vary", b", ".join(dict.fromkeys(parts)))] if parts else others


class _Sharing(CORSMiddleware):
    def preflight_response(self, request_headers: Headers) -> Response:
        """Tell what is allowed, which is no error where it is not what was asked for: the browser keeps to it."""
        response = super().preflight_response(request_headers)
        response.status_code = 200
        return response
