"""Answers at hand, sent by the connection itself: no task, no cycle, and nothing of the framework.

That is what the fastest application on this server spends most of its time on. Where no answer is at hand the request
begins as it always does, once it has been read or more of it is waited for, and nobody can tell the difference.
"""

import logging

from app.api.at_hand import DECIDING, AnswerAtHand, Reply
from app.api.authzen.at_hand import MOST_BYTES
from app.api.connections import Connection
from app.api.headers import wire
from app.api.problems import Problem

_log = logging.getLogger("rosterguard")

_METHODS = frozenset({b"GET", b"POST"})


class Express(Connection):
    """A connection that asks first whether the answer to a request is at hand."""

    _read: bytes | None = None
    """The body, as far as it was read, of a request that has not begun yet; None where there is none such."""

    def data_received(self, data: bytes) -> None:
        """Read on; what is not soon there as a whole is served as it comes."""
        super().data_received(data)
        if self._read is not None and not self._is_over() and not self._is_soon_there():
            self._go_on()

    def shutdown(self) -> None:
        """End, once a request that has been read in part is answered."""
        if self._read is not None:
            self._go_on()
        super().shutdown()

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

    def _may_be_at_hand(self) -> bool:
        """Tell whether nothing stands before the answer, neither another answer nor anything else to be done."""
        is_first = self._has_answered() and not self.pipeline
        parser = self.parser
        return (
            is_first
            and parser.get_method() in _METHODS
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not (self.expect_100_continue or parser.should_upgrade() or self.flow.write_paused)
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
        at_hand: AnswerAtHand | None = self.app_state.get("at_hand")
        if at_hand is None:
            return None
        try:
            return at_hand(self.parser.get_method(), self.url, self.headers, body)
        except Exception:  # noqa: BLE001 -- told, and answered the whole way
            # Inside of the parser it would end as broken HTTP; the whole way ends as a fault of ours should.
            _log.exception("an answer at hand failed")
            return None

    def _send(self, status_line: bytes, headers: bytes, body: bytes) -> None:
        usual = wire(self.server_state.default_headers)
        self.transport.write(b"".join((status_line, usual, headers, b"\r\n", body)))
        self.on_response_complete()
