"""What is asked of the service while things go wrong, and how recent the answer has to be."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from tests.chaos.strangers import Strangers

Kind = Literal["permissions", "roles", "explanation", "evaluation", "evaluations", "batch"]

PERMISSIONS = {
    "section": ("section:view", "section:edit", "student:view"),
    "school": ("school:view", "section:view", "report:export", "device:manage"),
    "student": ("student:view",),
    "assignment": ("assignment:grade", "assignment:submit"),
}


@dataclass(frozen=True, slots=True)
class Freshness:
    """The directives of `Cache-Control` that come with a question."""

    max_age: int | None = None
    no_cache: bool = False
    max_stale: int | None = None
    only_if_cached: bool = False

    def headers(self) -> dict[str, str]:
        """Return them as a header, if there are any."""
        said = [f"max-age={self.max_age}"] if self.max_age is not None else []
        said += [f"max-stale={self.max_stale}"] if self.max_stale is not None else []
        said += ["no-cache"] if self.no_cache else []
        said += ["only-if-cached"] if self.only_if_cached else []
        return {"Cache-Control": ", ".join(said)} if said else {}

    def fresh_for(self, fresh: float) -> float:
        """Return how old an answer may be that is not marked stale."""
        if self.no_cache:
            return 0
        return fresh if self.max_age is None else min(fresh, self.max_age)

    def stale_for(self, stale: float) -> float | None:
        """Return how old an answer may be that is; None where none may."""
        if self.no_cache:
            return None
        return stale if self.max_age is None else min(stale, self.max_age + (self.max_stale or 0))


DEMANDS = (
    *[Freshness()] * 12,
    *[Freshness(max_age=30), Freshness(max_age=120), Freshness(no_cache=True), Freshness(max_stale=600)],
    *[Freshness(max_stale=10_000), Freshness(max_age=60, max_stale=240), Freshness(only_if_cached=True)],
    Freshness(max_stale=3000, only_if_cached=True),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        users: whom it is about; one, but for batches.
        role: a role context.
        permission: for decisions.
        resource: its type and id; an assignment lies in the section of that id.
        items: the questions of a request that asks several.
    """

    kind: Kind
    users: tuple[str, ...]
    role: str | None = None
    permission: str = ""
    resource: tuple[str, str] = ("", "")
    items: "tuple[Question, ...]" = ()
    freshness: Freshness = field(default_factory=Freshness)

    def path(self) -> str:
        """Return where it is asked, with its parameters."""
        match self.kind:
            case "permissions" | "roles":
                role = f"?role={self.role}" if self.role else ""
                return f"/v1/users/{self.users[0]}/{self.kind}{role}"
            case "explanation":
                place = "section" if self.resource[0] == "assignment" else self.resource[0]
                asked = urlencode({"permission": self.permission, place: self.resource[1]})
                return f"/v1/users/{self.users[0]}/explanation?{asked}"
            case "batch":
                return "/v1/users/permissions"
            case _:
                return f"/access/v1/{self.kind}"

    def said(self) -> object:
        """Return the body, None where there is none."""
        match self.kind:
            case "batch":
                return {"users": [{"id": user} for user in self.users]}
            case "evaluation":
                return self._evaluation()
            case "evaluations":
                return {"evaluations": [item.said() for item in self.items]}
            case _:
                return None

    def _evaluation(self) -> Mapping[str, object]:
        kind, name = self.resource
        lying = {"id": "anything", "properties": {"section": name}} if kind == "assignment" else {"id": name}
        return {
            "subject": {"type": "user", "id": self.users[0]},
            "action": {"name": self.permission},
            "resource": {"type": kind, **lying},
        }


@dataclass(frozen=True)
class Asker:
    """Draws questions about some users, and what they may do in some places; a tenth of them about strangers."""

    draw: random.Random
    users: Sequence[str]
    roles: Mapping[str, Sequence[str]]
    places: Mapping[str, Sequence[str]]
    strangers: Strangers = field(default_factory=Strangers)

    def question(self) -> Question:
        """Draw a question."""
        kinds: Sequence[Kind] = ("permissions", "roles", "explanation", "evaluation", "evaluations", "batch")
        kind = self.draw.choices(kinds, (40, 10, 10, 25, 7, 8))[0]
        freshness, user = self.draw.choice(DEMANDS), self._user()
        match kind:
            case "permissions":
                held = self.roles.get(user, ())
                role = self.draw.choice(held) if held and self.draw.random() < 0.25 else None
                return Question(kind, (user,), role, freshness=freshness)
            case "roles":
                return Question(kind, (user,), freshness=freshness)
            case "batch":
                several = self.strangers.among(self.draw.sample(self.users, 6), self.draw)
                return Question(kind, tuple(dict.fromkeys(several)), freshness=freshness)
            case "evaluations":
                return Question(
                    kind, (), items=tuple(self._decision("evaluation") for _ in range(6)), freshness=freshness
                )
            case _:
                return self._decision(kind, freshness)

    def _user(self) -> str:
        [user] = self.strangers.among([self.draw.choice(self.users)], self.draw)
        return user

    def _decision(self, kind: Kind, freshness: Freshness | None = None) -> Question:
        place = self.draw.choice([one for one in PERMISSIONS if kind != "explanation" or one != "assignment"])
        permission = self.draw.choice(PERMISSIONS[place])
        resource = (place, self.draw.choice(self.places["section" if place == "assignment" else place]))
        return Question(kind, (self._user(),), None, permission, resource, (), freshness or Freshness())
