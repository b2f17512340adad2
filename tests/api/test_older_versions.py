"""The service over versions of Clever's API before 3.0: the accounts of then, with what their role gives in 3.1."""

from typing import Any

import httpx
import pytest

from tests.api.test_district_loads import load, loaded
from tests.conftest import Sandbox, Serve

pytestmark = pytest.mark.parametrize("version", ["v1.1", "v1.2", "v2.0", "v2.1"])

ROLES = {
    "student_at_two_schools": "student",
    "teacher_only": "teacher",
    "co_teacher": "teacher",
    "section_at_another_school": "teacher",
    "principal": "staff",
    "staff_who_also_teach_elsewhere": "staff",
    "all_three_roles": "teacher",
    "district_admin_only": "district_admin",
    "contact": "contact",
}


def account_of(sandbox: Sandbox, case: str, role: str) -> str:
    user = sandbox.user(case)
    return user if role == "student" else sandbox.world.districts[0].users[user].ids_in(role, "legacy_id")[0]


def grants(service: httpx.Client, user: str, role: str) -> Any:
    answer = service.get(f"/v1/users/{user}/permissions", params={"role": role})
    assert answer.status_code == 200
    return answer.json()["grants"]


def section_question(account: str, section: str, action: str = "view") -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": account},
        "action": {"name": action},
        "resource": {"type": "section", "id": section},
    }


async def test_an_account_may_do_what_its_role_may_in_version_3_loaded_or_not(
    service: httpx.Client, serve: Serve, sandbox: Sandbox, version: str
) -> None:
    older, there = serve(clever_version=version, load_whom="everyone"), sandbox.world.districts[0].id
    accounts = {case: account_of(sandbox, case, role) for case, role in ROLES.items()}
    expected = {case: grants(service, sandbox.user(case), role) for case, role in ROLES.items()}
    # Read by lists, one by one, and as a whole district.
    items = [{"id": account} for account in accounts.values()]
    batch = older.post("/v1/users/permissions", json={"users": items}).json()["results"]
    assert [one["body"]["grants"] for one in batch] == [*expected.values()]
    for case, role in ROLES.items():
        anew = older.get(f"/v1/users/{accounts[case]}/permissions", headers={"Cache-Control": "no-cache"})
        assert anew.json()["grants"] == expected[case], role
    load(older, there)
    await loaded(older, there)
    sandbox.requests.clear()
    assert {case: grants(older, accounts[case], role) for case, role in ROLES.items()} == expected
    assert not sandbox.requests
    assert older.get(f"/v1/districts/{there}").json()["mode"] == "loaded"


def test_an_account_has_one_role_and_its_own_id_as_the_old_one(serve: Serve, sandbox: Sandbox, version: str) -> None:
    older = serve(clever_version=version)
    for role in ("teacher", "staff", "district_admin"):
        account = account_of(sandbox, "all_three_roles", role)
        [held] = older.get(f"/v1/users/{account}/roles").json()["roles"]
        assert (held["role"], held["legacy_id"]) == (role, account)
    assert older.get(f"/v1/users/{sandbox.user('all_three_roles')}/roles").status_code == 404


def test_decisions_and_searches_are_about_accounts(serve: Serve, sandbox: Sandbox, version: str) -> None:
    older, user = serve(clever_version=version), sandbox.user("staff_who_also_teach_elsewhere")
    teacher, staff = (account_of(sandbox, "staff_who_also_teach_elsewhere", role) for role in ("teacher", "staff"))
    [section] = [one for one in sandbox.world.districts[0].all_sections if user in one.taught_by]
    for account, decision in {teacher: True, staff: False}.items():
        answer = older.post("/access/v1/evaluation", json=section_question(account, section.id))
        assert answer.json()["decision"] is decision
    found = older.post("/access/v1/search/subject", json=section_question("", section.id)).json()["results"]
    may = {one["id"] for one in found}
    assert teacher in may
    assert not {staff, user} & may
    assert may.issuperset(section.students)
    # Those who work at its school are found, too, whom no version lists there.
    at_school = {
        account
        for other in sandbox.world.districts[0].all_users
        if section.school in other.ids_in("staff", "schools")
        for account in other.ids_in("staff", "legacy_id")
    }
    assert at_school
    assert at_school <= may
    found = older.post("/access/v1/search/resource", json=section_question(teacher, "")).json()["results"]
    assert [one["id"] for one in found] == [section.id]
