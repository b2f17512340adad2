"""The policy in force: its file is read again whenever it says something else, and taken whole or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from app import telemetry
from app.domain.errors import Mistake, PolicyMistakes
from app.domain.policy import Policy
from app.services.policies import read_policy
from app.services.ports import Context

LOOK_SECONDS = 1.5
"""How often a file is looked at. A change is taken once two looks find it alike, since it may be half written."""


class PolicyState(StrEnum):
    """How the policy fares, in one fixed word."""

    OK = "ok"
    """What the file says is in force."""
    OUTDATED = "outdated"
    """The file cannot be used, and what it said before is in force."""
    UNUSABLE = "unusable"
    """The file cannot be used, and nothing is in force."""


class InForce:
    """By what questions are answered now.

    Attributes:
        context: the ports, with the policy that was last fit for use; None where none has been. It is replaced and
            never changed, so that whoever takes it once answers by one policy.
        state: how the policy fares.
    """

    def __init__(self, context_by: Callable[[Policy], Context]) -> None:
        """Begin without a policy; ``context_by`` makes the context of the first one."""
        self.context: Context | None = None
        self.state = PolicyState.UNUSABLE
        self._context_by = context_by

    def take(self, policy: Policy) -> None:
        """Answer by ``policy`` from now on; whatever else the context holds stays the same."""
        self.state = PolicyState.OK
        if self.context is None:
            self.context = self._context_by(policy)
        elif self.context.policy.revision != policy.revision:
            self.context = replace(self.context, policy=policy)

    def refuse(self) -> None:
        """Answer by what there was; its file has become unfit for use."""
        self.state = PolicyState.UNUSABLE if self.context is None else PolicyState.OUTDATED


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the file finds: its content, or why there is none."""

    content: bytes = b""
    failure: str = ""


class PolicyWatch:
    """Looks at a policy file, by content: it may be written, replaced, or a link that comes to point elsewhere."""

    def __init__(self, file: Path, in_force: InForce) -> None:
        """Watch ``file`` on behalf of ``in_force``."""
        self._file = file
        self._in_force = in_force
        self._seen: Found | None = None
        self._weighed: Found | None = None

    async def begin(self) -> None:
        """Take what the file says, or answer by nothing; a bad file is told, and raises nothing."""
        self._seen = await asyncio.to_thread(_look_at, self._file)
        await self._weigh(self._seen)

    async def keep_looking(
        self, every: float = LOOK_SECONDS, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Look again and again, ``every`` so many seconds, until cancelled."""
        while True:
            await sleep(every)
            await self.look()

    async def look(self) -> None:
        """Look once, and take what has changed and was the same the last time."""
        before, self._seen = self._seen, await asyncio.to_thread(_look_at, self._file)
        if self._seen == before and self._seen != self._weighed:
            await self._weigh(self._seen)

    async def _weigh(self, found: Found) -> None:
        # Whatever goes wrong with a file, the watch goes on.
        [outcome] = await asyncio.gather(asyncio.to_thread(_policy_in, found), return_exceptions=True)
        self._weighed = found
        if isinstance(outcome, Policy):
            self._in_force.take(outcome)
            telemetry.policy_taken(outcome.revision)
        else:
            self._in_force.refuse()
            telemetry.policy_refused(_mistakes(outcome))


def _look_at(file: Path) -> Found:
    try:
        return Found(content=file.read_bytes())
    except OSError as error:
        return Found(failure=type(error).__name__)


def _policy_in(found: Found) -> Policy:
    if found.failure:
        raise PolicyMistakes([Mistake((), f"this cannot be read: {found.failure}")])
    try:
        return read_policy(found.content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PolicyMistakes([Mistake((), "this is not UTF-8")]) from error


def _mistakes(error: BaseException) -> list[str]:
    if isinstance(error, PolicyMistakes):
        return [str(mistake) for mistake in error.mistakes]
    return [f"this cannot be read: {type(error).__name__}"]
