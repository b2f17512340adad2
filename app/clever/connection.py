"""How Clever is connected to: one shared pool of connections, to URLs to which secrets may be sent."""

import re
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from ipaddress import ip_address

import httpx

LIMITS = httpx.Limits(
    max_connections=100,
    # Past this many, the pool looks through all its connections for each of them, at every request.
    max_keepalive_connections=100,
    keepalive_expiry=30,
)
"""Connections; more than there are exchanges at once, since closing one takes time."""

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?", re.IGNORECASE)
_VERSION = re.compile(r"/v[0-9]+\.[0-9]+/*$", re.IGNORECASE)
_HIGHEST_PORT = 65535


def http_client() -> httpx.AsyncClient:
    """Return the one pool of connections, which has to be closed."""
    return httpx.AsyncClient(
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
