"""The shortcut past the framework: what the fast path has an answer to is sent by the connection itself.

Neither a task nor uvicorn's cycle nor the framework takes part: these cost even the fastest application most of its
time. A request that the fast path does not answer begins as usual, once it has been read, or as soon as more of it has
to be waited for.
"""

from app.api.errors import Problem
from app.api.fast_path import MOST_BYTES, POSTED_PATHS, FastPath
from app.api.http_limits import Connection
from app.api.security_headers import RawHeaders

_METHODS = frozenset({b"GET", b"POST"})
_STATUS_LINES = {200: b"HTTP/1.1 200 OK", 304: b"HTTP/1.1 304 Not Modified"}


class FastConnection(Connection):
    """A connection that asks the fast path first."""

    _read: bytes | None = None
    """The body, as far as it was read, of a request that has not begun yet; None where there is none such."""

    _answered_at = 0.0
    """When the last answer of the fast path was sent, by the loop's clock."""

    def data_received(self, data: bytes) -> None:
        """Read on; a request that is not soon complete is served as it comes."""
        super().data_received(data)
        if self._read is not None and not self._is_soon_there():
            self._go_on()

    def shutdown(self) -> None:
        """End, once a request that has been read in part is answered."""
        if self._read is not None:
            self._go_on()
        super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing follows; the fast path does not set the timer anew for each answer."""
        rest = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _begin_request(self) -> None:
        if self._may_be_fast():
            self._read = b""
        else:
            super()._begin_request()

    def _take_body(self, body: bytes) -> None:
        if self._read is None:
            super()._take_body(body)
        else:
            self._read += body

    def _end_request(self) -> None:
        if self._read is not None:
            fast_path: FastPath = self.app_state["fast_path"]
            answer = fast_path(self.parser.get_method(), self.url, self._head, self._read)
            if answer is not None:
                self._read = None
                self.send_answer(*answer)
                return
            self._go_on()
        super()._end_request()

    def on_chunk_header(self) -> None:
        """Begin a request whose body comes in chunks: what its trailers say later is nothing of its head."""
        if self._read is not None:
            self._go_on()

    def _refuse(self, problem: Problem) -> None:
        self._read = None
        super()._refuse(problem)

    def _may_be_fast(self) -> bool:
        """Whether a request may be answered here at once: nothing before it is unanswered, nor waits to be written."""
        parser = self.parser
        return (
            "fast_path" in self.app_state
            and self._has_answered()
            and parser.get_method() in _METHODS
            and self._version == "1.1"
            and parser.should_keep_alive()
            and not self.expect_100_continue
            and self._write_timer is None
        )

    def _is_soon_there(self) -> bool:
        """Tell whether a short question is still to come: many clients send its head by itself."""
        if self.url not in POSTED_PATHS:
            return False
        length = dict(self._head).get(b"content-length", b"")
        return 0 < len(length) <= len(str(MOST_BYTES)) and int(length) <= MOST_BYTES

    def _go_on(self) -> None:
        """Begin the request as it always begins."""
        body, self._read = self._read, None
        super()._begin_request()
        if body:
            super()._take_body(body)

    def send_answer(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Write an answer of the fast path to the connection."""
        lines = map(b": ".join, (*self.server_state.default_headers, *headers))
        self.transport.write(b"\r\n".join((_STATUS_LINES[status], *lines, b"", body)))
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
