import json
from datetime import date

from tests.bench.figures import Part, as_json, as_markdown
from tests.chaos.report import at_least, told

PARTS = [
    Part("hot", "A cached user", [at_least("ours / bare", 0.56789, 0.6), told("bare: requests a second", 11844.25)])
]
DAY = date(2026, 11, 22)


def test_the_figures_for_programs_tell_what_was_wanted_and_whether_it_was_met() -> None:
    said = json.loads(as_json(PARTS, DAY))
    assert said["date"] == "2026-11-22"
    assert said["figures"] == {
        "hot": [
            {"what": "ours / bare", "reached": 0.5679, "wanted": "≥ 0.60", "met": False},
            {"what": "bare: requests a second", "reached": 11840.0, "wanted": None, "met": None},
        ]
    }


def test_the_figures_for_people_are_a_table_for_each_part() -> None:
    assert as_markdown(PARTS, DAY).endswith(
        "## A cached user\n\n"
        "| what | reached | wanted | |\n"
        "| --- | --- | --- | --- |\n"
        "| ours / bare | 0.57 | ≥ 0.60 | **MISSED** |\n"
        "| bare: requests a second | 11,844 |  |  |\n"
    )
