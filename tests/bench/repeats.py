"""Timing in this process: the best of several repeats, for whatever else the machine does only ever adds."""

import time
from collections.abc import Callable

REPEATS = 7


def seconds_of(act: Callable[[], object], *, times: int, repeats: int = REPEATS) -> float:
    """Return the processor time that one act takes: of repeats of ``times`` acts each, in the best."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        for _ in range(times):
            act()
        taken.append(time.process_time() - began)
    return min(taken) / times
