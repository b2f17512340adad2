"""A connection with limits that only the socket shows: HTTP's framing, sizes of what is still arriving, and times.

uvicorn limits none of these. A complete head is judged by `request_head`, here and behind any other server. The
undocumented names of uvicorn that this relies on are listed in `tests/api/test_uvicorn.py`.
"""

import re
from asyncio import TimerHandle, Transport
from dataclasses import dataclass
from http import HTTPStatus

from httptools import HttpParserError, HttpParserInvalidURLError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app import telemetry
from app.api.errors import BROKEN_HTTP, HEAD_TOO_LARGE, PATH_TOO_LONG, TOO_SLOW, Problem, problem_response
from app.api.request_head import MOST_HEAD_BYTES, MOST_TARGET_BYTES, in_origin_form, path_of, problem_of_head
from app.api.security_headers import DATA, RawHeaders, varied, wire
from app.telemetry.current_request import request_of

LEAST_WRITTEN_BYTES = 64 * 1024
"""How much of a waiting answer a caller has to take in each ``Timeouts.write``, unless less is left."""

_OTHER_PROTOCOL = rb"%b +%b +(RTSP|ICE)/"
"""A request line that the parser takes for one of HTTP."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a caller may take, in seconds.

    Attributes:
        head: from the first byte of a request, or from connecting, to the end of its head.
        body: from there to the end of its body.
        write: to take ``LEAST_WRITTEN_BYTES`` of an answer.
        close: to read the refusal after which the connection is closed.
    """

    head: float = 5
    body: float = 10
    write: float = 20
    close: float = 2


class _Refused(Exception):
    """Stops the parser; the request is refused already."""


