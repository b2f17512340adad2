from app.domain.facts import Facts
from app.domain.ids import DistrictId, UserId
from app.domain.reading import Reading, Rendered


def test_equal_bodies_have_equal_tags() -> None:
    assert Rendered.of(b"{}") == Rendered.of(b"{}")
    assert Rendered.of(b"{}").tag != Rendered.of(b"[]").tag


def test_a_tag_is_of_characters_that_an_etag_may_hold() -> None:
    assert set(Rendered.of(b"{}").tag) <= set("0123456789abcdef")


def test_readings_share_no_answers() -> None:
    facts = Facts(UserId("user"), DistrictId("district"))
    one, other = Reading(facts, began=1), Reading(facts, began=1)
    one.rendered["permissions"] = Rendered.of(b"{}")
    assert other.rendered == {}
