"""`rosterguard accounts`: what becomes of an application's accounts from before Clever's API 3.0."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.clever.identities import read_people
from app.domain.errors import CleverError, RecordUnknown
from app.domain.ids import DistrictId, IdShape
from app.main import clever_client, id_shape
from app.migration.account_files import (
    FORMATS,
    Accounts,
    FileUnusable,
    Format,
    Row,
    accounts_in,
    table_writer,
    written_whole,
)
from app.migration.accounts import NamedAccount, RowMistake, account_of
from app.migration.matching import Certainty, Directory, Match, settled
from app.migration.merging import Merging, Mode, RoleAccount, Step
from app.migration.results import BAD_ROW, OF_ACCOUNT, OF_USER, of_account, of_bad_row, of_user, told
from app.settings import Settings, SettingsMistakes, read_settings

STREAM = Path("-")
"""Standard input or output."""

MOST_TOLD = 20
"""Bad rows that are told of on stderr; the result tells of all."""

_STEP = 1_000  # rows between two movements of the progress bar

app = typer.Typer(
    name="accounts",
    help="What becomes of an application's accounts from before Clever's API 3.0.",
    no_args_is_help=True,
)


@app.callback()
def accounts() -> None:
    """What becomes of an application's accounts from before Clever's API 3.0."""


@app.command()
def match(
    accounts: Annotated[Path, typer.Argument(help="The accounts: a CSV or NDJSON file, or - for standard input.")],
    *,
    district: Annotated[str, typer.Option(help="The Clever id of the district whose accounts these are.")],
    output: Annotated[Path, typer.Option(help="Where the result goes; standard output by default.")] = STREAM,
    users: Annotated[
        Path | None, typer.Option(help="Where to write for each user of the district what there is to do.")
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="Whether a user has one account with all roles from now on, or one for each role.")
    ] = Mode.MERGE,
    form: Annotated[
        Format | None, typer.Option("--format", help="The format of the files; their extension tells by default.")
    ] = None,
) -> None:
    """Match accounts to users of Clever's API 3.x, and say what becomes of each.

    Needs the settings of Clever's token, or client id and secret. The fields by which people are known are held in
    memory while this runs, and in the files alone that are named. Nothing is written unless all of it is.
    """
    try:
        with _terminable():
            settings = read_settings()
            form = form or _format_of(accounts)
            _check_targets(output, users)
            with _source(accounts) as source, _progress() as bar:
                run = _Run(accounts_in(source, form, OF_ACCOUNT), mode, id_shape(settings), bar)
                run.match(_directory(settings, DistrictId(district), bar))
                with ExitStack() as files:
                    run.write(files.enter_context(_target(output)))
                    if users is not None:
                        run.write_users(files.enter_context(_target(users)), FORMATS.get(users.suffix, form))
            run.tell()
    except SettingsMistakes as mistakes:
        _end(*mistakes.lines, code=2)
    except FileUnusable as error:
        _end(str(error))
    except RecordUnknown:
        _end("no district with this id is connected")
    except CleverError as error:
        _end(f"the district cannot be read: {error}")


class _Matched(NamedTuple):
    row: int
    account: RoleAccount
    match: Match


class _Run:
    """One run: what was read of the accounts, and what came out."""

    def __init__(self, accounts: Accounts, mode: Mode, ids: IdShape, bar: Progress) -> None:
        self._accounts = accounts
        self._mode = mode
        self._ids = ids
        self._bar = bar
        self._matched: Sequence[_Matched] = ()
        self._mistakes: dict[int, RowMistake] = {}
        self._merging = Merging(mode, {}, ())

    def match(self, directory: Directory) -> None:
        """Match all accounts: only when the last one is known are they settled."""
        found = [(number, named, directory.match(named.account)) for number, named in self._read()]
        matches = settled([(named.account.identity.role, match) for _, named, match in found])
        self._matched = [
            _Matched(number, RoleAccount(named.account.identity.role, named.id), match)
            for (number, named, _), match in zip(found, matches, strict=True)
        ]
        users = directory.users()
        self._merging = Merging(self._mode, users, ((each.account, each.match) for each in self._matched))

    def write(self, target: BinaryIO) -> None:
        """Write each row with what came out."""
        write, matched = self._accounts.writer(target), iter(self._matched)
        for row in self._rows("writing"):
            if (mistake := self._mistakes.get(row.number)) is not None:
                write(row, of_bad_row(row.number, mistake))
                continue
            each = next(matched, None)
            if each is None or each.row != row.number:
                raise FileUnusable("the file of accounts has changed meanwhile")
            write(row, of_account(each.account.role, each.match, self._merging, self._mode))
        if next(matched, None) is not None:
            raise FileUnusable("the file of accounts has changed meanwhile")

    def write_users(self, target: BinaryIO, form: Format) -> None:
        """Write what there is to do for each user."""
        write = table_writer(target, form, OF_USER)
        for user in self._merging.users():
            write(of_user(user))

    def tell(self) -> None:
        """Tell on stderr how many accounts came out how, and which rows cannot be used."""
        results = Counter[str](each.match.result for each in self._matched)
        results[BAD_ROW] = len(self._mistakes)
        certain = Counter(each.match.certainty for each in self._matched if each.match.certainty)
        steps = Counter(user.step for user in self._merging.users())
        _say(f"{results.total():,} accounts: {_counted(results)}")
        _say(f"matched by certainty: {_counted(certain)}")
        _say(f"users: {_counted(steps, 'to ')}")
        for number, mistake in [*self._mistakes.items()][:MOST_TOLD]:
            _say(told(number, mistake))
        if (more := len(self._mistakes) - MOST_TOLD) > 0:
            _say(f"… and {more:,} more bad rows, each with its reason in the result")

    def _read(self) -> Iterator[tuple[int, NamedAccount]]:
        for row in self._rows("matching"):
            try:
                if row.mistake is not None:
                    raise row.mistake
                yield row.number, account_of(row.cells, self._ids.fits)
            except RowMistake as mistake:
                self._mistakes[row.number] = mistake.with_traceback(None)

    def _rows(self, title: str) -> Iterable[Row]:
        task, read = self._bar.add_task(title, total=len(self._matched) or None), 0
        for row in self._accounts.rows():
            yield row
            read += 1
            if read % _STEP == 0:
                self._bar.update(task, completed=read)
        self._bar.update(task, completed=read, total=read)


def _directory(settings: Settings, district: DistrictId, bar: Progress) -> Directory:
    directory, task = Directory(district=district), bar.add_task("reading the district", total=None)

    async def read() -> None:
        client = clever_client(settings)
        try:
            await read_people(client, district, directory.add, lambda users: bar.update(task, completed=users))
        finally:
            await client.aclose()

    asyncio.run(read())
    return directory


def _format_of(path: Path) -> Format:
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise FileUnusable(f"{path}: give the --format: the name ends with none of {', '.join(FORMATS)}") from None


def _check_targets(output: Path, users: Path | None) -> None:
    if users is not None and users.resolve() == output.resolve():
        raise FileUnusable(f"{users}: --output and --users name the same file")


@contextmanager
def _source(path: Path) -> Iterator[BinaryIO]:
    """Open what is read twice; what cannot be read again is kept in memory."""
    if path == STREAM:
        given = sys.stdin.buffer
        yield given if given.seekable() else BytesIO(given.read())
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileUnusable(f"{path}: the file cannot be read: {error.strerror}") from None
    with file:
        yield file


@contextmanager
def _target(path: Path) -> Iterator[BinaryIO]:
    if path != STREAM:
        with written_whole(path) as file:
            yield file
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM end the run as Ctrl-C does, so that no half file stays behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _counted(counts: Counter[str] | Counter[Certainty] | Counter[Step], before: str = "") -> str:
    return ", ".join(f"{number:,} {before}{what}" for what, number in counts.most_common() if number) or "none"


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)


def _end(*messages: str, code: int = 1) -> None:
    for message in messages:
        _say(f"Error: {message}")
    raise typer.Exit(code)
