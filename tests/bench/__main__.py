"""`python -m tests.bench [hot|evaluation|engine|cold|memory|district|workers|redis]`: what the service costs.

Prints a table for each part, mostly of ratios. A part or a rival that cannot be measured is told with its reason, and
takes nothing else along. The exit code is 0; with STRICT=1 it is 1 where a measured figure missed what is wanted; and
it is 2 for a part that does not exist. When all parts are run, the figures are written beside this file.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from tests.bench import cold, district, engine, evaluation, hot, memory, redis, workers
from tests.bench.figures import Part, as_json, as_markdown, machine
from tests.bench.tools import reason_of
from tests.chaos.report import Figure, printed, unmeasured

Measuring = Callable[[], Iterable[Figure]]

Parts = Mapping[str, tuple[str, Measuring]]

PARTS: Parts = {
    "hot": ("The permission set of a cached user", hot.main),
    "evaluation": ("Decisions on a cached user", evaluation.main),
    "engine": ("The engine, in process", engine.main),
    "cold": ("A cold user", cold.main),
    "memory": ("Memory", memory.main),
    "district": ("A whole district", district.main),
    "workers": ("A second worker", workers.main),
    "redis": ("Redis as the second tier", redis.main),
}
HERE = Path(__file__).parent


def main(names: Sequence[str], day: date, *, strict: bool = False, into: Path = HERE, parts: Parts = PARTS) -> int:
    """Run some parts, or all and write their figures ``into`` a folder, and return the exit code."""
    if unknown := set(names) - parts.keys():
        print(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    run, reached = list[Part](), True
    for name in names or parts:
        title, measuring = parts[name]
        began = time.monotonic()
        run.append(Part(name, title, measured(measuring)))
        reached = printed(title, run[-1].figures) and reached
        print(f"\n{time.monotonic() - began:.0f} s", flush=True)
        if not names:
            (into / "figures.md").write_text(as_markdown(run, day), encoding="utf-8")
            (into / "figures.json").write_text(as_json(run, day), encoding="utf-8")
    return 1 if strict and not reached else 0


def measured(measuring: Measuring) -> Sequence[Figure]:
    """Measure one part, as far as that goes: what was measured before something failed is kept."""
    figures: list[Figure] = []
    try:
        for figure in measuring():
            figures.append(figure)  # noqa: PERF402 -- extend would lose them all where the last one fails
    except Exception as error:  # noqa: BLE001 -- whatever fails in one part, the others are measured
        traceback.print_exc()
        figures.append(unmeasured("the rest of this part", reason_of(error)))
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], datetime.now(UTC).date(), strict=os.environ.get("STRICT") == "1"))
