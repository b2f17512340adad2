"""Addresses that the settings name: what can be asked at all, and where secrets may be sent: https, and loopback."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?", re.IGNORECASE)
_VERSION = re.compile(r"/v[0-9]+\.[0-9]+/*$", re.IGNORECASE)
_HIGHEST_PORT = 65535


def is_loopback(host: str) -> bool:
    """Tell whether ``host``, a name or an address, is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_of(url: str) -> str:
    """Return the host of an address, or nothing where it has none or a port that is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    return "" if port == 0 else parts.hostname or ""


def is_safe_address(url: str) -> bool:
    """Tell whether ``url`` is https, or http on loopback, and is nothing but an address that can be asked."""
    host = host_of(url) if url.isascii() and url.isprintable() and " " not in url else ""
    if not host or "@" in url or "#" in url:
        return False
    scheme = urlsplit(url).scheme
    return scheme == "https" or (scheme == "http" and is_loopback(host))


def base_url(url: str) -> str:
    """Return an address of Clever's below which secrets may be sent, without a slash at its end.

    Raises:
        ValueError: any other address; the message does not repeat it.
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
