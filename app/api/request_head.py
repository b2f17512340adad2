"""The head of a request: which target, which host and which sizes are accepted, whatever server has read it."""

import re

from app.api.errors import BROKEN_HTTP, FOREIGN_HOST, HEAD_TOO_LARGE, PATH_TOO_LONG, Problem
from app.api.security_headers import RawHeaders
from app.urls import host_of, is_loopback

MOST_HEAD_BYTES = 16 * 1024
"""Of the target and all headers."""

MOST_TARGET_BYTES = 8 * 1024
"""Of path and query."""

_AROUND_HEADER = len(b": \r\n")

_CHARACTERS = rb"[A-Za-z0-9._~!$&'()*+,;=-]*"
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|%b(?:%%[0-9A-Fa-f]{2}%b)*)(?::[0-9]*)?[ \t]*" % (_CHARACTERS, _CHARACTERS))
"""A name or an address, and a port (RFC 3986 section 3.2)."""

_ORIGIN = re.compile(rb"https?://([^/?]*)", re.IGNORECASE)
"""What a target begins with that names the host as well (RFC 9112 section 3.2.2)."""

_PATH = re.compile(rb"/[!-\"$-~]*")
"""Path and query, without a fragment, which is for the caller alone (RFC 9112 section 3.2.1)."""

_VERSIONS = frozenset({"1.0", "1.1", "2", "3"})


def problem_of_head(
    method: bytes, target: bytes, version: str, headers: RawHeaders, *, loopback_only: bool
) -> Problem | None:
    """Return why a request is refused before anybody looks at what it asks, None where it is not.

    Args:
        method: as it came.
        target: as it came: path and query, or an absolute URL (RFC 9112 section 3.2).
        version: of HTTP, as ASGI has it: `1.0`, `1.1`, `2` or `3`.
        headers: names in lower case.
        loopback_only: whether the host has to be a name of this machine. A page can have its own name lead here (DNS
            rebinding), so where no key is asked for, the name is.
    """
    if len(target) > MOST_TARGET_BYTES:
        return PATH_TOO_LONG
    size, hosts = len(target) + _AROUND_HEADER * len(headers), []
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"host":
            hosts.append(value)
    if size > MOST_HEAD_BYTES:
        return HEAD_TOO_LARGE
    host = _host(method, target, version, hosts)
    if host is None:
        return BROKEN_HTTP
    if loopback_only and not is_loopback(host_of(f"//{host.decode('ascii').strip()}")):
        return FOREIGN_HOST
    return None


def in_origin_form(target: bytes, headers: RawHeaders) -> tuple[bytes, RawHeaders]:
    """Return target and headers with the host of an absolute URL as the header `Host`: it counts, whatever that said.

    The head must be one in which there is no problem.
    """
    origin = _ORIGIN.match(target)
    if origin is None:
        return target, headers
    others = (header for header in headers if header[0] != b"host")
    return _path_after(origin[0], target), [(b"host", origin[1]), *others]


def path_of(target: bytes) -> str:
    """Return the path of any target, also of one that is refused."""
    return _ORIGIN.sub(b"", target, count=1).partition(b"?")[0].decode("latin-1")


def _host(method: bytes, target: bytes, version: str, hosts: list[bytes]) -> bytes | None:
    """Return which host is meant, None where that or the path is not said as it must be."""
    if not hosts and version == "1.0":
        hosts = [b""]
    if version not in _VERSIONS or len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return None
    host, path = hosts[0], target
    if not target.startswith(b"/") and (origin := _ORIGIN.match(target)):
        host, path = origin[1], _path_after(origin[0], target)
        if not host or host.startswith(b":") or not _HOST.fullmatch(host):
            return None
    if _PATH.fullmatch(path):
        return None if method == b"CONNECT" else host
    return host if (method, path) == (b"OPTIONS", b"*") else None


def _path_after(origin: bytes, target: bytes) -> bytes:
    path = target[len(origin) :]
    return path if path.startswith(b"/") else b"/" + path
