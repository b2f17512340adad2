"""Runs the policy tests in a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.domain.errors import Mistake, PolicyMistakes
from app.domain.policy import Policy, policy_of
from app.domain.policy_schema import PolicyFile
from app.domain.policy_test_lint import mistakes_in
from app.domain.policy_test_run import failures
from app.domain.policy_test_schema import CaseFile
from app.policy_files.yaml import Plain, made_of, read_policy

ENDINGS = frozenset({".yaml", ".yml"})


class Verdict(StrEnum):
    """The result of a case."""

    PASSED = "passed"
    FAILED = "failed"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one case.

    Attributes:
        file: the file of the case.
        description: what the case shows; empty if it could not be read.
        messages: a line for each difference from what the case expects, or for each mistake in the file.
    """

    file: Path
    verdict: Verdict
    description: str = ""
    messages: tuple[str, ...] = ()


def outcomes(folder: Path, policy: Policy) -> Iterator[Outcome]:
    """Run every case in ``folder`` and its subfolders, in the order of their paths.

    Args:
        folder: all its ``*.yaml`` and ``*.yml`` files are cases.
        policy: for cases that name no policy.
    """
    for file in sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS and not path.is_dir()):
        try:
            yield _outcome(file, policy)
        except PolicyMistakes as error:
            yield Outcome(file, Verdict.MALFORMED, messages=tuple(str(mistake) for mistake in error.mistakes))


def read_case(file: Path, policy: Policy) -> tuple[CaseFile, Policy]:
    """Read a case, and the policy to run it on: the one that it names, or ``policy``; raises ``PolicyMistakes``."""

    def made(written: Plain) -> tuple[CaseFile, Policy]:
        case = CaseFile.model_validate(written)
        own = policy if case.policy is None else _own_policy(case.policy, file.parent)
        if mistakes := list(mistakes_in(case, own)):
            raise PolicyMistakes(mistakes)
        return case, own

    return made_of(_text(file), made)


def _outcome(file: Path, policy: Policy) -> Outcome:
    case, own = read_case(file, policy)
    wrong = failures(case, own)
    return Outcome(file, Verdict.FAILED if wrong else Verdict.PASSED, case.description, wrong)


def _own_policy(written: PolicyFile | str, folder: Path) -> Policy:
    try:
        return read_policy(_text(folder / written)) if isinstance(written, str) else policy_of(written)
    except PolicyMistakes as error:
        raise PolicyMistakes([_within(mistake, written) for mistake in error.mistakes]) from error


def _within(mistake: Mistake, written: PolicyFile | str) -> Mistake:
    if isinstance(written, str):
        return Mistake(("policy",), f"{written}: {mistake}")
    return Mistake(("policy", *mistake.path), mistake.message)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PolicyMistakes([Mistake((), "this is not UTF-8")]) from error
    except OSError as error:
        raise PolicyMistakes([Mistake((), f"this cannot be read: {type(error).__name__}")]) from error
