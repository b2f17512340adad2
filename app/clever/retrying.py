"""Again or not: what Clever's documentation calls transient is asked again, a few times and while there is time.

Which statuses are: dev.clever.com/docs/error-messages.
"""

import asyncio

import stamina

from app.clever.breaker import Breaker
from app.clever.warrant import Warrant
from app.domain.errand import Urgency
from app.domain.errors import CleverFailed, CleverLimited, CleverTimedOut, CleverUnreachable

# Clever advises up to five retries, after 1, 2, 4, … seconds. That is for syncs by night: here somebody waits.
_ATTEMPTS = 4
_FIRST_WAIT, _JITTER, _LONGEST_WAIT = 0.5, 0.5, 2.5

_TRANSIENT = (CleverFailed, CleverUnreachable, CleverTimedOut)


class Tries:
    """The attempts at one request.

    Attributes:
        told: after how many seconds Clever itself said to ask again, when the attempt under way failed.
    """

    def __init__(self, warrant: Warrant, breaker: Breaker) -> None:
        self._warrant = warrant
        self._breaker = breaker
        self._next_wait = 0.0
        self.told: int | None = None
        # For a renewal nobody waits, and the next question has it tried again.
        attempts = 1 if warrant.errand.urgency is Urgency.RENEWAL else _ATTEMPTS
        self.attempts = stamina.retry_context(
            on=self._wait,
            attempts=attempts,
            timeout=None,
            wait_initial=_FIRST_WAIT,
            wait_jitter=_JITTER,
            wait_max=_LONGEST_WAIT,
        )

    def begin(self, attempt: stamina.Attempt) -> None:
        """Note which attempt begins."""
        self._next_wait = attempt.next_wait
        self.told = None

    def _wait(self, error: Exception) -> bool | float:
        """Tell stamina whether to ask again: not, after its own back-off, or after so many seconds."""
        if not isinstance(error, _TRANSIENT) and (not isinstance(error, CleverLimited) or self.told is None):
            return False
        if self._breaker.is_open():
            return False
        wait = max(self.told or 0, self._next_wait)
        # Nobody is helped by waiting for what cannot come in time.
        if asyncio.get_running_loop().time() + wait >= self._warrant.until:
            return False
        return True if self.told is None else float(wait)
