"""How Clever last answered, in fixed words that are safe to show to anybody."""

from dataclasses import dataclass

from app.domain.errors import CleverError, CleverRecordMissing

_REFUSALS = frozenset({"token_refused", "forbidden"})


@dataclass(frozen=True, slots=True)
class CleverState:
    """How Clever last answered.

    Attributes:
        accepted_once: whether the Data API ever accepted the token of a district and sent JSON as documented.
        word: how the last exchange ended: ``ok``, ``not_asked``, ``token_refused``, ``forbidden``, ``rate_limited``,
            ``failing``, ``unreachable``, ``timed_out`` or ``garbled``; or ``no_connection``, where it did not come to
            one since every connection was in use.
    """

    accepted_once: bool = False
    word: str = "not_asked"

    def after(self, error: CleverError | None) -> "CleverState":
        """Return the state after one more exchange, which ended well or in ``error``."""
        if error is None:
            return CleverState(accepted_once=True, word="ok")
        # That there is no such record is an answer like any other.
        return CleverState(self.accepted_once, "ok" if isinstance(error, CleverRecordMissing) else error.word)

    def after_listing(self) -> "CleverState":
        """Return the state after Clever listed the tokens for a client id and secret.

        That it lists them does not say that it accepts them, nor take back that it refused one.
        """
        if self.word in _REFUSALS:
            return self
        return CleverState(self.accepted_once, "ok" if self.accepted_once else "not_asked")