class Connection(HttpToolsProtocol):
    """One connection; for ``uvicorn.Config(http=…)``.

    A timer is set only for a request that does not arrive at once, and for an answer that does not leave at once.
    """

    timeouts = Timeouts()
    url: bytes = b""
    _head: RawHeaders = ()
    """The headers of a request that has come as far as its body."""
    _version = "1.1"
    """Of HTTP, as its request says; the parser makes it up anew each time."""
    _in_head = True
    _request_pending = False
    """Whether a request has come in part."""
    _begun = False
    """Whether uvicorn knows of that request, so that an answer to it may be on its way."""
    _refused: Problem | None = None
    """Why nothing more is read; sent once the requests before it are answered."""
    _framing_bytes = 0
    """How much of a request was received beside its body."""
    _packets = b""
    """All packets in which the head of a request comes."""
    _read_timer: TimerHandle | None = None
    _write_timer: TimerHandle | None = None
    _unsent_bytes = 0
    """How much of an answer was waiting when the write timer was set."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin, and wait for the first request."""
        super().connection_made(transport)
        self.headers = []
        self._start_read_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; uvicorn leaves the timer of a connection that was reset, which would keep all of it until then."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self._cancel_read_timer()
        self._cancel_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as far as the limits allow."""
        if self._refused is not None:
            return
        self._framing_bytes += len(data)
        self._packets = self._packets + data if self._request_pending and self._in_head else data
        self._parse(data)
        if not (self._request_pending and self._in_head):
            self._packets = b""
        if self._framing_bytes > MOST_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        elif self._request_pending and self._read_timer is None and self._refused is None:
            self._start_read_timer()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Send the remaining answers to a caller who sends no more, and close; an incomplete request is refused.

        A caller who has gone looks the same, until an answer cannot be sent.
        """
        if self._request_pending:
            self._refuse(BROKEN_HTTP)
        if self._has_answered() or self.cycle.disconnected:
            self._close()
            return False
        if self._refused is None:
            self.shutdown()
        return True

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self._request_pending = self._in_head = True
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self.url += url
        if len(self.url) > MOST_TARGET_BYTES:
            self._refuse(PATH_TOO_LONG)
            raise _Refused

    def on_headers_complete(self) -> None:
        """Begin the request, unless an `Upgrade` keeps the parser from its body: see ``_feed``."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self._version = version
        loopback_only = bool(self.app_state.get("loopback_only"))
        problem = problem_of_head(method, self.url, version, self.headers, loopback_only=loopback_only)
        if problem is not None or self._is_other_protocol():
            self._refuse(problem or BROKEN_HTTP)
            raise _Refused
        if not self.url.startswith(b"/"):
            self.url, self.headers[:] = in_origin_form(self.url, self.headers)
        if self.parser.should_upgrade():
            return
        # What comes now are trailers, which are no headers (RFC 9110 section 6.5.1).
        self._head, self.headers = self.headers, []
        self._in_head = False
        self._cancel_read_timer()
        self._begin_request()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; its framing may be as long as itself."""
        self._framing_bytes = max(0, self._framing_bytes - 2 * len(body))
        self._take_body(body)

    def on_message_complete(self) -> None:
        """End a request; the next may follow."""
        if self.parser.should_upgrade():
            return
        self._request_pending = False
        self._in_head = True
        self._framing_bytes = 0
        self._cancel_read_timer()
        self._end_request()
        self._begun = False
        if self.headers and not self.parser.should_keep_alive():
            # After a trailer `Connection: close` the parser passes over whatever follows.
            self.shutdown()
            self._limit_closing()
        self.url, self.headers, self._head = b"", [], ()

    def _begin_request(self) -> None:
        """Hand the request to uvicorn, which hears only now that it began: what is made for it costs."""
        self._begun = True
        url, expects = self.url, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers[:], self.expect_100_continue = url, self._head, expects
        super().on_headers_complete()
        self.headers = []

    def _take_body(self, body: bytes) -> None:
        super().on_body(body)

    def _end_request(self) -> None:
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer."""
        was_last = not self.pipeline
        super().on_response_complete()
        if was_last and self._refused is not None and not self.transport.is_closing():
            self._send_problem(self._refused)
        self._limit_closing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle; if it is not, look again later."""
        if self._request_pending or not self._has_answered():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self._close()

    def pause_writing(self) -> None:
        """Wait for the caller to take what was written."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Go on, since the caller took most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._cancel_write_timer()

    def _parse(self, data: bytes) -> None:
        try:
            self._feed(data)
        except HttpParserInvalidURLError:
            # How much of a broken target is known depends on the packets in which it came.
            self.url = b""
            self._refuse(BROKEN_HTTP)
        except HttpParserError:
            self._refuse(BROKEN_HTTP)

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
        line = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"%b %b HTTP/%b\r\n%b\r\n" % (*line, wire(header for header in self.headers if header[0] != b"upgrade"))

    def _is_other_protocol(self) -> bool:
        if b" RTSP/" not in self._packets and b" ICE/" not in self._packets:
            return False
        line = _OTHER_PROTOCOL % (re.escape(self.parser.get_method()), re.escape(self.url))
        return re.search(line, self._packets) is not None

    def _refuse(self, problem: Problem) -> None:
        """Read no more, and answer with ``problem`` in its turn, but never into the middle of another answer."""
        if self._refused is not None or self.transport.is_closing():
            return
        self._refused = problem
        self._cancel_read_timer()
        if not self._begun:
            if self._has_answered():
                self._send_problem(problem)
        elif self.pipeline:
            # It is the last that waits for its turn, and never gets it.
            self.pipeline.popleft()
            self._begun = False
        elif self.cycle.response_started:
            self._close()
        else:
            self._send_problem(problem)
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _has_answered(self) -> bool:
        # Before the first request there is no cycle, whatever its type says.
        return bool(getattr(self.cycle, "response_complete", True))

    def _send_problem(self, problem: Problem) -> None:
        """Send ``problem``, and close once the caller has read it."""
        response = problem_response({"path": path_of(self.url)}, problem, {"Connection": "close"})
        ids = request_of(self._head or self.headers).id_headers()
        own = [*self.server_state.default_headers, *response.raw_headers, *ids, *DATA]
        headers = varied(own, by_origin=bool(self.app_state.get("by_origin")))
        status_line = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n".encode()
        self.transport.write(b"".join((status_line, wire(headers), b"\r\n", bytes(response.body))))
        if not self._begun:
            telemetry.unreadable(problem.status)
        # Closing on unread bytes would reset the connection, and the answer would be lost.
        self.transport.write_eof()
        self._read_timer = self.loop.call_later(self.timeouts.close, self.transport.abort)

    def _close(self) -> None:
        self.transport.close()
        self._limit_closing()

    def _limit_closing(self) -> None:
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._start_write_timer()

    def _start_read_timer(self) -> None:
        seconds = self.timeouts.head if self._in_head else self.timeouts.body
        self._read_timer = self.loop.call_later(seconds, self._end_read_timer)

    def _cancel_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _end_read_timer(self) -> None:
        self._read_timer = None
        if not self.transport.is_reading():
            # A caller who is not read from cannot be late.
            self._start_read_timer()
        elif self._request_pending:
            self._refuse(TOO_SLOW)
        else:
            self._close()

    def _start_write_timer(self) -> None:
        if self._write_timer is None:
            self._unsent_bytes = self.transport.get_write_buffer_size()
            self._write_timer = self.loop.call_later(self.timeouts.write, self._end_write_timer)

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _end_write_timer(self) -> None:
        self._write_timer = None
        if self.transport.get_write_buffer_size() > self._unsent_bytes - LEAST_WRITTEN_BYTES:
            self.transport.abort()
        else:
            self._start_write_timer()
