"""What a plan says, in words and tables for a terminal: what was measured, what is assumed, what follows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from math import floor, log10
from textwrap import fill

from tests.bench import limits
from tests.bench.assumptions import Assumptions, Measured
from tests.bench.plan import LIMIT, Plan, load_requests

_WIDTH = 110
_MILLION = 1_000_000
_UNITS = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20))

_Column = Callable[[Plan], str]


def report(plans: Sequence[Plan], given: Assumptions, measured: Measured, source: str, *also_assumed: str) -> str:
    """Return the whole of it; ``source`` is where and when was measured."""
    assumed = (f"{each.metadata['is']}: {getattr(given, each.name):,g}" for each in fields(given))
    tables = (f"{_table(title, columns, plans)}\n{_filled(note)}" for title, columns, note in _TABLES)
    parts = (
        f"Measured ({source}):\n{_listed(_measured(measured))}",
        f'Assumed (WITH="--active 0.5" and the like say otherwise):\n{_listed((*assumed, *also_assumed))}',
        *tables,
        "Where the limit lies:\n" + "\n".join(_filled(each, "- ") for each in _limits(given, measured)),
    )
    return "\n\n".join(parts)


def _measured(measured: Measured) -> Iterator[str]:
    yield f"questions about cached users that a processor answers in a second: {_rounded(measured.questions)}"
    yield f"processor time of a user who is read, alone: {_ms(measured.cold)}, and {_ms(measured.redis_cold)} of Redis"
    yield f"of one who is found in Redis, alone: {_ms(measured.found)}, and {_ms(measured.redis_found)} of Redis"
    yield f"a cached user with an answer: {_rounded(measured.user)} bytes; in Redis: {_rounded(measured.redis_user)}"
    yield f"a process without users: {_bytes(measured.process)}"
    yield (
        f"a user of a district that is loaded as a whole: {measured.load_user * 1e6:,.0f} µs of a processor, and "
        f"{_rounded(measured.loaded_user)} bytes, sections included"
    )


_CLEVER: Mapping[str, _Column] = {
    "requests a minute": lambda each: _rounded(each.clever.requests),
    "fullest token": lambda each: _rounded(each.clever.wanted),
    "keeps fresh for": lambda each: _duration(each.clever.fresh),
    "all read after": lambda each: _duration(each.clever.filled * 60),
    "nothing shared": lambda each: _rounded(each.clever.alone),
}
_MACHINES: Mapping[str, _Column] = {
    "questions a second": lambda each: _rounded(each.machines.questions),
    "processors for them": lambda each: _rounded(each.machines.for_questions),
    "for readings": lambda each: _rounded(each.machines.for_readings),
    "processes": lambda each: _counted(each.machines.processes),
    "machines": lambda each: _counted(each.machines.machines),
}
_MEMORY: Mapping[str, _Column] = {
    "users": lambda each: _rounded(each.memory.cached),
    "a process": lambda each: _bytes(each.memory.process),
    "of all": lambda each: _bytes(each.memory.process_of_all),
    "machines": lambda each: _counted(each.memory.machines_of_all) if each.memory.machines_of_all else "none fits",
    "Redis": lambda each: _bytes(each.redis.held),
    "commands a second": lambda each: _rounded(each.redis.commands),
    "servers": lambda each: _counted(each.redis.servers),
}
_LOADS: Mapping[str, _Column] = {
    "requests": lambda each: _counted(each.loads.requests),
    "processor": lambda each: _duration(each.loads.seconds),
    "memory": lambda each: _bytes(each.loads.held),
    "a process": lambda each: _bytes(each.loads.process),
    "polls a minute": lambda each: _rounded(each.loads.polls),
}

_CLEVER_NOTE = """\
Requests a minute with all tokens, each district at the fresh time that it can keep; with that of the largest district,
at the fresh time assumed; the fresh time that this token can keep; when all of its active users have been read in the
morning; and its requests at that fresh time if processes shared neither Redis nor districts."""
_MACHINES_NOTE = "Each district kept on a few processes; machines by their processors or their memory."
_MEMORY_NOTE = """\
Users in the fullest process (ROSTERGUARD_CACHE_USERS) and what it takes, where each district is kept on a few; the
same where each process caches the active users of all, and machines for it; what Redis holds and does."""
_LOADS_NOTE = """\
What it takes instead to load the largest district as a whole, with everyone: requests, time of a processor, memory;
the fullest process, which holds all users of the districts that it keeps and answers for the active ones; and requests
a minute for the events of all districts. All of its users are read after that, and none is read anew."""

_TABLES = (
    ("Clever", _CLEVER, _CLEVER_NOTE),
    ("Processors", _MACHINES, _MACHINES_NOTE),
    ("Memory and Redis", _MEMORY, _MEMORY_NOTE),
    ("Loaded", _LOADS, _LOADS_NOTE),
)


def _limits(given: Assumptions, measured: Measured) -> Iterator[str]:
    """Yield a sentence or two for each limit, in the order in which more users meet them."""
    yield "First " + _limit_of_clever(given)
    yield _instead(given, measured)
    later = sorted((_limit_of_memory(given, measured), _limit_of_redis(given, measured)))
    yield from (f"Then, past {_rounded(users)} users in all, {words}" for users, words in later)
    yield (
        "Never the processors that answer questions. Readings take "
        f"{_rounded(limits.cost_of_readings(given, measured))} times as much of them, so what saves readings saves "
        "machines: a longer fresh time, and all that helps with Clever's limit."
    )


def _limit_of_memory(given: Assumptions, measured: Measured) -> tuple[float, str]:
    return limits.most_in_every_process(given, measured), (
        "memory, where every process caches everybody: a machine no longer holds one for each of its processors. Let "
        f"the load balancer keep each district on {given.homes} processes, by a consistent hash."
    )


def _limit_of_redis(given: Assumptions, measured: Measured) -> tuple[float, str]:
    return limits.most_of_one_redis(given, measured), (
        "one Redis, which has one processor for it all. Districts share nothing: give each group of processes that "
        "keeps some districts a Redis of its own, or none where one process keeps a district."
    )


def _limit_of_clever(given: Assumptions) -> str:
    fresh, hour, used = given.fresh_seconds, 3600, 1 - given.headroom
    active = limits.most_active(fresh, given)
    return (
        f"Clever's {LIMIT:,} requests a minute and district, {used:.0%} of which readings may take: "
        f"{_duration(fresh)} can be kept for {_rounded(active)} active users, a district of "
        f"{_rounded(active / given.active)}. Past that the fresh time grows with the district: an hour for "
        f"{_rounded(limits.most_active(hour, given) / given.active)} users. From "
        f"{_rounded(limits.largest_rush(given))} on not all who come in the morning can be read in its "
        f"{given.rush_minutes:g} minutes."
    )


def _instead(given: Assumptions, measured: Measured) -> str:
    rush = limits.largest_rush(given)
    return (
        f"That falls for districts that are loaded as a whole (ROSTERGUARD_LOAD): {_rounded(rush)} users are "
        f"{load_requests(rush, given)} requests and {_duration(rush * measured.load_user)} of a processor, and a "
        f"million {load_requests(_MILLION, given)} and {_duration(_MILLION * measured.load_user)}, before anybody "
        "comes; then Clever's events say what to change. A token of a plan without these lists keeps the limit above."
    )


def _table(title: str, columns: Mapping[str, _Column], plans: Sequence[Plan]) -> str:
    rows = [[each.size.name, *(told(each) for told in columns.values())] for each in plans]
    lines = [[title, *columns], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(line, widths) for line in (*lines[:1], ["-" * width for width in widths], *rows))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = cells
    return "  ".join((first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])))


def _listed(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(_filled(line, "- ") for line in lines)


def _filled(text: str, mark: str = "") -> str:
    return fill(text, _WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark))


def _rounded(number: float) -> str:
    """Return a number with the two digits that can be believed."""
    digits = 1 - floor(log10(number)) if number else 0
    return f"{round(number, digits):,.{max(0, digits)}f}"


def _counted(number: int) -> str:
    return str(number) if number < 10 else _rounded(number)


def _ms(seconds: float) -> str:
    return f"{_rounded(seconds * 1000)} ms"


def _bytes(number: float) -> str:
    unit, size = next((each for each in _UNITS if number >= each[1]), _UNITS[-1])
    return f"{_rounded(number / size)} {unit}"


def _duration(seconds: float) -> str:
    """Return seconds; from ten minutes on minutes, and from a hundred of these on hours."""
    if seconds < 600:
        return f"{_rounded(seconds)} s"
    return f"{_rounded(seconds / 60)} min" if seconds < 6_000 else f"{_rounded(seconds / 3600)} h"
