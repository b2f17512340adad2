"""`python -m tests.bench [hot|evaluation|engine|cold|memory|workers]`: what the service costs, in ratios.

Prints a table for each part, and exits with 1 where a figure that is wanted was missed, with 2 where what
measures is not there or requests failed. When all parts are run, the figures are written beside this file.
"""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from tests.bench import cold, engine, evaluation, hot, load, memory, tools, workers
from tests.bench.figures import Part, as_json, as_markdown, machine
from tests.chaos.report import printed

PARTS = {
    "hot": ("The permission set of a cached user", hot.main),
    "evaluation": ("Decisions on a cached user", evaluation.main),
    "engine": ("The engine, in process", engine.main),
    "cold": ("A cold user", cold.main),
    "memory": ("Memory", memory.main),
    "workers": ("A second worker", workers.main),
}
HERE = Path(__file__).parent


def main(names: Sequence[str], day: date) -> int:
    """Run some parts, or all, and return the exit code."""
    if unknown := set(names) - PARTS.keys():
        print(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    parts, reached = [], True
    for name in names or PARTS:
        title, measured = PARTS[name]
        began = time.monotonic()
        try:
            parts.append(Part(name, title, measured()))
        except (tools.Missing, load.WentWrong) as error:
            print(error, file=sys.stderr)
            return 2
        reached = printed(title, parts[-1].figures) and reached
        print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    if not names:
        (HERE / "figures.md").write_text(as_markdown(parts, day), encoding="utf-8")
        (HERE / "figures.json").write_text(as_json(parts, day), encoding="utf-8")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], datetime.now(UTC).date()))
