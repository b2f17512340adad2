"""Others' engines on the question of ours, in process: may this teacher edit that section.

They are no part of development, so this runs in an environment of its own, which uv makes from the lock file; it knows
nothing but the standard library and them. The question comes as JSON on standard input, the answer goes to standard
output: decisions a second, by engine.
"""

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.repeats import seconds_of

APART = (
    Path(sys.executable).parent / "uv",
    *("run", "--isolated", "--locked", "--only-group", "bench", "--python"),
)
"""A command that goes on with which Python to take, and what to run with it."""

_CASBIN_MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
"""
_BY_PLACE = [0, 1]
_GIVEN = ("section:view", "section:edit", "student:view", "assignment:grade")

_CEDAR_POLICY = """
permit(principal in Role::"teacher", action in [Action::"view", Action::"edit"], resource)
when { principal.sections.contains(resource) };
"""

_Ask = Callable[[str], bool]


def casbin(user: str, taught: Sequence[str]) -> _Ask:
    """Return what asks pycasbin, with no grants loaded but those of this user."""
    library: Any = importlib.import_module("casbin")
    return _casbin(library.Enforcer(_loaded(library.Model())), user, taught)


def fast_casbin(user: str, taught: Sequence[str]) -> _Ask:
    """Return the same, its grants found by user and section."""
    library: Any = importlib.import_module("casbin")
    model = _loaded(library.FastModel(_BY_PLACE))
    return _casbin(library.FastEnforcer(model, cache_key_order=_BY_PLACE), user, taught)


def _casbin(enforcer: Any, user: str, taught: Sequence[str]) -> _Ask:
    enforcer.add_policies([[user, section, permission] for section in taught for permission in _GIVEN])
    return lambda section: bool(enforcer.enforce(user, section, "section:edit"))


def _loaded(model: Any) -> Any:
    model.load_model_from_text(_CASBIN_MODEL)
    return model


def cedar(user: str, taught: Sequence[str]) -> _Ask:
    """Return what asks Cedar, its policy and all that is known of this user parsed beforehand."""
    library: Any = importlib.import_module("cedarpy")
    policies = library.PolicySet.from_str(_CEDAR_POLICY)
    role = {"uid": {"type": "Role", "id": "teacher"}, "attrs": {}, "parents": []}
    sections = [{"__entity": {"type": "Section", "id": section}} for section in taught]
    principal = {"uid": _uid("User", user), "attrs": {"sections": sections}, "parents": [role["uid"]]}
    entities = library.Entities.from_json_str(json.dumps([role, principal]))

    def ask(section: str) -> bool:
        asked = {
            "principal": _uid("User", user),
            "action": _uid("Action", "edit"),
            "resource": _uid("Section", section),
            "context": {},
        }
        return bool(library.is_authorized(asked, policies, entities).allowed)

    return ask


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def per_second(ask: _Ask, taught: Sequence[str], others: Sequence[str]) -> float:
    """Return decisions a second, as many granted as denied."""
    assert [*map(ask, (*taught, *others))] == [True] * len(taught) + [False] * len(others)

    def decide() -> None:
        for section in (*taught, *others):
            ask(section)

    return (len(taught) + len(others)) / seconds_of(decide, times=100, repeats=3)


def main() -> None:
    """Answer the question."""
    asked = json.loads(sys.stdin.read())
    user, taught, others = asked["user"], asked["taught"], asked["others"]
    grants = f"{len(taught) * len(_GIVEN)} grants"
    engines = {
        f"pycasbin {version('pycasbin')}, {grants}": casbin(user, taught),
        f"pycasbin {version('pycasbin')}, {grants}, FastEnforcer": fast_casbin(user, taught),
        f"cedarpy {version('cedarpy')}, parsed beforehand": cedar(user, taught),
    }
    json.dump({name: per_second(ask, taught, others) for name, ask in engines.items()}, sys.stdout)


if __name__ == "__main__":
    main()
