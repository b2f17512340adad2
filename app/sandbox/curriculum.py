"""The terms, courses and resources of a generated district, and which of them its sections have."""

from collections.abc import Sequence
from datetime import date, timedelta

from app.sandbox.records import RESERVED_NUMBERS, Course, Ids, Resource, Term

USUAL_DAY = date(2024, 9, 2)
"""The day around which terms lie by default."""

PAST, CURRENT, FUTURE, UNDATED = range(RESERVED_NUMBERS, RESERVED_NUMBERS + 4)
"""The numbers of the terms; the undated one has no name either."""

_TERM_OF_TENTH = (CURRENT, CURRENT, CURRENT, CURRENT, CURRENT, CURRENT, PAST, FUTURE, UNDATED, None)

SUBJECTS = {
    "Math": "math",
    "English": "english/language arts",
    "Science": "science",
    "History": "social studies",
    "Music": "arts and music",
}
"""The courses with their subject in Clever's terms."""


def terms_of(ids: Ids, today: date) -> list[Term]:
    """Return a past, a current and a future term as of ``today``, and one without dates."""
    spans = (("Last Term", -200, -61), ("This Term", -60, 90), ("Next Term", 91, 240))
    terms = [
        Term(term_id(ids, number), ids.of("district", 0), number, name, _day(today, start), _day(today, end))
        for number, (name, start, end) in enumerate(spans, PAST)
    ]
    return [*terms, Term(term_id(ids, UNDATED), ids.of("district", 0), UNDATED, None, None, None)]


def term_id(ids: Ids, number: int) -> str:
    """Return the id of a term."""
    return ids.of("term", number)


def courses_of(ids: Ids) -> list[Course]:
    """Return a course for each subject."""
    return [
        Course(ids.of("course", number), ids.of("district", 0), number, name)
        for number, name in enumerate(SUBJECTS, RESERVED_NUMBERS)
    ]


def resources_of(ids: Ids, courses: Sequence[Course]) -> list[Resource]:
    """Return a textbook for each course, and a guide for the teachers of all courses."""
    every = tuple(course.id for course in courses)
    titles = [(f"{one.name} Textbook", ("teacher", "student"), (one.id,)) for one in courses]
    return [
        Resource(ids.of("resource", number), ids.of("district", 0), number, title, roles, meant_for)
        for number, (title, roles, meant_for) in enumerate([*titles, ("Guide", ("teacher",), every)], RESERVED_NUMBERS)
    ]


def term_of_section(ids: Ids, number: int) -> str | None:
    """Return the term of a generated section: the current one for six in ten, none for one in ten."""
    term = _TERM_OF_TENTH[number % len(_TERM_OF_TENTH)]
    return None if term is None else term_id(ids, term)


def _day(today: date, days: int) -> str:
    return (today + timedelta(days=days)).isoformat()
