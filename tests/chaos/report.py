"""What was reached, beside what was to be reached."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, in words; ``wanted`` is empty for one that is only told."""

    what: str
    reached: str
    wanted: str = ""
    met: bool = True


def at_most(what: str, reached: float, most: float, unit: str = "") -> Figure:
    """Return a figure that must not be larger."""
    return Figure(what, _said(reached, unit), f"≤ {_said(most, unit)}", reached <= most)


def at_least(what: str, reached: float, least: float, unit: str = "") -> Figure:
    """Return a figure that must not be smaller."""
    return Figure(what, _said(reached, unit), f"≥ {_said(least, unit)}", reached >= least)


def told(what: str, reached: float, unit: str = "") -> Figure:
    """Return a figure that is only told."""
    return Figure(what, _said(reached, unit))


def _said(number: float, unit: str) -> str:
    return f"{number:,.0f}{unit}" if number == int(number) or abs(number) >= 100 else f"{number:,.2f}{unit}"


def printed(title: str, figures: Iterable[Figure]) -> bool:
    """Print a table, and tell whether everything wanted was reached."""
    listed = list(figures)
    print(f"\n## {title}\n\n| what | reached | wanted | |\n| --- | --- | --- | --- |")
    for one in listed:
        mark = "" if not one.wanted else "met" if one.met else "**MISSED**"
        print(f"| {one.what} | {one.reached} | {one.wanted} | {mark} |")
    return all(one.met for one in listed)


def quantile(numbers: Iterable[float], part: float) -> float:
    """Return the number below which a part of them lies; 0 where there are none."""
    ordered = sorted(numbers)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0
