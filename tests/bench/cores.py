"""Which processor does what: servers have one to themselves, whoever asks them has the other."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_CAN_PIN = hasattr(os, "sched_setaffinity")
"""Linux can; elsewhere the system places processes as it likes, and HTTP figures are rougher for it."""


def _cores() -> tuple[int, int]:
    able = sorted(os.sched_getaffinity(0)) if _CAN_PIN else [0]
    return able[0], able[-1]


ASKING, SERVING = _cores()
"""Two processors of this machine; they are one where it has only one, and then no figure over HTTP is worth much."""


def pinned(command: Sequence[str | Path], *cores: int) -> list[str]:
    """Return a command that runs another one on these processors, with all the threads that it will have."""
    return [sys.executable, "-m", "tests.bench.cores", ",".join(map(str, cores)), *map(str, command)]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Have the calling thread run on one processor for the block."""
    if not _CAN_PIN:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processor_seconds(process: int) -> float:
    """Return the processor time, user and system, that all threads of a process have used, to the nanosecond.

    ``/proc/<pid>/stat`` tells it in hundredths of a second; the number of the clock is that of clock_getcpuclockid(3).
    """
    return time.clock_gettime(~process << 3 | 2)


if __name__ == "__main__":
    if _CAN_PIN:
        os.sched_setaffinity(0, map(int, sys.argv[1].split(",")))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 -- what is run takes this one's place, and its id
