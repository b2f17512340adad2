"""The list of API keys, in a setting or a file: each caller's key, scopes and districts."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

CallerScopeName = Literal[
    "permissions:read",
    "access:evaluate",
    "access:search",
    "policy:read",
    "facts:refresh",
    "metrics:read",
    "districts:load",
]


class ApiKey(BaseModel):
    """An API key: the caller's name, the SHA-256 of the key in hex, its scopes, and its districts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[CallerScopeName] = frozenset(
        {"permissions:read", "access:evaluate", "access:search", "policy:read"}
    )
    districts: frozenset[str] | None = None


def _without_conflicts(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    """Refuse duplicate keys, and keys of one caller with different rights; a caller may have several keys."""
    if len({key.sha256 for key in keys}) < len(keys):
        raise ValueError("the same key is here twice")
    if len({(key.name, key.scopes, key.districts) for key in keys}) > len({key.name for key in keys}):
        raise ValueError("two keys of one name differ in scopes or districts, but belong to one caller")
    return keys


ApiKeys = Annotated[tuple[ApiKey, ...], AfterValidator(_without_conflicts)]
"""API keys, each once; keys of one name belong to one caller."""

_LIST = TypeAdapter[tuple[ApiKey, ...]](ApiKeys)


class KeyListMistakes(Exception):
    """An invalid list of keys: a line for each mistake, without anything from the list."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def parsed(given: object) -> object:
    """Parse a list from JSON text; any other value is returned as it is. Raises ``ValueError``."""
    if not isinstance(given, str | bytes):
        return given
    try:
        read = json.loads(given)
        json.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text here holds half of a surrogate pair, which is no character") from None
    except (ValueError, RecursionError):
        raise ValueError("this is not JSON") from None
    if isinstance(read, list):
        return read
    raise ValueError("this is not a list: put [ ] around the entries")


def read_keys(content: bytes) -> tuple[ApiKey, ...]:
    """Read a list of keys from JSON; raises ``KeyListMistakes``."""
    try:
        return _LIST.validate_python(parsed(content))
    except ValidationError as error:
        raise KeyListMistakes([mistake_line(found["loc"], found["msg"]) for found in error.errors()]) from None
    except ValueError as error:
        raise KeyListMistakes([f": {error}"]) from None


def mistakes_in(keys: Sequence[ApiKey], *, several_districts: bool, fits: Callable[[str], bool]) -> Iterator[str]:
    """Yield a line for each mistake of the keys in this deployment.

    Args:
        keys: the keys.
        several_districts: whether several districts can be connected, so that each key has to name its own.
        fits: whether a text has the shape of an id.
    """
    for place, key in enumerate(keys):
        if key.districts is None and several_districts:
            yield f"[{place}].districts: several districts may be connected: name those that this caller may ask about"
        elif not all(map(fits, key.districts or ())):
            yield f"[{place}].districts: a value does not match ROSTERGUARD_ID_PATTERN"


def mistake_line(path: tuple[int | str, ...], message: str) -> str:
    """Return a line for a mistake; its path shows positions and known field names only."""
    known = (step if isinstance(step, int) or step in ApiKey.model_fields else "…" for step in path)
    inside = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in known)
    return f"{inside}: {message.removeprefix('Value error, ')}"
