"""What a plan begins with: how many districts and users there are, what was measured, and what is assumed."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What nobody has measured; each default can be replaced, and is printed."""

    fresh_seconds: float = field(default=300, metadata={"is": "seconds that a reading answers, where Clever allows it"})
    active: float = field(default=0.3, metadata={"is": "part of all users who are active in the busiest hour"})
    questions: float = field(default=60, metadata={"is": "questions about an active user in that hour"})
    rush_minutes: float = field(default=15, metadata={"is": "minutes of the morning in which all of them come"})
    headroom: float = field(default=0.25, metadata={"is": "part of limit, processors, memory that has to stay free"})
    homes: int = field(default=2, metadata={"is": "processes that keep a district, where the load balancer sees to it"})
    cores: int = field(default=4, metadata={"is": "processors of a machine, each with one process"})
    sections: float = field(default=0.2, metadata={"is": "sections of a district for each of its users"})
    memory_gib: float = field(default=16, metadata={"is": "GiB of memory of a machine"})

    @property
    def used(self) -> float:
        """The part of everything that may be used."""
        return 1 - self.headroom

    @property
    def between(self) -> float:
        """Seconds from one question about an active user to the next."""
        return 3600 / self.questions


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: seconds of a processor, bytes, and questions a second that one processor answers."""

    questions: float
    cold: float
    found: float
    process: float
    beyond: float
    rendered: float
    redis_cold: float
    redis_found: float
    redis_user: float
    load_user: float
    loaded_user: float

    @property
    def user(self) -> float:
        """Bytes of a cached user, with one answer."""
        return self.beyond + self.rendered


@dataclass(frozen=True, slots=True)
class Size:
    """So many districts with so many users in all; of the largest they are ``largest``, all others are alike."""

    name: str
    districts: int
    users: int
    largest: float

    def kinds(self) -> Iterator[tuple[int, float]]:
        """Yield how many districts have how many users, the largest first."""
        yield 1, self.largest
        if others := self.districts - 1:
            yield others, (self.users - self.largest) / others
