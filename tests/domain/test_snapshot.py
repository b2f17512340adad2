from app.domain.snapshot import Rendered, Snapshot, Staleness, staleness_of


def test_equal_bodies_have_equal_tags() -> None:
    assert Rendered.of(b"{}") == Rendered.of(b"{}")
    assert Rendered.of(b"{}").tag != Rendered.of(b"[]").tag


def test_a_tag_is_of_characters_that_an_etag_may_hold() -> None:
    assert set(Rendered.of(b"{}").tag) <= set("0123456789abcdef")


def test_an_answer_is_found_by_its_question() -> None:
    snapshot = Snapshot("facts", began=1)
    kept = snapshot.keep(Rendered.of(b"{}", ("permissions", None)))
    assert snapshot.answer(("permissions", None)) is kept
    assert snapshot.answer(("permissions", "teacher")) is None


def test_readings_share_no_answers() -> None:
    one, other = Snapshot("facts", began=1), Snapshot("facts", began=1)
    one.keep(Rendered.of(b"{}"))
    assert other.rendered == ()


def test_a_reading_that_has_become_stale_shares_its_answers_with_the_fresh_one() -> None:
    snapshot = Snapshot("facts", began=1)
    kept = snapshot.aged("unreachable").keep(Rendered.of(b"{}", "stale"))
    assert snapshot.answer("stale") is kept


def test_of_many_answers_the_oldest_are_dropped() -> None:
    snapshot = Snapshot("facts", began=1)
    for question in range(20):
        snapshot.keep(Rendered.of(b"{}", question))
    assert [rendered.question for rendered in snapshot.rendered] == list(range(12, 20))


def test_what_follows_from_a_snapshot_is_as_old_and_as_stale() -> None:
    part = Snapshot(("ann", "ben"), began=1, at=1001).aged("unreachable").of("ann")
    assert (part.facts, part.began, part.staleness()) == ("ann", 1, Staleness("unreachable", 1001))


def test_an_answer_from_several_snapshots_is_as_stale_as_the_oldest_stale_one() -> None:
    fresh, slow, cut_off = (
        Snapshot("facts", began=1, at=10),
        Snapshot("facts", began=3, at=30).aged("slow"),
        Snapshot("facts", began=2, at=20).aged("unreachable"),
    )
    assert staleness_of([fresh, slow, cut_off]) == staleness_of([cut_off, slow]) == Staleness("unreachable", 20)
    assert staleness_of([fresh]) is None
