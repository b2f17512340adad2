"""How Clever last answered, in fixed words that are safe to show to anybody."""

from dataclasses import dataclass

from app.domain.errors import (
    CleverError,
    CleverFailed,
    CleverForbade,
    CleverLimited,
    CleverMalformed,
    CleverNotJson,
    CleverRecordMissing,
    CleverRefusedToken,
    CleverTimedOut,
    CleverUnexpected,
    CleverUnreachable,
)

_WORDS: dict[type[CleverError], str] = {
    CleverRefusedToken: "token_refused",
    CleverForbade: "forbidden",
    CleverRecordMissing: "ok",
    CleverLimited: "rate_limited",
    CleverFailed: "failing",
    CleverUnexpected: "garbled",
    CleverUnreachable: "unreachable",
    CleverTimedOut: "timed_out",
    CleverNotJson: "garbled",
    CleverMalformed: "garbled",
}

_REFUSALS = frozenset({"token_refused", "forbidden"})


@dataclass(frozen=True, slots=True)
class CleverState:
    """How Clever last answered.

    Attributes:
        accepted_once: whether the Data API ever accepted the token of a district and sent JSON as documented.
        word: how the last exchange ended: ``ok``, ``not_asked``, ``token_refused``, ``forbidden``, ``rate_limited``,
            ``failing``, ``unreachable``, ``timed_out`` or ``garbled``.
    """

    accepted_once: bool = False
    word: str = "not_asked"

    def after(self, error: CleverError | None) -> "CleverState":
        """Return the state after one more exchange, which ended well or in ``error``."""
        if error is None:
            return CleverState(accepted_once=True, word="ok")
        return CleverState(self.accepted_once, _WORDS.get(type(error), "garbled"))

    def after_listing(self) -> "CleverState":
        """Return the state after Clever listed the tokens for a client id and secret.

        That it lists them does not say that it accepts them, nor take back that it refused one.
        """
        if self.word in _REFUSALS:
            return self
        return CleverState(self.accepted_once, "ok" if self.accepted_once else "not_asked")
