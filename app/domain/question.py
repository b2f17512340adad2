"""A question as the caller wrote it: may this subject do this to that resource?"""

from collections.abc import Mapping

import msgspec

from app.domain.errors import RoleNotHeld
from app.domain.facts import Role
from app.domain.policy import Policy


class Entity(msgspec.Struct, frozen=True, gc=False):
    """Something that a question names: its type and id as the caller wrote them, and what the caller says of it."""

    type: str
    id: str
    properties: Mapping[str, object]


class Action(msgspec.Struct, frozen=True, gc=False):
    """What a question wants to do: its name as the caller wrote it, and what the caller says of it."""

    name: str
    properties: Mapping[str, object]


class Question(msgspec.Struct, frozen=True, gc=False):
    """May this subject do this to that resource?

    There may be ten thousand at once, of each caller: the garbage collector would stop everybody to look at them all.
    """

    subject: Entity
    action: Action
    resource: Entity
    context: Mapping[str, object]

    def get(self, key: str, /) -> object:
        """Return what it says under a key that conditions read, such as ``resource.status``."""
        part, _, name = key.partition(".")
        said = {"resource": self.resource.properties, "action": self.action.properties, "context": self.context}
        return said[part].get(name)


def permission_asked(policy: Policy, action: str, resource_type: str) -> str:
    """Return the permission that an action on a type of resource asks for; with a colon it is one already."""
    kind, colon, name = action.partition(":")
    return f"{policy.type_of(kind)}:{name}" if colon else f"{policy.type_of(resource_type)}:{action}"


def role_asked(question: Question) -> Role | None:
    """Return the role context that a question asks in; raises ``RoleNotHeld`` for what is no role."""
    named = question.context.get("role_context")
    if named is None:
        return None
    try:
        return Role(str(named))
    except ValueError as error:
        raise RoleNotHeld(str(named), ()) from error


def is_user(policy: Policy, subject: Entity) -> bool:
    """Tell whether a subject is one of Clever's users, the only subjects that hold anything."""
    return policy.type_of(subject.type) == "user"


def district_named(policy: Policy, properties: Mapping[str, object]) -> object:
    """Return the district that properties name, by Clever's type or an alias; "" for two, which no district is."""
    named = [said for key, said in properties.items() if said is not None and policy.type_of(key) == "district"]
    return "" if any(said != named[0] for said in named) else next(iter(named), None)
