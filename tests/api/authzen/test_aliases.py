"""The application's names for Clever's types, wherever a question names a type or a place."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from tests.api.authzen.conftest import Json, action, ask, resource
from tests.conftest import MovedClock, Sandbox, by_client_id, serving, settings_over

WRITTEN = """
version: 1
rule: scoped
aliases: {identity: user, classroom: section, campus: school, pupil: student, org: district}
roles:
  teacher:
    - {allow: [classroom:view, classroom:edit, pupil:view, "note:write"], over: sections}
    - {allow: [identity:view], over: self}
"""


def settings_in(folder: Path, two_worlds: Sandbox) -> Settings:
    """A service over two districts, under a policy with a name of its own for each of Clever's types."""
    policy = folder / "policy.yaml"
    policy.write_text(WRITTEN)
    several = by_client_id(two_worlds.url, two_worlds.world)
    log = str(folder / "decisions")
    return settings_over(two_worlds, policy=policy, decision_log=log, log_ids="plain", **several)


@pytest.fixture(scope="module")
def aliased(
    two_worlds: Sandbox, running_clock: MovedClock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    with serving(settings_in(tmp_path_factory.mktemp("aliased"), two_worlds), running_clock) as service:
        yield service


def who_in(two_worlds: Sandbox) -> Json:
    user = two_worlds.user("teacher_only")
    return {"type": "identity", "id": user, "properties": {"district": two_worlds.world.districts[0].id}}


def classroom_in(two_worlds: Sandbox) -> Json:
    who = who_in(two_worlds)
    return resource(next(iter(two_worlds.world.districts[0].sections_of_user[who["id"]])).id, "classroom")


def by_clevers_names(said: Json) -> Json:
    text = json.dumps(said)
    for alias, kind in {"identity": "user", "classroom": "section", "campus": "school", "pupil": "student"}.items():
        text = text.replace(f'"{alias}"', f'"{kind}"').replace(f'"{alias}:', f'"{kind}:')
    found: Json = json.loads(text.replace('"org"', '"district"'))
    return found


@pytest.mark.parametrize("named", ["edit", "classroom:edit", "view", "close"])
def test_a_decision_is_the_same_by_either_name_cached_or_not(
    named: str, aliased: httpx.Client, two_worlds: Sandbox
) -> None:
    who = who_in(two_worlds)
    classroom = classroom_in(two_worlds)
    asked = {"subject": who, "action": action(named), "resource": classroom}
    answers = [ask(aliased, "evaluation", said) for said in (asked, by_clevers_names(asked), asked)]
    answers += [ask(aliased, "evaluations", {**asked, "evaluations": [{}, {}]})["evaluations"][1]]
    answers += [ask(aliased, "evaluation", {**asked, "context": {"a": 1}})]
    assert [answer["decision"] for answer in answers] == [named != "close"] * 5
    assert len({answer["context"]["reason"] for answer in answers}) == 1


def test_a_user_is_asked_about_by_an_alias_as_a_resource_and_as_a_place(
    aliased: httpx.Client, two_worlds: Sandbox
) -> None:
    who = who_in(two_worlds)
    asked = {"subject": who, "action": action("view"), "resource": resource(who["id"], "identity")}
    assert ask(aliased, "evaluation", asked)["decision"] is True
    note = resource("n1", "note", identity=who["id"])
    denied = ask(aliased, "evaluation", {**asked, "action": action("write"), "resource": note})
    assert denied["context"]["reason"] == "not_in_reach"


@pytest.mark.parametrize("places", [{"classroom": "section"}, {"org": "district", "classroom": "section"}])
def test_places_in_properties_are_named_by_either_name(
    places: Json, aliased: httpx.Client, two_worlds: Sandbox
) -> None:
    who = who_in(two_worlds)
    classroom = classroom_in(two_worlds)
    ids = {"section": classroom["id"], "district": who["properties"]["district"]}
    for where in ({name: ids[kind] for name, kind in places.items()}, {kind: ids[kind] for kind in places.values()}):
        asked = {"subject": who, "action": action("write"), "resource": resource("n1", "note", **where)}
        assert ask(aliased, "evaluation", asked)["decision"] is True
    twice = resource("n1", "note", classroom=classroom["id"], section="f" * 24)
    denied = ask(aliased, "evaluation", {"subject": who, "action": action("write"), "resource": twice})
    assert denied["context"]["reason"] == "places_disagree"


def test_the_district_of_a_subject_is_named_by_either_name(aliased: httpx.Client, two_worlds: Sandbox) -> None:
    who = who_in(two_worlds)
    classroom = classroom_in(two_worlds)
    here, elsewhere = (district.id for district in two_worlds.world.districts)
    found = []
    for said in (
        {"org": here},
        {"org": elsewhere},
        {"org": here, "district": here},
        {"org": here, "district": elsewhere},
    ):
        asked = {"subject": {**who, "properties": said}, "action": action("edit"), "resource": classroom}
        found.append(ask(aliased, "evaluation", asked)["context"]["reason"])
    assert found == ["granted", "unknown_subject", "granted", "unknown_subject"]


def test_searches_take_aliases_and_tell_the_type_asked(aliased: httpx.Client, two_worlds: Sandbox) -> None:
    who = who_in(two_worlds)
    classroom = classroom_in(two_worlds)
    edit, here = action("edit"), {"properties": {"org": who["properties"]["district"]}}
    subjects = {"subject": {"type": "identity"}, "action": edit, "resource": {**classroom, **here}}
    found = ask(aliased, "search/subject", subjects)["results"]
    assert {"type": "identity", "id": who["id"]} in found
    plain = ask(aliased, "search/subject", by_clevers_names(subjects))["results"]
    assert found == [{**each, "type": "identity"} for each in plain]
    resources = {"subject": who, "action": edit, "resource": {"type": "classroom"}}
    assert classroom in ask(aliased, "search/resource", resources)["results"]
    actions = {"subject": who, "resource": classroom}
    assert ask(aliased, "search/action", actions) == ask(aliased, "search/action", by_clevers_names(actions))
    assert {"name": "edit"} in ask(aliased, "search/action", actions)["results"]


@pytest.mark.parametrize("kind", ["identities", "Identity", "classroom", "staff"])
def test_what_stands_for_no_user_is_no_subject(kind: str, aliased: httpx.Client, two_worlds: Sandbox) -> None:
    who = who_in(two_worlds)
    classroom = classroom_in(two_worlds)
    asked = {"subject": {**who, "type": kind}, "action": action("edit"), "resource": classroom}
    assert ask(aliased, "evaluation", asked)["context"]["reason"] == "unknown_subject"
    assert ask(aliased, "search/resource", asked)["results"] == []


def test_the_log_tells_the_user_and_clevers_types(two_worlds: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    who = who_in(two_worlds)
    *_, last = two_worlds.world.districts[0].sections_of_user[who["id"]]
    asked = {"subject": who, "action": action("classroom:edit"), "resource": resource(last.id, "classroom")}
    with serving(settings_in(tmp_path, two_worlds), clock) as service:
        ask(service, "evaluation", asked)
        ask(service, "evaluation", {**asked, "context": {"a": 1}})
        ask(service, "search/action", asked)
    lines = [json.loads(line)["decision"] for line in (tmp_path / "decisions").read_text().splitlines()]
    assert {(line["resource"]["type"], line["resource"]["id"]) for line in lines} == {("section", last.id)}
    assert [(line["kind"], line["user"]) for line in lines] == [
        ("evaluation", who["id"]),
        ("evaluation", who["id"]),
        ("search", who["id"]),
    ]
