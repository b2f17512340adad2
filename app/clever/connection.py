"""How Clever is connected to: shared pools of connections, to URLs to which secrets may be sent."""

import re
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from ipaddress import ip_address

import httpx

POOLS = 8
LIMITS = httpx.Limits(max_connections=16, max_keepalive_connections=16, keepalive_expiry=30)
"""Connections of one pool; of all of them more than there are exchanges at once, since closing one takes time."""

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?", re.IGNORECASE)
_VERSION = re.compile(r"/v[0-9]+\.[0-9]+/*$", re.IGNORECASE)
_HIGHEST_PORT = 65535


class Pools:
    """Several pools of connections, of which the least busy is asked.

    A pool looks through its connections for each that idles, twice a request: with 96 of them in one pool an exchange
    costs several times what it costs with 12 in each of eight.
    """

    def __init__(self, number: int = POOLS) -> None:
        """Make the pools, which have to be closed; nothing is connected yet."""
        trusted = httpx.create_ssl_context()
        self._clients = [http_client(trusted) for _ in range(number)]
        self._busy = [0] * number

    @asynccontextmanager
    async def stream(
        self, method: str, url: httpx.URL | str, *, headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        """Ask, and yield the answer while it is read."""
        place = min(range(len(self._busy)), key=self._busy.__getitem__)
        self._busy[place] += 1
        try:
            async with self._clients[place].stream(method, url, headers=headers) as response:
                yield response
        finally:
            self._busy[place] -= 1

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.aclose()


def http_client(verify: ssl.SSLContext | bool = True) -> httpx.AsyncClient:  # noqa: FBT001, FBT002 -- httpx's own
    """Return a pool of connections, which has to be closed."""
    return httpx.AsyncClient(
        verify=verify,
        headers={
            "User-Agent": f"rosterguard/{version('rosterguard')}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        },
        timeout=httpx.Timeout(5, connect=2),
        limits=LIMITS,
        # Plain http is for loopback. A proxy of the environment would be sent the token, in clear.
        mounts={"http://": httpx.AsyncHTTPTransport(limits=LIMITS)},
        # A cookie of one district's answer has no business in the next request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


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
