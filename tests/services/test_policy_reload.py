"""The policy in force, and the file that it is read from again and again."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from app.domain.policy import Policy
from app.main import default_policy
from app.policy_files.reload import ActivePolicy, policy_watch
from app.policy_files.yaml import NO_ROLE
from app.services.decision_point import decision_point
from app.watched_file import LOOK_SECONDS, FileState, FileWatch
from tests.services.counting import Asked

DEFAULT = default_policy()
SCOPED = DEFAULT.replace("rule: superset", "rule: scoped")
BAD = "version: 1\nrule: superset\nroles:\n  boss: []\n"


@dataclass
class Watched:
    """A policy file and what answers by it."""

    file: Path
    active_policy: ActivePolicy
    watch: FileWatch[Policy]

    @property
    def fares(self) -> tuple[str | None, FileState]:
        """The rule in force, and how the policy fares."""
        pdp = self.active_policy.decision_point
        return None if pdp is None else pdp.policy.rule, self.active_policy.state

    async def begin(self, text: str) -> None:
        self.file.write_text(text)
        await self.watch.begin()

    async def look(self, times: int = 2) -> None:
        for _ in range(times):
            await self.watch.look()


def watched_by(asked: Asked, tmp_path: Path) -> Watched:
    active_policy = ActivePolicy(partial(decision_point, asked.roster))
    file = tmp_path / "policy.yaml"
    return Watched(file, active_policy, policy_watch(file, active_policy))


async def test_what_a_file_comes_to_say_is_in_force(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(DEFAULT)
    watched.file.write_text(SCOPED)
    await watched.look()
    assert watched.fares == ("scoped", FileState.OK)


async def test_what_may_be_half_written_is_not_taken_yet(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(DEFAULT)
    for text in (SCOPED, DEFAULT.replace("rule: superset", "rule: maximum"), SCOPED):
        watched.file.write_text(text)
        await watched.look(times=1)
    assert watched.fares == ("superset", FileState.OK)


async def test_whoever_took_the_policy_before_keeps_it_and_shares_what_is_known(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(DEFAULT)
    before = watched.active_policy.decision_point
    watched.file.write_text(SCOPED)
    await watched.look()
    after = watched.active_policy.decision_point
    assert before is not None
    assert after is not None
    assert (before.policy.rule, after.policy.rule) == ("superset", "scoped")
    assert after.roster == before.roster


async def test_a_comment_changes_nothing(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(DEFAULT)
    before = watched.active_policy.decision_point
    watched.file.write_text(f"{DEFAULT}# and that was that\n")
    await watched.look()
    assert watched.active_policy.decision_point is before
    assert watched.fares == ("superset", FileState.OK)


@pytest.mark.parametrize(
    "content",
    [BAD.encode(), b"", b"\xff\xfe", b"[" * 100_000, b"rule: [", None],
    ids=["mistaken", "empty", "no text", "deep", "no YAML", "missing"],
)
async def test_a_file_unfit_for_use_leaves_what_there_was(content: bytes | None, asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(DEFAULT)
    if content is None:
        watched.file.unlink()
    else:
        watched.file.write_bytes(content)
    await watched.look()
    assert watched.fares == ("superset", FileState.OUTDATED)
    watched.file.write_text(SCOPED)
    await watched.look()
    assert watched.fares == ("scoped", FileState.OK)


async def test_what_is_in_force_is_no_longer_outdated_once_the_file_says_it_again(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(DEFAULT)
    for text in (BAD, DEFAULT):
        watched.file.write_text(text)
        await watched.look()
    assert watched.fares == ("superset", FileState.OK)


async def test_a_mistake_is_logged_once_with_its_line(
    caplog: pytest.LogCaptureFixture, asked: Asked, tmp_path: Path
) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(DEFAULT)
    watched.file.write_text(BAD)
    with caplog.at_level(logging.ERROR, "rosterguard"):
        await watched.look(times=9)
    assert caplog.messages == [f"the policy file cannot be used: line 4: roles.boss: {NO_ROLE}"]


async def test_what_is_allowed_and_seldom_meant_is_logged_each_time_that_it_comes_into_force(
    caplog: pytest.LogCaptureFixture, asked: Asked, tmp_path: Path
) -> None:
    watched = watched_by(asked, tmp_path)
    odd = "version: 1\nrule: maximum\nroles:\n  teacher:\n    - {allow: [section:view], over: schools}\n"
    warning = (
        "the policy: roles.teacher[0] reaches schools that are merely taught at: rule maximum gives staff rights there"
    )
    with caplog.at_level(logging.WARNING, "rosterguard"):
        await watched.begin(odd)
        for text in (SCOPED, odd):
            watched.file.write_text(text)
            await watched.look()
    assert caplog.messages == [warning, "the policy: superset has no effect: the rule is scoped", warning]


async def test_what_has_no_effect_is_logged_even_where_it_is_the_default_written_out(
    caplog: pytest.LogCaptureFixture, asked: Asked, tmp_path: Path
) -> None:
    watched = watched_by(asked, tmp_path)
    with caplog.at_level(logging.WARNING, "rosterguard"):
        await watched.begin(DEFAULT)
        watched.file.write_text(f"{DEFAULT}sections: {{after: drop}}\n")
        await watched.look()
    assert caplog.messages == ["the policy: sections.after has no effect: terms is any"]
    assert watched.active_policy.decision_point is not None
    assert watched.active_policy.decision_point.policy.file.sections.model_fields_set == {"after"}


async def test_nothing_is_in_force_until_a_bad_file_is_mended(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    await watched.begin(BAD)
    assert watched.active_policy.decision_point is None
    assert watched.active_policy.state == "unusable"
    watched.file.write_text(SCOPED)
    await watched.look()
    assert watched.fares == ("scoped", FileState.OK)


async def test_a_link_that_comes_to_point_elsewhere_is_noticed(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    one, other = watched.file.with_name("..1"), watched.file.with_name("..2")
    for folder, text in ((one, DEFAULT), (other, SCOPED)):
        folder.mkdir()
        (folder / "policy.yaml").write_text(text)
    data = watched.file.with_name("..data")
    data.symlink_to(one)
    watched.file.symlink_to("..data/policy.yaml")
    await watched.watch.begin()
    data.with_name("..new").symlink_to(other)
    data.with_name("..new").rename(data)
    await watched.look()
    assert watched.fares == ("scoped", FileState.OK)


async def test_it_keeps_looking(asked: Asked, tmp_path: Path) -> None:
    watched = watched_by(asked, tmp_path)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        watched.file.write_text(SCOPED)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    await watched.begin(DEFAULT)
    with suppress(asyncio.CancelledError):
        await watched.watch.keep_looking(sleep=pause)
    assert pauses == [LOOK_SECONDS] * 3
    assert watched.fares == ("scoped", FileState.OK)
