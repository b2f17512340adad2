"""What districts and their users cost, by laws over measured figures and stated assumptions; pure.

A user who keeps asking is read anew once in a round: the time until a reading is renewed, and then until their next
question. Where processes share nothing each of them does so, and hears but its part of the questions.
"""

from math import ceil
from typing import NamedTuple

from tests.bench.assumptions import Assumptions, Measured, Size

READS = 3
"""Requests to Clever for a user; one more for each further page of sections, of which few have any."""

LIMIT = 1200
"""Requests that Clever takes in a minute with one token, of which each district has its own
(dev.clever.com/docs/error-messages)."""

RENEWED = 0.81
"""The part of the fresh time after which a question has a reading renewed: the service draws it from 2/3 to 0.95."""

COMMANDS = 3
"""Commands to Redis for a user who is read: look, take the lease, put. One who is found there takes the first alone."""

PAGE = 10_000
"""Records of a page of a whole district."""

ONCE = 4
"""Requests for a load beside those pages of sections and users: the newest event, schools, terms, the district."""

POLLS = 6
"""How often a minute a loaded district's events are asked for, where nothing else is set."""

GIB = 1 << 30


class Clever(NamedTuple):
    """Requests to Clever.

    Attributes:
        requests: a minute, with all tokens, each district at the fresh time that it can keep.
        wanted: a minute with the token of the largest district, if readings answer as long as is wanted.
        fresh: seconds that readings of that district answer so that its token suffices.
        filled: minutes until all of its active users have been read, with all that Clever allows.
        alone: requests a minute with its token at that fresh time, if processes share nothing.
    """

    requests: float
    wanted: float
    fresh: float
    filled: float
    alone: float


class Machines(NamedTuple):
    """Processors; ``processes`` are as many as these take with headroom, and no fewer than keep one district.

    Attributes:
        questions: a second.
        for_questions: processors that answer them from what is cached.
        for_readings: processors that read users.
        processes: one for each processor.
        machines: as many as hold them by processors, and each district's users a few times by memory.
    """

    questions: float
    for_questions: float
    for_readings: float
    processes: int
    machines: int


class Memory(NamedTuple):
    """Memory of processes, in bytes.

    Attributes:
        cached: users in the fullest process, where each district is kept on a few.
        process: what that process takes.
        process_of_all: what each takes that caches all active users.
        machines_of_all: as many as hold such processes; 0 where none does.
    """

    cached: float
    process: float
    process_of_all: float
    machines_of_all: int


class Redis(NamedTuple):
    """What Redis holds, in bytes, what it does a second, and how many of it that takes."""

    held: float
    commands: float
    servers: int


class Loads(NamedTuple):
    """What it takes to load districts as a whole, with everybody in them, and to follow their events.

    Attributes:
        requests: to Clever, to load the largest district.
        seconds: of a processor, for that.
        held: bytes that it takes then.
        process: bytes of the fullest process, where each district is kept on a few.
        polls: requests to Clever a minute, with all tokens, if one process follows a district.
    """

    requests: int
    seconds: float
    held: float
    process: float
    polls: float


class Plan(NamedTuple):
    """What a size takes in its busiest hour."""

    size: Size
    clever: Clever
    machines: Machines
    memory: Memory
    redis: Redis
    loads: Loads


def readings(active: float, fresh: float, given: Assumptions, alone: int = 1) -> float:
    """Return how many readings a second active users cause; ``alone`` is how many processes share nothing of them."""
    return active * alone / (RENEWED * fresh + alone * given.between)


def requests(active: float, fresh: float, given: Assumptions, alone: int = 1) -> float:
    """Return the requests to Clever a minute of that."""
    return 60 * READS * readings(active, fresh, given, alone)


def kept_fresh(active: float, given: Assumptions) -> float:
    """Return the fresh time that the token of a district with so many active users can keep, the wanted one or more."""
    round_seconds = active * READS * 60 / (LIMIT * given.used)
    return max(given.fresh_seconds, (round_seconds - given.between) / RENEWED)


