"""On whose authority Clever is asked, what for, and until when: what every step of the way to Clever needs to know."""

from dataclasses import dataclass, field

from app.domain.errand import Errand


@dataclass(frozen=True, slots=True)
class Warrant:
    """The right to ask Clever.

    Attributes:
        authorization: the header that says who asks; a secret, which never shows.
        errand: what the asking is for.
        until: when it has to be over, in seconds of the event loop's clock; earlier than the errand's, perhaps.
    """

    authorization: str = field(repr=False)
    errand: Errand
    until: float

    def is_of_client(self) -> bool:
        """Tell whether a client id and secret ask, instead of the token of a district."""
        return self.authorization.startswith("Basic ")


def bearer(token: str, errand: Errand, until: float) -> Warrant:
    """Return the warrant of a district token."""
    return Warrant(f"Bearer {token}", errand, until)
