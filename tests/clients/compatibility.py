"""What breaks for callers between two OpenAPI documents: `python -m tests.clients.compatibility BEFORE AFTER`.

Compared is what a generated client is made of: operations with their ids and tags, parameters, bodies, responses with
their headers, security, and every schema by name. A version that says so, by Semantic Versioning, may break.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.clients.schemas import Comparison, Json, breaks, resolved

Operations = dict[str, Json]


def breaking_changes(before: Json, after: Json) -> list[str]:
    """Return what somebody with a client for ``before`` would trip over, a sentence each, sorted."""
    return sorted(set(_changes(before, after)))


def may_break(before: Json, after: Json) -> bool:
    """Tell whether the versions announce it: another major version, or before 1.0 another minor one."""
    old, new = (tuple(map(int, document["info"]["version"].split(".")[:2])) for document in (before, after))
    return old[0] != new[0] or (old[0] == 0 and old != new)


def _changes(before: Json, after: Json) -> Iterator[str]:
    old, new = _operations(before), _operations(after)
    for where in old.keys() - new.keys():
        yield f"{where}: the operation is gone"
    for where in old.keys() & new.keys():
        yield from _operation_changes(where, (old[where], new[where]), (before, after))
    for name in _schemas(before).keys() - _schemas(after).keys():
        yield f"{name}: the schema is gone"
    for name, scheme in before["components"].get("securitySchemes", {}).items():
        now = after["components"].get("securitySchemes", {}).get(name, {})
        if (scheme["type"], scheme.get("scheme")) != (now.get("type"), now.get("scheme")):
            yield f"{name}: the security scheme is another"


def _operation_changes(where: str, operations: tuple[Json, Json], documents: tuple[Json, Json]) -> Iterator[str]:
    old, new = operations
    for key in ("operationId", "security"):
        if old.get(key) != new.get(key):
            yield f"{where}: {key} {old.get(key)} became {new.get(key)}"
    if old["tags"][0] != new["tags"][0]:
        yield f"{where}: the tag {old['tags'][0]} became {new['tags'][0]}"
    yield from _parameter_changes(where, operations, documents)
    yield from _body_changes(where, operations, documents)
    for status, response in old["responses"].items():
        if status in new["responses"]:
            yield from _response_changes(f"{where} {status}", (response, new["responses"][status]), documents)
        else:
            yield f"{where} {status}: the response is gone"


def _parameter_changes(where: str, operations: tuple[Json, Json], documents: tuple[Json, Json]) -> Iterator[str]:
    old, new = (_parameters(*each) for each in zip(operations, documents, strict=True))
    for name in old.keys() - new.keys():
        yield f"{where} {name}: the parameter is gone"
    for name, parameter in new.items():
        if parameter.get("required") and not old.get(name, {}).get("required"):
            yield f"{where} {name}: the parameter is now required"
        if name in old:
            comparison = Comparison(documents, "sent", f"{where} {name}")
            yield from breaks(comparison, old[name]["schema"], parameter["schema"])


def _body_changes(where: str, operations: tuple[Json, Json], documents: tuple[Json, Json]) -> Iterator[str]:
    old, new = (operation.get("requestBody", {}) for operation in operations)
    if new.get("required") and not old.get("required"):
        yield f"{where}: a body is now required"
    yield from _content_changes(Comparison(documents, "sent", f"{where} body"), old, new)


def _response_changes(where: str, responses: tuple[Json, Json], documents: tuple[Json, Json]) -> Iterator[str]:
    old, new = responses
    for header in old.get("headers", {}).keys() - new.get("headers", {}).keys():
        yield f"{where} {header}: the header is gone"
    yield from _content_changes(Comparison(documents, "received", where), old, new)


def _content_changes(comparison: Comparison, old: Json, new: Json) -> Iterator[str]:
    before, after = old.get("content", {}), new.get("content", {})
    for media_type, content in before.items():
        if media_type not in after:
            yield f"{comparison.where}: {media_type} is gone"
        else:
            yield from breaks(comparison, content.get("schema", {}), after[media_type].get("schema", {}))


def _operations(document: Json) -> Operations:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _parameters(operation: Json, document: Json) -> Operations:
    parameters = [resolved(each, document) for each in operation.get("parameters", [])]
    return {f"{each['in']} {each['name']}": each for each in parameters}


def _schemas(document: Json) -> Json:
    schemas: Json = document["components"]["schemas"]
    return schemas


def main(*files: str) -> int:
    """Print every breaking change between two documents; 1 where there are any that no version announces."""
    before, after = (json.loads(Path(file).read_text(encoding="utf-8")) for file in files)
    changes = breaking_changes(before, after)
    for change in changes:
        print(change)
    announced = may_break(before, after)
    print(f"breaking changes since {before['info']['version']}: {len(changes)}{', as announced' if announced else ''}")
    return 1 if changes and not announced else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
