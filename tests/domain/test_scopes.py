import pytest

from app.domain.scopes import Scope, applies_in


@pytest.mark.parametrize(
    ("permission", "scopes"),
    [
        ("district:view", ["district"]),
        ("school:view", ["district", "school"]),
        ("section:edit", ["district", "school", "section"]),
        ("student:view", ["district", "school", "section", "student"]),
        ("user:view", ["district", "self"]),
        ("assignment:grade", ["district", "school", "section", "student", "self"]),
        ("report:view", ["district", "school", "section", "student", "self"]),
    ],
)
def test_a_permission_says_something_where_its_type_can_lie(permission: str, scopes: list[str]) -> None:
    assert [scope for scope in Scope if applies_in(permission, scope)] == scopes


def test_scopes_go_from_the_widest_to_the_narrowest() -> None:
    assert list(Scope) == ["district", "school", "section", "student", "self"]
