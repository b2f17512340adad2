"""A cold permission set beside the reads that it is made of: `python -m tests.bench.cold`.

Sandbox and service run as processes of their own. Every round asks Clever for each of the three reads, alone, and the
service for a set that it may not take from its cache; the medians of all rounds are compared.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import httpx

from app.sandbox.world import generate

DELAY_MS = 50
ROUNDS = 40
TOKEN = "sandbox-token"
COMMAND = [sys.executable, "-m", "app.cli"]


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[str]:
    """Run a command of ours that prints the address it serves on, and yield that."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.terminate()


def milliseconds(act: Callable[[], httpx.Response]) -> float:
    """Return how long a successful request takes."""
    began = time.perf_counter()
    act().raise_for_status()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure, and print a table."""
    user = generate().cases["staff_who_also_teach_elsewhere"].user
    reads = [f"/v3.1/users/{user}{part}" for part in ("", "/sections", "/schools")]
    taken: dict[str, list[float]] = {name: [] for name in (*reads, "cold permission set")}
    credential = {"Authorization": f"Bearer {TOKEN}"}
    anew = {"Cache-Control": "no-cache"}
    with (
        running("sandbox", "--port", "0", "--delay-ms", str(DELAY_MS), "--rate-limit", "0") as clever,
        running(
            "serve", "--port", "0", "--no-auth", ROSTERGUARD_CLEVER_URL=clever, ROSTERGUARD_CLEVER_TOKEN=TOKEN
        ) as url,
        httpx.Client(base_url=clever, headers=credential) as direct,
        httpx.Client(base_url=url, headers=anew) as service,
    ):
        service.get(f"/v1/users/{user}/permissions").raise_for_status()
        for _ in range(ROUNDS):
            for path in reads:
                taken[path].append(milliseconds(lambda path=path: direct.get(path)))  # type: ignore[misc]
            taken["cold permission set"].append(milliseconds(lambda: service.get(f"/v1/users/{user}/permissions")))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, Clever {DELAY_MS} ms away"
    )
    print("\n| what | median ms |\n| --- | --- |")
    for name, times in taken.items():
        print(f"| {name.replace(user, '{id}')} | {median(times):.1f} |")
    slowest = max(median(taken[path]) for path in reads)
    print(f"\ncold permission set / slowest read: {median(taken['cold permission set']) / slowest:.2f}")


if __name__ == "__main__":
    main()
