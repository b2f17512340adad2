"""How Clever is connected to and what each question to it says: secrets are sent over https, and to loopback."""

import re
from importlib.metadata import version
from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

import httpx

from app.clever.pools import Pools

_HEADERS = (
    (b"User-Agent", f"rosterguard/{version('rosterguard')}".encode("ascii")),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
)
_NO_BODY = httpx.ByteStream(b"")
_EXTENSIONS = {"timeout": httpx.Timeout(5, connect=2).as_dict()}

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?", re.IGNORECASE)
_VERSION = re.compile(r"/v[0-9]+\.[0-9]+/*$", re.IGNORECASE)
_HIGHEST_PORT = 65535


class Ways(httpx.AsyncBaseTransport):
    """The ways to Clever: direct, and for https through the proxy of the environment where it names one."""

    def __init__(self) -> None:
        """Look at the environment; what is made has to be closed, and nothing is connected yet."""
        trusted = httpx.create_ssl_context()
        proxies = getproxies()
        proxy = proxies.get("https") or proxies.get("all")
        self._direct = Pools(trusted)
        self._proxied = Pools(trusted, proxy if "://" in proxy else f"http://{proxy}") if proxy else None

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


def safe_url(url: str) -> str:
    """Return a base URL to which secrets may be sent, without a slash at its end; any other raises ``ValueError``."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError("the URL of Clever is no URL") from error
    if not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("the URL of Clever has a host and perhaps a path, and nothing else")
    if re.search(r"\s", url) or not _can_be_asked(parsed):
        raise ValueError("the URL of Clever names a host or port that cannot be one, or has spaces in it")
    if _VERSION.search(parsed.path):
        raise ValueError("the URL of Clever ends with a version, which is a setting of its own: leave the version out")
    if parsed.scheme != "https" and not (parsed.scheme == "http" and _is_loopback(parsed.host)):
        raise ValueError("the URL of Clever has to be https, but on loopback")
    return str(parsed).rstrip("/")


def _can_be_asked(url: httpx.URL) -> bool:
    if url.port is not None and not 1 <= url.port <= _HIGHEST_PORT:
        return False
    return _is_address(url.host) or _NAME.fullmatch(url.raw_host.decode("ascii")) is not None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
