"""What a fuzz finds out: what was answered to whom, who was let in without a key, and what leaked."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from hypothesis import strategies as st

from tests.chaos.leaks import SENT, Lookout
from tests.planted import KEY

OPEN = ("/livez", "/readyz", "/docs", "/openapi.json", "/.well-known/authzen-configuration")
REFUSED = frozenset({0, 400, 401, 414, 431})
"""How a caller without a key is answered: that, or that it was no request; 0 stands for nothing at all."""

EXPECTED_5XX = frozenset({502, 503, 504})

Credential = tuple[str, ...]
"""The values of `Authorization` that a request has."""

RIGHT: Credential = (f"Bearer {KEY}",)
WRONG: tuple[Credential, ...] = (
    *((), (f"Bearer {SENT}credential",), (f"Basic {KEY}",), (f"Bearer {KEY}x",), (f"Bearer {KEY[:-1]}",)),
    *(("Bearer",), (KEY,), RIGHT * 2, (f"Bearer {KEY}, Bearer {KEY}",), (f"Bearer {KEY.upper()}",)),
)
CREDENTIALS = st.sampled_from([*WRONG, *[RIGHT] * (2 * len(WRONG))])
"""Of three, one that is not valid."""


@dataclass
class Findings:
    """What came of a run.

    Attributes:
        with_key: how often which status was answered to requests from the document that carry the key.
        without_key: the same of those that do not, or that carry one which is not valid.
        raw: the same of HTTP that is barely any, 0 for no answer.
        failures: answers that the document does not describe, and failures.
        let_in: answers that are told nobody without a key.
    """

    lookout: Lookout = field(default_factory=Lookout)
    with_key: Counter[int] = field(default_factory=Counter)
    without_key: Counter[int] = field(default_factory=Counter)
    raw: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    let_in: list[str] = field(default_factory=list)
    alive: int = 0

    @property
    def statuses(self) -> Counter[int]:
        return self.with_key + self.without_key + self.raw

    def see_to_entry(self, credential: Credential, path: str, status: int) -> None:
        """Note an answer for somebody without a key who should have had none."""
        if credential != RIGHT and not is_open(path) and status not in REFUSED:
            self.let_in.append(f"{status} at {path[:200]} with {len(credential)} credentials")

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note a failure in the block, and go on."""
        try:
            yield
        except (AssertionError, BaseExceptionGroup, httpx.TransportError) as error:
            self.failures.append(f"{what}: {error}")


def is_open(path: str) -> bool:
    """Tell whether a path, which may have a query, is served without a key."""
    plain = path.partition("?")[0]
    return plain in OPEN or plain.startswith(("/docs/", f"{OPEN[-1]}/"))
