"""What was reached, beside what was to be reached."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, in words; ``wanted`` is empty for one that is only reported, and ``number`` is what was reached."""

    what: str
    reached: str
    wanted: str = ""
    met: bool = True
    number: float | None = None


def at_most(what: str, reached: float, most: float, unit: str = "") -> Figure:
    """Return a figure that must not be larger."""
    return Figure(what, _said(reached, unit), f"≤ {_said(most, unit)}", reached <= most, reached)


def at_least(what: str, reached: float, least: float, unit: str = "") -> Figure:
    """Return a figure that must not be smaller."""
    return Figure(what, _said(reached, unit), f"≥ {_said(least, unit)}", reached >= least, reached)


def told(what: str, reached: float, unit: str = "") -> Figure:
    """Return a figure that is only reported."""
    return Figure(what, _said(reached, unit), number=reached)


def unmeasured(what: str, why: str) -> Figure:
    """Return a figure that could not be measured, and why; it misses nothing."""
    return Figure(what, f"not measured: {why}")


def _said(number: float, unit: str) -> str:
    return f"{number:,.0f}{unit}" if number == int(number) or abs(number) >= 100 else f"{number:,.2f}{unit}"


def printed(title: str, figures: Iterable[Figure]) -> bool:
    """Print a table, and tell whether everything wanted was reached."""
    listed = list(figures)
    print(f"\n{table(title, listed)}")
    return all(one.met for one in listed)


def table(title: str, figures: Iterable[Figure]) -> str:
    """Return figures as a table in Markdown under a title."""
    rows = (f"| {one.what} | {one.reached} | {one.wanted} | {_mark(one)} |" for one in figures)
    return "\n".join((f"## {title}\n", "| what | reached | wanted | |", "| --- | --- | --- | --- |", *rows))


def _mark(figure: Figure) -> str:
    return "" if not figure.wanted else "met" if figure.met else "**MISSED**"


def quantile(numbers: Iterable[float], part: float) -> float:
    """Return the number below which a part of them lies; 0 where there are none."""
    ordered = sorted(numbers)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0
