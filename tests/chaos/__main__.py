"""What the service reaches while things go wrong.

`python -m tests.chaos [faults|connections|outage|overload|bulk|restart|following|fuzz]` runs some parts, or all,
prints a table for each, and exits with 1 where a figure that is wanted was missed.
"""

import os
import platform
import sys
import time

from tests.chaos import bulk, connections, faults, following, fuzz, outage, overload, restart
from tests.chaos.report import printed

PARTS = {
    "faults": ("Mixed faults in fast-forward", faults.main),
    "connections": ("Thousands of strangers, and callers who leave", connections.main),
    "outage": ("Clever dead, and back", outage.main),
    "overload": ("Overload (generator, service and sandbox share the cores)", overload.main),
    "bulk": ("Full batches of one caller beside another's cached answers", bulk.main),
    "restart": ("Rolling restart under load", restart.main),
    "following": ("Thousands of events, with faults and restarts in between", following.main),
    "fuzz": ("Requests that nobody would send", fuzz.main),
}


def main(names: list[str]) -> int:
    """Run some parts, or all, and return the exit code."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
    reached = True
    for name in names or PARTS:
        title, part = PARTS[name]
        began = time.monotonic()
        reached = printed(title, part()) and reached
        print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
