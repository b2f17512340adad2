"""The schemas of the OpenAPI document, as generators need them: named, told apart, and open where a list may grow."""

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

REFERENCE = "#/components/schemas/"

_MAPS = frozenset({"$defs", "properties", "schemas", "responses", "parameters", "headers"})
"""The keywords below which every key is a name, which may be that of a keyword."""

_VALUES = frozenset({"const", "default", "enum", "example", "examples"})
"""The keywords of plain values, which may look like schemas."""


def open_words(description: str, known: list[Any]) -> Json:
    """Return what a schema says of a word of which more may come: the known ones are told, and none is ruled out.

    A client that is made from a closed ``enum`` throws away a whole answer for one word that it does not know.
    """
    words = ", ".join(f"`{word}`" for word in known)
    return {"description": f"{description} Known: {words}; more may come.".lstrip(), "x-extensible-enum": known}


def left_out(schema: Json) -> None:
    """Say of a member of an answer that it is left out where it is empty: a default says that it is always there."""
    schema.pop("default", None)


def without_null_defaults(document: Json) -> Json:
    """Say of what may be left out just that: whatever has a default, generators take for always there."""

    def changed(part: Json) -> Json:
        return {key: value for key, value in part.items() if key != "default" or value is not None}

    done: Json = _mapped(document, changed)
    return done


def with_alternatives_told_apart(document: Json) -> Json:
    """Say ``oneOf`` of objects of which there is just one: of ``anyOf`` generators make one with the members of all."""

    def changed(part: Json) -> Json:
        return {"oneOf" if key == "anyOf" and _is_of_objects(part) else key: value for key, value in part.items()}

    done: Json = _mapped(document, changed)
    return done


def with_open_answers(document: Json) -> Json:
    """Let answers grow: their enumerations take words, and their objects members, that nobody knows today.

    What callers send stays as closed as it is read; an enumeration that they send, too, gets an open twin for answers.
    """
    schemas: Json = document["components"]["schemas"]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    sent = _reached(schemas, [operation.get(key) for operation in operations for key in ("parameters", "requestBody")])
    answered = _reached(schemas, [operation["responses"] for operation in operations])
    twins = {name: f"Any{name}" for name in sent & answered if "enum" in schemas[name]}

    def opened(part: Json) -> Json:
        if (name := _name(part)) in twins:
            return part | {"$ref": REFERENCE + twins[name]}
        closing = {"enum", "const", "propertyNames"} | (
            {"additionalProperties"} if part.get("additionalProperties") is False else set()
        )
        known = part.get("enum") or ([part["const"]] if "const" in part else [])
        rest = {key: value for key, value in part.items() if key not in closing}
        return rest | open_words(rest.get("description", ""), known) if known else rest

    for name in answered - sent:
        schemas[name] = _mapped(schemas[name], opened)
    for name, twin in twins.items():
        schemas[twin] = opened(schemas[name] | {"title": twin})
    return document


def name_every_part(schemas: Json) -> None:
    """Give each object and enumeration inside a schema a schema of its own, else every generator invents a name."""
    for owner in list(schemas):
        for key, part in schemas[owner].get("properties", {}).items():
            name = owner + "".join(word.capitalize() for word in key.split("_"))
            schemas[owner]["properties"][key] = _named(part, name, schemas)


def _named(part: Json, name: str, schemas: Json) -> Json:
    _tell_keys_plainly(part)
    if "items" in part:
        part["items"] = _named(part["items"], name, schemas)
    if isinstance(part.get("additionalProperties"), dict):
        part["additionalProperties"] = _named(part["additionalProperties"], f"{name}Value", schemas)
    if "anyOf" in part:
        part["anyOf"] = [_named(kind, name, schemas) for kind in part["anyOf"]]
    if _is_of_objects(part):
        part["title"] = name
    if not (part.get("type") == "object" or "enum" in part) or name in schemas:
        return part
    here = {key: part[key] for key in ("description", "default") if key in part}
    schemas[name] = {key: value for key, value in part.items() if key != "default"} | {"title": name}
    return {"$ref": REFERENCE + name} | here


def _is_of_objects(part: Json) -> bool:
    return all("$ref" in kind for kind in part.get("anyOf", [{}]))


def _tell_keys_plainly(part: Json) -> None:
    """Say of a map apart what its keys and what its values are: generators read no values out of patterns."""
    if len(part.get("patternProperties", {})) == 1:
        [(pattern, values)] = part.pop("patternProperties").items()
        part |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}


def _mapped(part: Any, change: Callable[[Json], Json], *, names: bool = False) -> Any:
    """Return ``part`` with ``change`` made to every object in it that is no plain value, from the inside out."""
    if isinstance(part, list):
        return [_mapped(each, change) for each in part]
    if not isinstance(part, dict):
        return part
    inner = {
        key: value if key in _VALUES and not names else _mapped(value, change, names=key in _MAPS and not names)
        for key, value in part.items()
    }
    return inner if names else change(inner)


def _reached(schemas: Json, parts: list[Any]) -> set[str]:
    """Return the names of the schemas that ``parts`` refer to, and these again."""
    reached: set[str] = set()
    waiting = list(_references(parts))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _references(schemas[name])
    return reached


def _references(part: object) -> Iterator[str]:
    for each in part if isinstance(part, list) else part.values() if isinstance(part, dict) else ():
        yield from _references(each)
    if isinstance(part, dict) and (name := _name(part)):
        yield name


def _name(part: Json) -> str:
    """Return the name of the schema that ``part`` refers to, nothing where it refers to none."""
    reference = part.get("$ref")
    return reference.removeprefix(REFERENCE) if isinstance(reference, str) and reference.startswith(REFERENCE) else ""
