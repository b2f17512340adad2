"""Again or not: what Clever's documentation calls transient is asked again, a few times and while there is time.

Which statuses are: dev.clever.com/docs/error-messages.
"""

import asyncio
from collections.abc import AsyncGenerator

import stamina

from app.clever.breaker import Breaker
from app.clever.warrant import Warrant
from app.domain.errand import Urgency
from app.domain.errors import CleverError, CleverFailed, CleverLimited, CleverTimedOut, CleverUnreachable

# Clever advises up to five retries, after 1, 2, 4, … seconds. That is for syncs by night: here somebody waits.
_ATTEMPTS = 4
_FIRST_WAIT, _JITTER, _LONGEST_WAIT = 0.5, 0.5, 2.5
_LONGEST_TOLD = 2  # whoever waits holds the turn of somebody else

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

    def is_worth_another(self, error: CleverError) -> bool:
        """Tell whether the attempt that ended in this may be followed by another."""
        # For a renewal nobody waits, and the next question has it tried again.
        return self._warrant.errand.urgency is not Urgency.RENEWAL and self._is_transient(error)

    async def after(self, failed: CleverError) -> AsyncGenerator[stamina.Attempt]:
        """Yield the attempts after the first, which failed, each in its time, and raise what the last ends in.

        The first is made without stamina, and costs a fifth less for it; here it is only told how that ended.
        """
        async for attempt in stamina.retry_context(
            on=self._wait,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=_FIRST_WAIT,
            wait_jitter=_JITTER,
            wait_max=_LONGEST_WAIT,
        ):
            self._next_wait = attempt.next_wait
            if attempt.num == 1:
                with attempt:
                    raise failed
            else:
                self.told = None
                yield attempt

    def _is_transient(self, error: Exception) -> bool:
        return isinstance(error, _TRANSIENT) or (isinstance(error, CleverLimited) and self.told is not None)

    def _wait(self, error: Exception) -> bool | float:
        """Tell stamina whether to ask again: not, after its own back-off, or after so many seconds."""
        if not isinstance(error, CleverError) or not self._is_transient(error) or self._breaker.is_open():
            return False
        if self.told is not None and self.told > _LONGEST_TOLD:
            return False
        wait = max(self.told or 0, self._next_wait)
        # Nobody is helped by waiting for what cannot come in time.
        if asyncio.get_running_loop().time() + wait >= self._warrant.until:
            return False
        return True if self.told is None else float(wait)
