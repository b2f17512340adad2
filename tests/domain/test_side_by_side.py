"""Oracle, engine, policy test and service agree on odd people under odd policies; at length by hand, see there."""

from tests.domain.side_by_side import run


async def test_nobody_is_answered_in_two_ways() -> None:
    found = await run(pairs=150, seed=11)
    assert found.differences == []
    assert found.counts["pairs"] >= 150
    assert min(found.counts[reason] for reason in ("granted", "condition_not_met", "places_disagree", "cases")) > 2
