"""Changes to the document's schemas for code generators: named parts, exact alternatives, extensible enumerations."""

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

REFERENCE = "#/components/schemas/"

_MAPS = frozenset({"$defs", "properties", "schemas", "responses", "parameters", "headers"})
"""The keywords whose keys are names; a name may equal a keyword."""

_VALUES = frozenset({"const", "default", "enum", "example", "examples"})
"""The keywords with plain values, which may look like schemas."""


def extensible_enum(description: str, known: list[Any]) -> Json:
    """Return the schema of a value from a list that may grow.

    A generated client with a closed ``enum`` rejects a whole answer for one unknown value.
    """
    values = ", ".join(f"`{value}`" for value in known)
    return {"description": f"{description} Known: {values}; more may come.".lstrip(), "x-extensible-enum": known}


def left_out(schema: Json) -> None:
    """Remove the default of a member that is left out if empty: generators take a default for always present."""
    schema.pop("default", None)


def without_null_defaults(document: Json) -> Json:
    """Remove defaults of null: generators take a member with a default for always present."""

    def changed(part: Json) -> Json:
        return {key: value for key, value in part.items() if key != "default" or value is not None}

    done: Json = _mapped(document, changed)
    return done


def with_alternatives_told_apart(document: Json) -> Json:
    """Replace ``anyOf`` of objects by ``oneOf``: generators merge the members of ``anyOf`` into one object."""

    def changed(part: Json) -> Json:
        return {"oneOf" if key == "anyOf" and _is_of_objects(part) else key: value for key, value in part.items()}

    done: Json = _mapped(document, changed)
    return done


def with_open_answers(document: Json) -> Json:
    """Let answers have new values of enumerations and new members of objects.

    Requests stay closed; an enumeration in both requests and answers gets a second, open schema for answers.
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
        return rest | extensible_enum(rest.get("description", ""), known) if known else rest

    for name in answered - sent:
        schemas[name] = _mapped(schemas[name], opened)
    for name, twin in twins.items():
        schemas[twin] = opened(schemas[name] | {"title": twin})
    return document


def name_every_part(schemas: Json) -> None:
    """Give each object and enumeration inside a schema its own named schema, so that generators need not invent one."""
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
    """Describe keys and values of a map separately: generators ignore ``patternProperties``."""
    if len(part.get("patternProperties", {})) == 1:
        [(pattern, values)] = part.pop("patternProperties").items()
        part |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}


def _mapped(part: Any, change: Callable[[Json], Json], *, names: bool = False) -> Any:
    """Return ``part`` with ``change`` applied to every schema object in it, from the inside out."""
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
    """Return the names of the schemas that ``parts`` refer to, directly or indirectly."""
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
    """Return the name of the schema that ``part`` refers to; empty if none."""
    reference = part.get("$ref")
    return reference.removeprefix(REFERENCE) if isinstance(reference, str) and reference.startswith(REFERENCE) else ""
