"""Tells operators that Clever refuses a token, without telling it at every read."""

from collections.abc import Callable

from app import telemetry
from app.domain.errors import CleverError, CleverForbade, CleverRefusedToken

_QUIET_SECONDS = 60


class Refusals:
    """Logs refusals of tokens, each kind at most once a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: dict[type[CleverError], float] = {}

    def tell(self, error: CleverError) -> None:
        """Log an error of a read if it is a refusal; its sentence is fixed and names nobody."""
        kind, now = type(error), self._clock()
        if kind not in {CleverRefusedToken, CleverForbade}:
            return
        if kind not in self._told or now - self._told[kind] >= _QUIET_SECONDS:
            self._told[kind] = now
            telemetry.reading_refused(str(error), error.word)
