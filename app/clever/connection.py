"""How Clever is connected to: one shared pool of connections, to URLs to which secrets may be sent."""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from ipaddress import ip_address

import httpx


def http_client() -> httpx.AsyncClient:
    """Return the one pool of connections, which has to be closed."""
    return httpx.AsyncClient(
        headers={"User-Agent": f"rosterguard/{version('rosterguard')}", "Accept": "application/json"},
        timeout=httpx.Timeout(5, connect=2),
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=50, keepalive_expiry=30),
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
    if parsed.scheme != "https" and not (parsed.scheme == "http" and _is_loopback(parsed.host)):
        raise ValueError("the URL of Clever has to be https, but on loopback")
    return str(parsed).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
