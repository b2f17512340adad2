"""Answers at hand, sent by the connection itself: no task, no cycle, and nothing of the framework.

That is what the fastest application on this server spends most of its time on. Where no answer is at hand the request
begins as it always does, once it has been read or more of it is waited for, and nobody can tell the difference.
"""

import logging

from app.api.at_hand import DECIDING, AnswerAtHand, Reply
from app.api.authzen.at_hand import MOST_BYTES
from app.api.errors import Problem
from app.api.heads import Form, Forms, Head, Packet, head_of
from app.api.http_limits import Connection
from app.api.security_headers import wire

_log = logging.getLogger("rosterguard")

_METHODS = frozenset({b"GET", b"POST"})

_MOST_FORMS = 4
"""Forms that one client is taken to have; of more the latest are kept."""


class Express(Connection):
    """A connection that asks first whether the answer to a request is at hand."""

    _known = Forms()
    """The forms of all connections."""

    _forms: tuple[Form, ...] = ()
    """Those of this connection, the latest first."""

    _read: bytes | None = None
    """The body, as far as it was read, of a request that has not begun yet; None where there is none such."""

    _packet = b""
    """What is being parsed, if it came on an idle connection."""

    _in_vain = False
    """Whether the answer to what is being parsed was sought already, and is not at hand."""

    _answered_at = 0.0
    """When the last answer at hand was sent, by the loop's clock."""

    def data_received(self, data: bytes) -> None:
        """Read on; what is not soon there as a whole is served as it comes."""
        is_idle = self._is_idle()
        read = self._unparsed(data) if is_idle else None
        if read is not None and self._answers_unparsed(read):
            return
        self._packet = data if is_idle else b""
        self._in_vain = read is not None
        super().data_received(data)
        self._packet, self._in_vain = b"", False
        if self._read is not None and not self._is_over() and not self._is_soon_there():
            self._go_on()

    def shutdown(self) -> None:
        """End, once a request that has been read in part is answered."""
        if self._read is not None:
            self._go_on()
        super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing follows; answers at hand have not set the timer anew each time."""
        rest = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _begin(self) -> None:
        if self._may_be_at_hand():
            self._read = b""
            # One that follows an answer in the same packet must not be taken for idleness.
            self._unset_keepalive_if_required()
        else:
            super()._begin()

    def _take(self, body: bytes) -> None:
        if self._read is None:
            super()._take(body)
        else:
            self._read += body

    def _end(self) -> None:
        if self._read is not None:
            answer = self._answer(self._read)
            if answer is not None:
                self._read = None
                self._send(*answer)
                return
            self._go_on()
        super()._end()

    def _refuse(self, problem: Problem) -> None:
        if self._read is not None:
            self._go_on()
        super()._refuse(problem)

    def _is_idle(self) -> bool:
        """Tell whether the next byte begins a request, and nothing else is to be done before it."""
        is_busy = self._owed or self.pipeline or self.flow.write_paused or self._is_over()
        return not is_busy and self._has_answered()

    def _unparsed(self, packet: bytes) -> Packet | None:
        """Return the request that makes up a packet, where it has one of the forms that are known here."""
        for form in self._forms:
            read = form.read(packet)
            if read is not None:
                return read
        return None

    def _answers_unparsed(self, packet: Packet) -> bool:
        """Answer a request if its answer is at hand, and tell whether it was."""
        answer = self._sought(*packet)
        if answer is None:
            return False
        self._no_longer_coming()
        self._send(*answer)
        return True

    def _may_be_at_hand(self) -> bool:
        """Tell whether nothing stands before the answer, neither another answer nor anything else to be done."""
        is_first = self._has_answered() and not self.pipeline
        parser = self.parser
        return (
            is_first
            and not self._in_vain
            and parser.get_method() in _METHODS
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not (self.expect_100_continue or self.flow.write_paused)
        )

    def _is_soon_there(self) -> bool:
        """Tell whether a short question is still to come: many clients send its head by itself."""
        length = dict(self.headers).get(b"content-length", b"")
        is_said = 0 < len(length) <= len(str(MOST_BYTES))
        return self.url in DECIDING and is_said and int(length) <= MOST_BYTES

    def _go_on(self) -> None:
        """Begin the request as it always begins."""
        body, self._read = self._read, None
        super()._begin()
        if body:
            super()._take(body)

    def _answer(self, body: bytes) -> Reply | None:
        head = head_of(self.headers)
        if head is None:
            return None
        answer = self._sought(self.parser.get_method(), self.url, head, body)
        if answer is not None:
            self._learn(head, body)
        return answer

    def _learn(self, head: Head, body: bytes) -> None:
        form = self._known.form(self._packet, self.headers, head, body)
        if form is not None and form not in self._forms:
            self._forms = (form, *self._forms[: _MOST_FORMS - 1])

    def _sought(self, method: bytes, target: bytes, head: Head, body: bytes) -> Reply | None:
        at_hand: AnswerAtHand | None = self.app_state.get("at_hand")
        if at_hand is None:
            return None
        try:
            return at_hand(method, target, head, body)
        except Exception:  # noqa: BLE001 -- told, and answered the whole way
            # Inside of the parser it would end as broken HTTP; the whole way ends as a fault of ours should.
            _log.exception("an answer at hand failed")
            return None

    def _send(self, status_line: bytes, headers: bytes, body: bytes) -> None:
        usual = wire(self.server_state.default_headers)
        self.transport.write(b"".join((status_line, usual, headers, b"\r\n", body)))
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
