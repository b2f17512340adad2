"""What every step on the way to Clever needs to know: with which credential it is asked, what for, and until when."""

import asyncio
from dataclasses import dataclass, field

from app.domain.read_context import ReadContext


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request to Clever is made with.

    Attributes:
        authorization: the value of its header; a secret, which is never shown.
        read_context: what the request is for.
        until: when it has to be over, in seconds of the event loop's clock; it may be earlier than the read context's.
    """

    authorization: str = field(repr=False)
    read_context: ReadContext
    until: float

    def is_of_client(self) -> bool:
        """Tell whether the credential is a client id and secret, and not the token of a district."""
        return self.authorization.startswith("Basic ")


def bearer(token: str, read_context: ReadContext, until: float) -> RequestContext:
    """Return the context of a request with a district token."""
    return RequestContext(f"Bearer {token}", read_context, until)


@dataclass(frozen=True, slots=True)
class ReadTimeouts:
    """How long a whole fetch may take, in seconds.

    Attributes:
        snapshot: for one user, or one place and who is there.
        district: for a list of a whole district.
    """

    snapshot: float = 15
    district: float = 60


def latest_end(seconds: float, read_context: ReadContext) -> float:
    """Return when a fetch has to be over, by the event loop's clock: after ``seconds``, or earlier if so asked."""
    ends = asyncio.get_running_loop().time() + seconds
    return ends if read_context.until is None else min(ends, read_context.until)
