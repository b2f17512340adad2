"""The versions of Clever's API: the endpoints of each, and how it writes records."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TypeAlias

from app.sandbox.endpoints import EVENTS, ONE_EVENT, V3_COUNTED, V3_LISTS, V3_ONES, ListQuestion, OneQuestion, find
from app.sandbox.older_endpoints import (
    V1_BARE,
    V1_LISTS,
    V1_ONES,
    V1_WITHOUT_LIMIT,
    V2_COUNTED,
    V2_LISTS,
    V2_ONES,
    grade_levels,
)
from app.sandbox.older_serialization import (
    fields_1_1,
    fields_1_2,
    fields_2_0,
    fields_2_1,
    older_collection_of,
    status_1_1,
    status_1_2,
)
from app.sandbox.records import District, Record
from app.sandbox.serialization import Details, Link, collection_of, fields_3_0, fields_3_1, links_of

OtherQuestion: TypeAlias = Callable[[District, str], object]


@dataclass(frozen=True)
class Version:
    """A version of the API.

    Attributes:
        name: the version in paths, such as `v3.1`.
        lists: the endpoints of lists.
        ones: the endpoints of single records.
        fields_of: returns the fields of a record.
        links_of: returns the links of a single record.
        collection_of: returns the collection of a record.
        view: returns a district as the version has it.
        others: endpoints whose data are neither a record nor a list in pages.
        counted: the lists that answer `count`.
        bare: the lists whose items stand in no envelope.
        without_limit: the lists that ignore `limit`.
        has_events: whether it has an endpoint for events with something in it.
        error_of: returns the body of an error with a message.
    """

    name: str
    lists: Mapping[str, ListQuestion]
    ones: Mapping[str, OneQuestion]
    fields_of: Callable[[District, Record], Details]
    links_of: Callable[[Record], list[Link]]
    collection_of: Callable[[Record], str]
    view: Callable[[District], District]
    others: Mapping[str, OtherQuestion] = field(default_factory=dict)
    counted: Collection[str] = frozenset()
    bare: Collection[str] = frozenset()
    without_limit: Collection[str] = frozenset()
    has_events: bool = False
    error_of: Callable[[str], Details] = lambda message: {"message": message}

    @cached_property
    def templates(self) -> frozenset[str]:
        """The templates of all paths, such as ``/users/{id}/sections``."""
        events = (EVENTS, ONE_EVENT) if self.has_events else ()
        return frozenset((*self.lists, *self.ones, *self.others, *events))

    def uri_of(self, record: Record) -> str:
        """Return the path of a record."""
        return f"/{self.name}/{self.collection_of(record)}/{record.id}"


def _version_3(name: str, fields_of: Callable[[Record], Details]) -> Version:
    return Version(
        name,
        V3_LISTS,
        V3_ONES,
        fields_of=lambda _, record: fields_of(record),
        links_of=partial(links_of, version=name),
        collection_of=collection_of,
        view=lambda district: district,
        counted=V3_COUNTED,
        has_events=True,
    )


def _older(
    name: str,
    lists: Mapping[str, ListQuestion],
    ones: Mapping[str, OneQuestion],
    fields_of: Callable[[District, Record], Details],
) -> Version:
    return Version(
        name,
        lists,
        ones,
        fields_of,
        links_of=partial(_links_by_paths, name, (*ones, *lists)),
        collection_of=older_collection_of,
        view=lambda district: district.before_v3,
    )


def _links_by_paths(version: str, templates: Collection[str], record: Record) -> list[Link]:
    """Return the links `self` and `district` of a record, and one to each path below its own."""
    collection = older_collection_of(record)
    uri, below = f"/{version}/{collection}/{record.id}", f"/{collection}/{{id}}/"
    related = {"self": uri, "district": f"/{version}/districts/{record.district}"}
    if isinstance(record, District):
        del related["district"]
    rels = (template.removeprefix(below) for template in templates if template.startswith(below))
    related |= {rel: f"{uri}/{rel}" for rel in rels if rel not in ("district", "events")}
    return [{"rel": rel, "uri": path} for rel, path in related.items()]


def _version_1(
    name: str, fields_of: Callable[[District, Record], Details], status: Callable[[District], Details]
) -> Version:
    return replace(
        _older(name, V1_LISTS, V1_ONES, fields_of),
        others={
            # A list even for one district.
            "/districts/{id}/status": lambda district, one: [{"data": status(find({district.id: district}, one))}],
            "/teachers/{id}/grade_levels": grade_levels,
        },
        bare=V1_BARE,
        without_limit=V1_WITHOUT_LIMIT,
    )


_NOT_FOUND_IN_1_1 = 91


def _error_1_1(message: str) -> Details:
    """Return an error of v1.1; the code of a 404 is the only one that is known."""
    return {"code": _NOT_FOUND_IN_1_1, "error": message, "data": {}}


VERSIONS: Mapping[str, Version] = {
    one.name: one
    for one in (
        replace(_version_1("v1.1", fields_1_1, status_1_1), error_of=_error_1_1),
        _version_1("v1.2", fields_1_2, status_1_2),
        _older("v2.0", V2_LISTS, V2_ONES, fields_2_0),
        replace(_older("v2.1", V2_LISTS, V2_ONES, fields_2_1), counted=V2_COUNTED),
        _version_3("v3.0", fields_3_0),
        _version_3("v3.1", fields_3_1),
    )
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The endpoint that a path leads to: its version, and the template of the path."""

    version: Version
    template: str

    @property
    def is_list(self) -> bool:
        """Whether it answers with a list in pages."""
        return self.template in self.version.lists or self.template == EVENTS

    @property
    def is_one(self) -> bool:
        """Whether it answers with one record, which is no event."""
        return self.template in self.version.ones and not self.is_of_events

    @property
    def is_of_events(self) -> bool:
        """Whether it answers with events."""
        return self.template in {EVENTS, ONE_EVENT}

    @property
    def is_of_district(self) -> bool:
        """Whether it answers with the district."""
        return self.template == "/districts/{id}" or self.template.endswith("/district")


def asked_by(path: str) -> Asked | None:
    """Return the endpoint of a path; None for an unknown path."""
    _, name, *parts = path.split("/") if path.count("/") > 1 else ("", "")
    version, template = VERSIONS.get(name), "/" + "/".join("{id}" if at == 1 else part for at, part in enumerate(parts))
    return Asked(version, template) if version is not None and template in version.templates else None


def error_of(path: str, message: str) -> Details:
    """Return the body of an error in the form of a path's version."""
    name = path.removeprefix("/").partition("/")[0]
    return VERSIONS.get(name, VERSIONS["v3.1"]).error_of(message)
