"""The policy in force: its file is read again whenever it changes, and takes effect whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from app import telemetry
from app.domain.errors import Mistake, PolicyMistakes
from app.domain.policy import Policy
from app.policy_files.yaml import read_policy
from app.services.decision_point import DecisionPoint
from app.watched_file import FileState, FileWatch, Unreadable


class ActivePolicy:
    """The policy in force.

    Attributes:
        decision_point: what decides by the last policy that could be used; None if there has been none. It is replaced
            and never changed, so that whoever takes it once answers by one policy.
        state: the status of the policy file.
    """

    def __init__(self, decision_point_by: Callable[[Policy], DecisionPoint]) -> None:
        """Begin without a policy; ``decision_point_by`` makes what decides by one."""
        self.decision_point: DecisionPoint | None = None
        self.state = FileState.UNUSABLE
        self._decision_point_by = decision_point_by

    def take(self, policy: Policy) -> None:
        """Put a policy in force."""
        self.state = FileState.OK
        before = None if self.decision_point is None else self.decision_point.policy
        # To write out a default changes nothing, but may add a warning.
        if before is None or (before.revision, before.warnings) != (policy.revision, policy.warnings):
            self.decision_point = self._decision_point_by(policy)

    def refuse(self) -> None:
        """Note that the file cannot be used; the policy before stays in force."""
        self.state = FileState.UNUSABLE if self.decision_point is None else FileState.OUTDATED


def policy_watch(file: Path, active_policy: ActivePolicy) -> FileWatch[Policy]:
    """Watch a policy file on behalf of ``active_policy``; each change is logged."""

    def take(policy: Policy) -> None:
        active_policy.take(policy)
        telemetry.policy_taken(policy.revision, policy.warnings)

    def refuse(error: BaseException) -> None:
        active_policy.refuse()
        telemetry.policy_refused(_mistakes(error))

    return FileWatch(file, _policy_in, take, refuse)


def _policy_in(content: bytes) -> Policy:
    try:
        return read_policy(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PolicyMistakes([Mistake((), "this is not UTF-8")]) from error


def _mistakes(error: BaseException) -> list[str]:
    if isinstance(error, PolicyMistakes):
        return [str(mistake) for mistake in error.mistakes]
    failure = str(error) if isinstance(error, Unreadable) else type(error).__name__
    return [str(Mistake((), f"this cannot be read: {failure}"))]
