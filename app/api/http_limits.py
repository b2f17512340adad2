"""Connections: how large the head of a request may be, and how long its caller may take over anything.

uvicorn bounds neither. What is relied upon beyond its documented surface is what stands in `HttpToolsProtocol`: the
parser and its callbacks, and what a cycle, one request and its answer, says of itself.
"""

import re
from asyncio import TimerHandle, Transport
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from httptools import HttpParserError, HttpParserInvalidURLError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import telemetry
from app.api.errors import BROKEN_HTTP, FOREIGN_HOST, HEAD_TOO_LARGE, PATH_TOO_LONG, TOO_SLOW, Problem, problem_response
from app.api.security_headers import DATA, varied, wire
from app.telemetry.current_request import request_of
from app.urls import host_of, is_loopback

MOST_HEAD_BYTES = 16 * 1024
"""Of the request line and all headers; also of what surrounds a body in chunks, such as trailers."""

MOST_TARGET_BYTES = 8 * 1024
"""Of path and query."""

LEAST_TAKEN_BYTES = 64 * 1024
"""What a caller takes of a waiting answer each time, unless it is less that is left."""

_AROUND_HEADER = len(b": \r\n")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(:[0-9]*)?")
"""A name or an address, and a port (RFC 3986 section 3.2)."""

_SITE = re.compile(rb"https?://([^/?]*)", re.IGNORECASE)
"""What a target begins with that names the host as well (RFC 9112 section 3.2.2)."""

_PATH = re.compile(rb"/[!-\"$-~]*")
"""Path and query, without a fragment, which is for the caller alone (RFC 9112 section 3.2.1)."""

_VERSIONS = frozenset({"1.0", "1.1"})
_OTHER_PROTOCOL = rb"%b +%b +(RTSP|ICE)/"
"""A request line that the parser takes for one of HTTP."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a caller may take, in seconds.

    Attributes:
        head: from the first byte of a request, or from connecting, to the end of its head.
        body: from there to the end of its body.
        taking: over each part of an answer.
        parting: to read why the connection ends, before it does.
    """

    head: float = 5
    body: float = 10
    taking: float = 20
    parting: float = 2


class _Unreadable(Exception):
    """Ends the parser's work; the connection knows why."""


