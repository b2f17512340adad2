"""Whom faults strike and how often: paths, tokens, pages, chance and scripts, as an operator puts them."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.sandbox.server import create_sandbox
from app.sandbox.world import generate

FAULTS = "/_sandbox/faults"
USUAL = {
    "path": "*",
    "kind": "gone",
    "status": None,
    "rate": 1.0,
    "times": None,
    "seconds": 0.0,
    "script": None,
    "page": None,
    "token": None,
}


async def put(clever: httpx.AsyncClient, *faults: dict[str, Any], seed: int = 1) -> None:
    answer = await clever.put(FAULTS, json={"seed": seed, "faults": faults})
    assert (answer.status_code, answer.content) == (204, b"")


async def statuses(clever: httpx.AsyncClient, *paths: str) -> list[int]:
    return [(await clever.get(path)).status_code for path in paths]


async def test_faults_are_reported_with_how_often_each_struck(clever: httpx.AsyncClient) -> None:
    await put(clever, {"kind": "gone", "path": "/v3.1/sch*"}, {"kind": "status", "status": 503, "times": 1})
    await statuses(clever, "/v3.1/schools", "/v3.1/schools", "/v3.1/users", "/v3.1/users")
    assert (await clever.get(FAULTS)).json() == {
        "seed": 1,
        "faults": [
            {**USUAL, "path": "/v3.1/sch*", "struck": 2},
            {**USUAL, "kind": "status", "status": 503, "times": 1, "struck": 1},
        ],
    }


async def test_without_faults_nothing_goes_wrong(clever: httpx.AsyncClient) -> None:
    await put(clever, {"kind": "gone"})
    assert (await clever.delete(FAULTS)).status_code == 204
    assert (await clever.get(FAULTS)).json() == {"seed": 0, "faults": []}
    assert await statuses(clever, "/v3.1/schools") == [200]


async def test_a_pattern_reaches_token_endpoints_and_never_the_sandbox_itself(clever: httpx.AsyncClient) -> None:
    await put(clever, {"kind": "status", "status": 503})
    assert await statuses(clever, "/oauth/tokens", "/v3.0/users", "/_sandbox/cases", FAULTS) == [503, 503, 200, 200]


async def test_the_first_fault_that_strikes_wins(clever: httpx.AsyncClient) -> None:
    first = {"kind": "status", "status": 500, "times": 1}
    await put(clever, {**first, "path": "/v3.0/*"}, first, {"kind": "gone"})
    assert await statuses(clever, *["/v3.1/schools"] * 2, *["/v3.0/schools"] * 2) == [500, 404, 500, 404]


async def test_a_script_is_played_once(clever: httpx.AsyncClient) -> None:
    script = ["gone", None, True, False, "status"]
    await put(clever, {"kind": "status", "status": 503, "path": "/v3.1/schools", "script": script})
    assert await statuses(clever, *["/v3.1/schools"] * 7) == [404, 200, 503, 200, 503, 200, 200]


async def test_the_same_seed_strikes_the_same_requests(clever: httpx.AsyncClient) -> None:
    rows = []
    for seed in (1, 1, 2):
        await put(clever, {"kind": "gone", "rate": 0.3}, seed=seed)
        rows.append(await statuses(clever, *["/v3.1/schools?limit=1"] * 200))
    assert rows[0] == rows[1] != rows[2]
    assert 40 < rows[0].count(404) < 80


@pytest.mark.parametrize(("page", "expected"), [(1, [404, 200, 200]), ("later", [200, 404, 200])])
async def test_pages_can_be_told_apart(clever: httpx.AsyncClient, page: int | str, expected: list[int]) -> None:
    await put(clever, {"kind": "gone", "page": page})
    cursor, one = "0" * 24, (await clever.get("/_sandbox/cases")).json()["cases"]["teacher_only"]["user"]
    paths = ("/v3.1/users", f"/v3.1/users?starting_after={cursor}", f"/v3.1/users/{one}")
    assert await statuses(clever, *paths) == expected


async def test_only_one_token_can_be_struck() -> None:
    sandbox = create_sandbox(generate(districts=2))
    transport = httpx.ASGITransport(sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://clever") as clever:
        await put(clever, {"kind": "gone", "token": "sandbox-token-2"})
        told = [
            (await clever.get("/v3.1/schools", headers={"Authorization": f"Bearer sandbox-token{suffix}"})).status_code
            for suffix in ("", "-2")
        ]
    assert told == [200, 404]


async def test_what_is_wrong_with_lists_strikes_no_record(clever: httpx.AsyncClient) -> None:
    user = (await clever.get("/_sandbox/cases")).json()["cases"]["teacher_only"]["user"]
    await put(clever, {"kind": "loop"}, {"kind": "other_record"})
    await statuses(clever, "/v3.1/users", f"/v3.1/users/{user}", f"/v3.1/users/{user}/sections")
    assert [fault["struck"] for fault in (await clever.get(FAULTS)).json()["faults"]] == [2, 1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"faults": [{"kind": "drop"}], "sead": 1}, "sead: Extra inputs are not permitted"),
        ({"faults": [{"path": "*"}]}, "faults.0.kind: Field required"),
        ({"faults": [{"kind": "status"}]}, "faults.0: a fault of the kind 'status' needs a status"),
        (
            {"faults": [{"kind": "drop"}, {"kind": "drop", "rate": 1.5, "times": -1}]},
            (
                "faults.1.rate: Input should be less than or equal to 1; "
                "faults.1.times: Input should be greater than or equal to 0"
            ),
        ),
        ({"faults": [{"kind": "drop", "rate": 0.5, "script": [True]}]}, "faults.0: script and rate exclude each other"),
    ],
)
async def test_a_bad_body_is_refused_and_changes_nothing(
    clever: httpx.AsyncClient, body: dict[str, object], message: str
) -> None:
    await put(clever, {"kind": "gone"})
    answer = await clever.put(FAULTS, json=body)
    assert (answer.status_code, answer.json()) == (400, {"message": message})
    assert (await clever.get(FAULTS)).json() == {"seed": 1, "faults": [{**USUAL, "struck": 0}]}


async def test_limits_can_be_set_from_outside(clever: httpx.AsyncClient, sandbox: Starlette) -> None:
    answer = await clever.put("/_sandbox/limits", json={"rate_limit": 5})
    assert (answer.status_code, sandbox.state.rate_limit, sandbox.state.delay_ms) == (204, 5, 0)
    await clever.put("/_sandbox/limits", json={"rate_limit": 0, "delay_ms": 1})
    assert (sandbox.state.rate_limit, sandbox.state.delay_ms) == (0, 1)


async def test_where_a_token_guards_them_the_sandboxs_own_pages_need_it() -> None:
    sandbox = create_sandbox(generate(), token="mine", admin_token="mine")
    transport = httpx.ASGITransport(sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://clever") as clever:
        stranger = await statuses(clever, FAULTS, "/_sandbox/cases", "/_sandbox/requests", "/_sandbox/nothing")
        clever.headers["Authorization"] = "Bearer mine"
        owner = await statuses(clever, FAULTS, "/_sandbox/cases")
    assert (stranger, owner) == ([401] * 4, [200] * 2)
