"""`GET /v1/users/{id}/roles`: what a role switcher needs."""

import httpx

from tests.conftest import MovedClock, Sandbox


def test_the_role_contexts_of_a_user_with_all_three_roles(service: httpx.Client, sandbox: Sandbox) -> None:
    user = sandbox.user("all_three_roles")
    assert service.get(f"/v1/users/{user}/roles").json() == {
        "user": user,
        "district": sandbox.district,
        "default": "district_admin",
        "roles": [
            {
                "role": "district_admin",
                "qualifiers": [],
                "title": "curriculum director",
                "department": None,
                "schools": [],
                "legacy_id": "66826212b60dd212ca000012",
            },
            {
                "role": "staff",
                "qualifiers": ["SchoolTechLead"],
                "title": None,
                "department": None,
                "schools": ["66826201160e91311d000001"],
                "legacy_id": "66826212d361952de9000012",
            },
            {
                "role": "teacher",
                "qualifiers": [],
                "title": "classroom teacher",
                "department": None,
                "schools": ["66826202160e91311d000002"],
                "legacy_id": "66826212fb6908f644000012",
            },
        ],
        "stale": False,
    }


def test_qualifiers_title_and_department_of_staff(service: httpx.Client, sandbox: Sandbox) -> None:
    answer = service.get(f"/v1/users/{sandbox.user('staff_both_qualifiers')}/roles").json()
    assert answer["roles"] == [
        {
            "role": "staff",
            "qualifiers": ["PortalOnly", "SchoolTechLead"],
            "title": "librarian",
            "department": "media",
            "schools": ["66826200160e91311d000000", "66826201160e91311d000001"],
            "legacy_id": "6682620cd361952de900000c",
        }
    ]


def test_who_holds_no_role_has_none_to_open_with(service: httpx.Client, sandbox: Sandbox) -> None:
    answer = service.get(f"/v1/users/{sandbox.user('user_without_roles')}/roles").json()
    assert (answer["default"], answer["roles"]) == (None, [])


def test_roles_and_permissions_come_of_one_reading(service: httpx.Client, sandbox: Sandbox, clock: MovedClock) -> None:
    user = sandbox.user("teacher_only")
    service.get(f"/v1/users/{user}/permissions")
    asked = sandbox.requests.total()
    clock.move(3)
    answer = service.get(f"/v1/users/{user}/roles")
    assert (answer.headers["age"], sandbox.requests.total()) == ("3", asked)
    tag = answer.headers["etag"]
    assert service.get(f"/v1/users/{user}/roles", headers={"If-None-Match": tag}).status_code == 304