class Connection(HttpToolsProtocol):
    """One connection; for ``uvicorn.Config(http=…)``.

    A timer is set only for a request that does not arrive at once, and for an answer that does not leave at once.
    """

    timeouts = Timeouts()
    url: bytes = b""
    _problem: Problem = BROKEN_HTTP
    _in_head = True
    _owed = False
    _head: Sequence[tuple[bytes, bytes]] = ()
    """The headers of a request that has come as far as its body."""
    _beside = 0
    _heard = b""
    """All of the packets in which the head of a request comes."""
    _left = 0
    _deaf = False
    _behind: Problem | None = None
    """Why the last request broke off, if the answers to others before it are still owed."""
    _coming: TimerHandle | None = None
    _taking: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin, and wait for somebody to say something."""
        super().connection_made(transport)
        self.headers = []
        self._coming = self.loop.call_later(self.timeouts.head, self._is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; uvicorn leaves the timer of one that was reset, which would keep all of it until then."""
        self._unset_keepalive_if_required()
        self._no_longer_coming()
        self._no_longer_taking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as far as the limits allow."""
        if self._is_over():
            return
        self._beside += len(data)
        self._heard = self._heard + data if self._owed and self._in_head else data
        self._parse(data)
        if not (self._owed and self._in_head):
            self._heard = b""
        if self._is_over():
            return
        if self._beside > MOST_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        elif self._owed:
            self._unset_keepalive_if_required()
            if self._coming is None:
                self._expect()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Send what is owed to a caller who sends no more, and close; what broke off in the middle is refused.

        Who goes away looks the same: that the answer reaches nobody shows when it is sent.
        """
        if self._owed and not self._is_over():
            self._refuse(BROKEN_HTTP)
        if self._has_answered() or self.cycle.disconnected:
            self.transport.close()
            self._see_the_rest_taken()
            return False
        # Of several requests the last ends the connection.
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._owed = self._in_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self.url += url
        if len(self.url) > MOST_TARGET_BYTES:
            self._give_up(PATH_TOO_LONG)

    def on_headers_complete(self) -> None:
        """Start to answer, unless what is offered instead of HTTP/1.1 keeps the parser from reading the body."""
        if len(self._heard) > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            self._give_up(HEAD_TOO_LARGE)
        host = self._host() if self._is_http() else None
        if host is None:
            self._give_up(BROKEN_HTTP)
        if self.app_state.get("loopback_alone") and not is_loopback(host_of(f"//{host}")):
            self._give_up(FOREIGN_HOST)
        if self.parser.should_upgrade():
            return
        # What comes now are trailers, which are no headers (RFC 9110 section 6.5.1). The request has its list.
        self._head, self.headers = self.headers, []
        self._begin()
        self._in_head = False
        self._no_longer_coming()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which may be surrounded by as much again."""
        self._beside = max(0, self._beside - 2 * len(body))
        self._take(body)

    def on_message_complete(self) -> None:
        """End a request; the next may follow."""
        if self.parser.should_upgrade():
            return
        self._owed = False
        self._in_head = True
        self._beside = 0
        self._no_longer_coming()
        self._end()
        self.url, self.headers, self._head = b"", [], ()

    def _begin(self) -> None:
        # One that follows an answer in the same packet begins after the connection was found idle.
        self._unset_keepalive_if_required()
        super().on_headers_complete()

    def _take(self, body: bytes) -> None:
        super().on_body(body)

    def _end(self) -> None:
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer."""
        broken = self._behind if len(self.pipeline) == 1 else None
        if broken:
            self.pipeline.clear()
        super().on_response_complete()
        if broken and not self.transport.is_closing():
            self._tell(broken)
            telemetry.unreadable(broken.status)
        self._see_the_rest_taken()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing follows."""
        super().timeout_keep_alive_handler()
        self._see_the_rest_taken()

    def pause_writing(self) -> None:
        """Wait for the caller to take what was written."""
        super().pause_writing()
        self._see_it_taken()

    def resume_writing(self) -> None:
        """Go on, since the caller took most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._no_longer_taking()

    def _parse(self, data: bytes) -> None:
        try:
            self._feed(data)
        except HttpParserInvalidURLError:
            # How much of a broken target is known depends on the packets in which it came.
            self.url = b""
            self._refuse(self._problem)
        except HttpParserError:
            self._refuse(self._problem)

    def _feed(self, data: bytes | memoryview) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as offer:
                # The parser leaves whatever follows to the other protocol, and what follows is the body.
                self.parser.feed_data(self._head_without_offer())
                data = memoryview(data)[offer.args[0] :]
            else:
                return

    def _head_without_offer(self) -> bytes:
        """Return the head that was read, to be answered as HTTP/1.1 (a server may ignore Upgrade, RFC 9110 7.8)."""
        said = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"%b %b HTTP/%b\r\n%b\r\n" % (*said, wire(header for header in self.headers if header[0] != b"upgrade"))

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + _AROUND_HEADER for name, value in self.headers)

    def _give_up(self, problem: Problem) -> NoReturn:
        self._problem = problem
        raise _Unreadable

    def _is_http(self) -> bool:
        """Tell whether the head is of HTTP, in a version that is spoken here."""
        if self.parser.get_http_version() not in _VERSIONS:
            return False
        if b" RTSP/" not in self._heard and b" ICE/" not in self._heard:
            return True
        line = _OTHER_PROTOCOL % (re.escape(self.parser.get_method()), re.escape(self.url))
        return re.search(line, self._heard) is None

    def _host(self) -> str | None:
        """Return which host is meant, None where that is not said as it must be (RFC 9112 section 3.2).

        A target that names the host counts, whatever the header says; all that look at the request see its path and
        that host.
        """
        hosts = [value.strip(b" \t") for name, value in self.headers if name == b"host"]
        if not hosts and self.parser.get_http_version() == "1.0":
            hosts = [b""]
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            return None
        named = None if self.url.startswith(b"/") else _SITE.match(self.url)
        if named is None:
            return hosts[0].decode("ascii") if self._has_path() else None
        if named[1].startswith(b":") or not (named[1] and _HOST.fullmatch(named[1])):
            return None
        path = self.url[named.end() :]
        self.url = path if path.startswith(b"/") else b"/" + path
        # The framework has this list already.
        self.headers[:] = [(b"host", named[1]), *(header for header in self.headers if header[0] != b"host")]
        return named[1].decode("ascii") if self._has_path() else None

    def _has_path(self) -> bool:
        method = self.parser.get_method()
        if _PATH.fullmatch(self.url):
            return method != b"CONNECT"
        return self.url == b"*" and method == b"OPTIONS"

    def _expect(self) -> None:
        seconds = self.timeouts.head if self._in_head else self.timeouts.body
        self._coming = self.loop.call_later(seconds, self._is_late)

    def _no_longer_coming(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            self._coming = None

    def _is_late(self) -> None:
        self._coming = None
        if self.flow.read_paused:
            # Who is not listened to cannot be late.
            self._expect()
        elif self._owed:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer with ``problem`` and close, but never into the middle of another answer."""
        cycle = self.cycle
        if self._in_head and self._has_answered():
            self._tell(problem)
        elif self._in_head:
            # Nobody takes what follows any more, and until the answer before it has gone it would pile up.
            cycle.keep_alive = False
            self._deaf = True
            self._no_longer_coming()
        elif self.pipeline:
            self._behind, self._deaf = problem, True
            self._no_longer_coming()
        elif cycle.response_started:
            self.transport.close()
        else:
            self._tell(problem)
            cycle.disconnected = True
            cycle.message_event.set()

    def _has_answered(self) -> bool:
        # Before the first request there is no cycle, whatever its type says.
        return bool(getattr(self.cycle, "response_complete", True))

    def _is_over(self) -> bool:
        return self._deaf or self.transport.is_closing()

    def _tell(self, problem: Problem) -> None:
        path = _SITE.sub(b"", self.url, count=1).partition(b"?")[0].decode("latin-1")
        response = problem_response({"path": path}, problem, {"Connection": "close"})
        marks = request_of(self.headers if self._in_head else self._head).id_headers()
        own = [*self.server_state.default_headers, *response.raw_headers, *marks, *DATA]
        headers = varied(own, by_origin=bool(self.app_state.get("by_origin")))
        status_line = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()
        lines = [status_line, *(name + b": " + value for name, value in headers), b"", bytes(response.body)]
        self.transport.write(b"\r\n".join(lines))
        if self._in_head:
            telemetry.unreadable(problem.status)
        self._part()

    def _part(self) -> None:
        """Close once the caller did: closing on unread bytes resets the connection, and takes the answer along."""
        self._deaf = True
        self._no_longer_coming()
        self.transport.write_eof()
        self._coming = self.loop.call_later(self.timeouts.parting, self.transport.abort)

    def _see_the_rest_taken(self) -> None:
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._see_it_taken()

    def _see_it_taken(self) -> None:
        if self._taking is None:
            self._left = self.transport.get_write_buffer_size()
            self._taking = self.loop.call_later(self.timeouts.taking, self._is_it_taken)

    def _no_longer_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _is_it_taken(self) -> None:
        self._taking = None
        if self.transport.get_write_buffer_size() > self._left - LEAST_TAKEN_BYTES:
            self.transport.abort()
        else:
            self._see_it_taken()
