"""`rosterguard rehearse`: who gains and who loses permissions by the switch to API 3.x."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TextIO

import typer

from app.cli.district_reading import DistrictUnreadable, read_district
from app.cli.policy import read_policy_file
from app.comparison.differences import Comparison
from app.comparison.formats import Format, write
from app.comparison.tables import loses
from app.domain.calendar import Calendar, status_at
from app.domain.errors import PolicyMistakes
from app.domain.ids import DistrictId
from app.domain.policy import Policy
from app.main import policy_in
from app.migration.account_files import FileUnusable, written_whole
from app.migration.merging import Mode
from app.migration.rehearsal import Side, compare_accounts, compare_users
from app.roster.district import District
from app.settings import Settings, SettingsMistakes, read_settings

From = Literal["v1.1", "v1.2", "v2.0", "v2.1", "v3.0", "v3.1"]
To = Literal["v3.0", "v3.1"]

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", exists=True, dir_okay=False, readable=True, help="By default the policy that the settings name."
    ),
]


def rehearse(
    *,
    district: Annotated[str, typer.Option(metavar="ID", help="The Clever id of the district.")],
    old: Annotated[From, typer.Option("--from", help="The version of Clever's API that the application reads today.")],
    new: Annotated[To, typer.Option("--to", help="The version that it will read.")] = "v3.1",
    policy_from: PolicyOption = None,
    policy_to: PolicyOption = None,
    mode: Annotated[
        Mode, typer.Option(help="Whether a user has one account with all roles afterwards, or one for each role.")
    ] = Mode.MERGE,
    form: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the report goes; standard output by default.")
    ] = None,
    fail_on_loss: Annotated[
        bool, typer.Option("--fail-on-loss", help="Exit code 1 if anyone loses a permission.")
    ] = False,
) -> None:
    """Report who gains and who loses permissions by the switch to API 3.x, and why.

    Reads the whole district in both versions, with the settings of Clever's token, or client id and secret. Nothing is
    written unless both could be read.
    """
    try:
        settings = read_settings()
        before, after = (
            policy_in(settings) if file is None else read_policy_file(file) for file in (policy_from, policy_to)
        )
        sides = _sides(settings, DistrictId(district), (old, before), (new, after))
        comparison = compare_users(*sides) if old.startswith("v3") else compare_accounts(*sides, mode)
        with _target(output) as out:
            write(comparison, form, out)
    except SettingsMistakes as mistakes:
        _end(*mistakes.lines, code=2)
    except PolicyMistakes as error:
        _end(*map(str, error.mistakes))
    except (DistrictUnreadable, FileUnusable) as error:
        _end(str(error))
    typer.echo(_summary(comparison), err=True)
    raise typer.Exit(int(fail_on_loss and loses(comparison)))


def _sides(
    settings: Settings, named: DistrictId, old: tuple[From, Policy], new: tuple[To, Policy]
) -> tuple[Side, Side]:
    before, after = (_read(settings, named, version) for version, _ in (old, new))
    calendar = after.calendar()
    if calendar is None:
        if old[1].needs_calendar or new[1].needs_calendar:
            _end("a policy needs the district's calendar, and that cannot be read")
        calendar = Calendar()
    now = time.time()
    # The calendar of one day for both sides: what a pause takes away is no matter of the switch.
    sides = (
        Side(f"API {version}, policy {policy.revision}", district, policy, status_at(calendar, policy, now))
        for district, (version, policy) in ((before, old), (after, new))
    )
    first, second = sides
    return first, second


def _read(settings: Settings, named: DistrictId, version: From) -> District:
    try:
        return read_district(settings.model_copy(update={"clever_version": version}), named)
    except DistrictUnreadable as error:
        raise DistrictUnreadable(f"the district cannot be read in {version}: {error}") from error


def _summary(comparison: Comparison) -> str:
    losing, gaining = (
        sum(bool(changes) for changes in some)
        for some in (
            [each.lost for each in comparison.differences],
            [each.gained for each in comparison.differences],
        )
    )
    return f"{comparison.compared} compared: {losing} lose permissions, {gaining} gain some"


@contextmanager
def _target(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with written_whole(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()  # which writes what is left, and leaves the file open


def _end(*messages: str, code: int = 1) -> NoReturn:
    for message in messages:
        typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(code)
