"""Who may do something is answered by the fast path, where the district is loaded, as the route would."""

from pathlib import Path

from app.domain.ids import DistrictId
from tests.api.asking import (
    BY_ROUTE,
    CREDENTIALS,
    JSON,
    NOT_PLAIN_SEARCHES,
    POLICY,
    SEARCHES,
    SUBJECT_SEARCH,
    USUAL,
    Asked,
    names_in,
)
from tests.api.test_district_loads import load, loaded
from tests.api.test_fast_path import LESS, counted, same
from tests.api.test_logs import Logs, logging_to, shortened
from tests.api.test_reach import beside
from tests.conftest import KEY, MovedClock, Sandbox, Serve, api_key
from tests.loaded import loaded_by


async def test_a_search_is_answered_by_the_fast_path_as_by_the_route(
    serve: Serve, sandbox: Sandbox, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    keys = [api_key(name, name, **given) for name, given in LESS.items()]
    service = serve(load_whom="everyone", policy=policy, api_keys=(api_key("tests", KEY), *keys))
    load(service, sandbox.district)
    await loaded(service, sandbox.district)
    asked = Asked(service, names_in(sandbox.world))
    assert [said for said in SEARCHES + NOT_PLAIN_SEARCHES if not asked.agrees(SUBJECT_SEARCH, said)] == []
    others = [*CREDENTIALS.values(), *({"Authorization": f"Bearer {name}"} for name in LESS)]
    assert all(asked.agrees(SUBJECT_SEARCH, SEARCHES[0], {**JSON, **headers}) for headers in others)
    for said in SEARCHES:
        whole, hand = (counted(asked, [(SUBJECT_SEARCH, said)], headers) for headers in (BY_ROUTE, {}))
        assert hand == whole, said


async def test_a_search_is_at_hand_while_the_district_is_loaded_and_fresh(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    async with beside(sandbox, clock, policy=policy) as service:
        assert await service.has_of(SUBJECT_SEARCH, SEARCHES) == []
        pdp = service.active_policy.decision_point
        assert pdp is not None
        district = await loaded_by(pdp.roster, DistrictId(sandbox.district))
        pdp.roster.store.put_district(district)
        assert await service.has_of(SUBJECT_SEARCH, SEARCHES) == SEARCHES
        for said in NOT_PLAIN_SEARCHES:
            answer = await service.whole(SUBJECT_SEARCH, said)
            assert service.answer(SUBJECT_SEARCH, said) in {None, answer.content}, said
        assert not any(service.has(SUBJECT_SEARCH, said) for said in NOT_PLAIN_SEARCHES[:3])
        clock.move(301)
        assert not any(service.has(SUBJECT_SEARCH, said) for said in SEARCHES)


async def test_a_search_of_the_fast_path_is_logged_in_the_same_lines(
    sandbox: Sandbox, clock: MovedClock, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    logs = Logs(tmp_path / "decisions")
    given = {"decision_log": str(logs.decided), "log_ids": "plain", "policy": policy, "load_whom": "everyone"}
    with logging_to(logs, sandbox, clock, **given) as client:
        load(client, sandbox.district)
        await loaded(client, sandbox.district)
        asked = Asked(client, names_in(sandbox.world))
        for number, said in enumerate(SEARCHES):
            for way, headers in (("whole", BY_ROUTE), ("hand", {})):
                named = {"X-Request-ID": f"{way}:{number}", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
                asked.ask(SUBJECT_SEARCH, said, {**USUAL, **headers, **named})
    lines = [shortened(line) for line in logs.requests + logs.decisions]
    for number in range(len(SEARCHES)):
        whole, hand = (
            [{**line, "request_id": ""} for line in lines if line["request_id"] == f"{way}:{number}"]
            for way in ("whole", "hand")
        )
        assert whole
        assert same(hand) == same(whole)
