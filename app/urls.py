"""URLs in the settings: which are valid, and to which secrets may be sent (https, or http on loopback)."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?", re.IGNORECASE)
_VERSION = re.compile(r"/v[0-9]+\.[0-9]+/*$", re.IGNORECASE)
_HIGHEST_PORT = 65535


def is_loopback(host: str) -> bool:
    """Whether a host name or address is loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(url: str) -> str:
    """Return the host of a URL; empty if it has none, or an invalid port."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    return "" if port == 0 else parts.hostname or ""


def is_safe_address(url: str) -> bool:
    """Whether a URL can be requested safely: https, or http on loopback, without user or fragment."""
    host = host_of(url) if url.isascii() and url.isprintable() and " " not in url else ""
    if not host or "@" in url or "#" in url:
        return False
    scheme = urlsplit(url).scheme
    return scheme == "https" or (scheme == "http" and is_loopback(host))


def base_url(url: str) -> str:
    """Return the base URL of an API to which secrets may be sent, without a trailing slash.

    Raises:
        ValueError: the URL is not one; the message does not repeat it.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError(_NO_BASE) from None
    is_bare = not (parsed.userinfo or parsed.query or parsed.fragment or re.search(r"[\s?#]", url))
    if parsed.scheme not in {"https", "http"} or not is_bare or not _can_be_asked(parsed):
        raise ValueError(_NO_BASE)
    if _VERSION.search(parsed.path):
        raise ValueError("this ends with a version, which is a setting of its own: leave the version out")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise ValueError("only https keeps the district token secret on its way; http is for loopback alone")
    return str(parsed).rstrip("/")


_NO_BASE = "this is not an address such as https://api.clever.com"


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
