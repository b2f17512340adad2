"""What a change of a schema breaks for callers whose client was generated from the schema as it was.

What callers send may only be asked less strictly, and what they receive may only be promised more strictly. One promise
may be taken back: that a word that they receive is one of a closed list. The list of today is told on in
`x-extensible-enum`, so nothing else is sent than before, and from then on words may be added without breaking anybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

Json = dict[str, Any]
Way = Literal["sent", "received"]

_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")


@dataclass(frozen=True)
class Comparison:
    """One schema before and after, both resolved against their own document, and which way its values go."""

    documents: tuple[Json, Json]
    way: Way
    where: str
    above: frozenset[str] = frozenset()

    def at(self, step: str) -> "Comparison":
        """Go one step further in."""
        return replace(self, where=f"{self.where}{step}")


def breaks(comparison: Comparison, before: Json, after: Json) -> Iterator[str]:
    """Tell each way in which ``after`` breaks who relies on ``before``."""
    name, renamed = _name(before), _name(after)
    old, new = (
        resolved(schema, document) for schema, document in zip((before, after), comparison.documents, strict=True)
    )
    if name != renamed and not _opens(comparison, old, new):
        yield f"{comparison.where}: the schema {name or 'without a name'} is now {renamed or 'without a name'}"
    if name in comparison.above:
        return
    inner = replace(comparison, above=comparison.above | {name}) if name else comparison
    yield from _value_changes(inner, old, new)
    yield from _bound_changes(inner, old, new)
    yield from _property_changes(inner, old, new)
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            yield from breaks(inner.at("[]"), old[key], new[key])


def _value_changes(comparison: Comparison, old: Json, new: Json) -> Iterator[str]:
    """Compare the kinds of value, and the single values, that there may be."""
    before, after = (_kinds(each, document) for each, document in zip((old, new), comparison.documents, strict=True))
    broken = before.keys() - after.keys() if comparison.way == "sent" else after.keys() - before.keys()
    if broken:
        yield f"{comparison.where}: {_listed(before)} became {_listed(after)}"
    if _alternatives(old) or _alternatives(new):
        for kind in sorted(before.keys() & after.keys()):
            yield from breaks(comparison, before[kind], after[kind])
    was, now = _values(old), _values(new)
    if comparison.way == "sent" and now is not None and (was is None or was - now):
        yield f"{comparison.where}: no longer takes {', '.join(sorted(was - now)) if was else 'every value'}"
    if _opens(comparison, old, new):
        return
    if comparison.way == "received" and was is not None and (now is None or now - was):
        yield f"{comparison.where}: may now be {', '.join(sorted(now - was)) if now else 'any value'}"


def _bound_changes(comparison: Comparison, old: Json, new: Json) -> Iterator[str]:
    for key in ("format", "pattern"):
        if old.get(key) != new.get(key) and (key == "format" or (comparison.way == "sent" and key in new)):
            yield f"{comparison.where}: {key} {old.get(key)} became {new.get(key)}"
    if comparison.way == "received":
        return
    for key in _UPPER + _LOWER:
        stricter = key in new and (key not in old or (new[key] < old[key] if key in _UPPER else new[key] > old[key]))
        if stricter:
            yield f"{comparison.where}: {key} {old.get(key)} became {new[key]}"


def _property_changes(comparison: Comparison, old: Json, new: Json) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for key in before.keys() - after.keys():
        yield f"{comparison.where}.{key}: the property is gone"
    for key in before.keys() & after.keys():
        yield from breaks(comparison.at(f".{key}"), before[key], after[key])
    needed, needs = set(old.get("required", [])), set(new.get("required", []))
    if comparison.way == "sent":
        yield from (f"{comparison.where}.{key}: is now required" for key in sorted(needs - needed))
        if old.get("additionalProperties") is not False and new.get("additionalProperties") is False:
            yield f"{comparison.where}: no longer takes further properties"
    else:
        yield from (
            f"{comparison.where}.{key}: is no longer always there" for key in sorted((needed - needs) & after.keys())
        )


def resolved(part: Json, document: Json) -> Json:
    """Return what ``part`` refers to, or itself."""
    while "$ref" in part:
        target: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def _name(schema: Json) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _kinds(schema: Json, document: Json) -> Json:
    """Return the alternatives of ``schema`` by what tells them apart: the name of an object, the type of all else."""
    if alternatives := _alternatives(schema):
        return {kind: part for each in alternatives for kind, part in _kinds(each, document).items()}
    meant = resolved(schema, document)
    if "$ref" in schema and not (_values(meant) or _is_open(meant)):
        return {_name(schema): schema}
    types = meant.get("type", "anything")
    return dict.fromkeys([types] if isinstance(types, str) else types, schema)


def _alternatives(schema: Json) -> list[Json]:
    found: list[Json] = schema.get("anyOf") or schema.get("oneOf") or []
    return found


def _opens(comparison: Comparison, old: Json, new: Json) -> bool:
    """Tell whether a closed list of words that are received has become an open one."""
    return comparison.way == "received" and _values(old) is not None and _is_open(new)


def _is_open(schema: Json) -> bool:
    return "x-extensible-enum" in schema


def _values(schema: Json) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return set(map(str, schema["enum"])) if "enum" in schema else None


def _listed(kinds: Json) -> str:
    return " or ".join(sorted(kinds))