def filled(active: float) -> float:
    """Return the minutes that Clever takes to tell of so many users with one token."""
    return active * READS / LIMIT


def load_requests(users: float, given: Assumptions) -> int:
    """Return the requests to Clever that load a district of so many users."""
    return ONCE + _whole(users * given.sections / PAGE) + _whole(users / PAGE)


def planned(size: Size, given: Assumptions, measured: Measured) -> Plan:
    """Return what a size takes."""
    machines = _machines(size, given, measured)
    return Plan(
        size,
        _clever(size, given, machines.processes),
        machines,
        _memory(size, given, measured, machines),
        _redis(size, given, measured),
        _loads(size, given, measured, machines),
    )


def _clever(size: Size, given: Assumptions, processes: int) -> Clever:
    largest = size.largest * given.active
    fresh = kept_fresh(largest, given)
    return Clever(
        requests=60 * READS * _read(size, given),
        wanted=requests(largest, given.fresh_seconds, given),
        fresh=fresh,
        filled=filled(largest),
        alone=requests(largest, fresh, given, processes),
    )


def _machines(size: Size, given: Assumptions, measured: Measured) -> Machines:
    questions = size.users * given.active / given.between
    for_questions, for_readings = questions / measured.questions, _reading(size, given, measured)
    processes = max(given.homes, _whole((for_questions + for_readings) / given.used))
    taken = processes * measured.process + size.users * given.active * given.homes * measured.user
    by_memory = _whole(taken / (given.memory_gib * GIB * given.used))
    machines = max(_whole(processes / given.cores), by_memory)
    return Machines(questions, for_questions, for_readings, processes, machines)


def _reading(size: Size, given: Assumptions, measured: Measured) -> float:
    """Return the processors for readings: of the rush, in which none is renewed yet, or of the time after it."""
    come = sum(count * min(users * given.active / given.rush_minutes, LIMIT / READS) for count, users in size.kinds())
    later = _read(size, given) * measured.cold + _found(size, given) * measured.found
    return max(come / 60 * measured.cold, later)


def _memory(size: Size, given: Assumptions, measured: Measured, machines: Machines) -> Memory:
    active = size.users * given.active
    cached = max(size.largest * given.active, active * given.homes / machines.processes)
    process, of_all = (measured.process + users * measured.user for users in (cached, active))
    fitting = int(given.memory_gib * GIB * given.used / of_all)
    by_processors = _whole(machines.processes / given.cores)
    machines_of_all = max(by_processors, ceil(machines.processes / fitting)) if fitting else 0
    return Memory(cached, process, of_all, machines_of_all)


def _redis(size: Size, given: Assumptions, measured: Measured) -> Redis:
    read, found = _read(size, given), _found(size, given)
    taken = read * measured.redis_cold + found * measured.redis_found
    return Redis(
        held=size.users * given.active * measured.redis_user,
        commands=read * COMMANDS + found,
        servers=_whole(taken / given.used),
    )


def _loads(size: Size, given: Assumptions, measured: Measured, machines: Machines) -> Loads:
    loaded = max(size.largest, size.users * given.homes / machines.processes)
    return Loads(
        requests=load_requests(size.largest, given),
        seconds=size.largest * measured.load_user,
        held=size.largest * measured.loaded_user,
        process=measured.process + loaded * (measured.loaded_user + given.active * measured.user),
        polls=size.districts * POLLS,
    )


def _read(size: Size, given: Assumptions) -> float:
    """Return the readings a second of all districts, each as fresh as it can be kept."""
    kinds = ((count, users * given.active) for count, users in size.kinds())
    return sum(count * readings(active, kept_fresh(active, given), given) for count, active in kinds)


def _found(size: Size, given: Assumptions) -> float:
    """Return how often a second one home of a district looks for a user whom another has read."""
    kinds = ((count, users * given.active) for count, users in size.kinds())
    looks = sum(count * readings(active, kept_fresh(active, given), given, given.homes) for count, active in kinds)
    return looks - _read(size, given)


def _whole(number: float) -> int:
    return max(1, ceil(number))
