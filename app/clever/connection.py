"""How Clever is connected to and what each question to it says: secrets are sent over https, and to loopback."""

from importlib.metadata import version
from urllib.request import getproxies, proxy_bypass

import httpx

from app.clever.connections import Connections

_HEADERS = (
    (b"User-Agent", f"rosterguard/{version('rosterguard')}".encode("ascii")),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
)
_NO_BODY = httpx.ByteStream(b"")
_EXTENSIONS = {"timeout": httpx.Timeout(5, connect=2).as_dict()}


class Ways(httpx.AsyncBaseTransport):
    """The ways to Clever: direct, and for https through the proxy of the environment where it names one."""

    def __init__(self) -> None:
        """Look at the environment; what is made has to be closed, and nothing is connected yet."""
        trusted = httpx.create_ssl_context()
        proxies = getproxies()
        proxy = proxies.get("https") or proxies.get("all")
        self._direct = Connections(trusted)
        self._proxied = Connections(trusted, proxy if "://" in proxy else f"http://{proxy}") if proxy else None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Ask; raises ``httpx.HTTPError``."""
        # Plain http is for loopback. A proxy of the environment would be sent the token, in clear.
        if self._proxied is None or request.url.scheme != "https" or proxy_bypass(request.url.host):
            return await self._direct.handle_async_request(request)
        return await self._proxied.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._direct.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()


def question_of(url: httpx.URL | str, authorization: str) -> httpx.Request:
    """Return the request for what is at ``url``; raises ``httpx.InvalidURL``."""
    parsed = httpx.URL(url)
    headers = ((b"Host", parsed.netloc), *_HEADERS, (b"Authorization", authorization.encode("ascii")))
    # With a stream httpx looks for nothing that is missing among the headers, which is half of what a request costs.
    return httpx.Request("GET", parsed, headers=headers, stream=_NO_BODY, extensions=_EXTENSIONS)
