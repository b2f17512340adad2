"""The committed OpenAPI document, and what tests ask of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Json = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "openapi"
DOCUMENT: Json = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Operation:
    """One operation of the document, where it stands there."""

    method: str
    path: str
    said: Json

    def serves(self, method: str, path: str) -> bool:
        """Tell whether it answers to ``path``, which is filled in."""
        steps, asked = self.path.split("/"), path.partition("?")[0].split("/")
        fits = all(step == given or step.startswith("{") for step, given in zip(steps, asked, strict=False))
        return self.method == method.lower() and len(steps) == len(asked) and fits


def operations() -> list[Operation]:
    """Return every operation of the document, those without parameters in their path first, as a router takes them."""
    found = [
        Operation(method, path, said) for path, methods in DOCUMENT["paths"].items() for method, said in methods.items()
    ]
    return sorted(found, key=lambda operation: operation.path.count("{"))


def mistakes(schema: Json, value: object) -> list[str]:
    """Tell in what ``value`` does not fit ``schema``, whose references are to the document."""
    whole = {"components": DOCUMENT["components"], **schema}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]


def parts(part: object, where: str = "#") -> Iterator[tuple[str, Json]]:
    """Return every object of the document and where it stands, except what is an example or another plain value."""
    if isinstance(part, list):
        for at, each in enumerate(part):
            yield from parts(each, f"{where}/{at}")
    if isinstance(part, dict):
        yield where, part
        # A property may have the name of a keyword.
        named = where.rpartition("/")[2] == "properties"
        for key, each in part.items():
            if named or key not in {"const", "default", "enum", "example", "examples", "propertyNames"}:
                yield from parts(each, f"{where}/{key}")
