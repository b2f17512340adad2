"""Metrics over HTTP: what is counted, who may read it, and that several workers tell one sum."""

import os
import re
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests import planted
from tests.api.connecting import until
from tests.auth.provider import AUDIENCE, DISTRICTS_CLAIM, running_provider
from tests.conftest import KEY, MovedClock, Sandbox, Serve, api_key, rosterguard_process, serving, settings_over

STARTED = re.compile(r"Started server process \[(\d+)\]")


def metrics(client: httpx.Client, credential: Mapping[str, str] | None = None) -> Counter[str]:
    """Every series of ours with its value, as Prometheus would read it; ``credential`` where the client has none."""
    told = client.get("/metrics", headers=credential).raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(told) for sample in family.samples]
    series = {f"{each.name}{sorted(each.labels.items())}": each.value for each in samples}
    return Counter({name: value for name, value in series.items() if name.startswith("rosterguard_")})


def counted(client: httpx.Client, before: Counter[str], name: str) -> dict[str, float]:
    """By how much the series of a metric have grown, by the values of their labels."""
    after = metrics(client)
    grown = {series: after[series] - before[series] for series in after if after[series] != before[series]}
    return {
        ",".join(re.findall(r", '([^']*)'\)", series)): by
        for series, by in grown.items()
        if series.startswith(f"{name}[")
    }


def ask(client: httpx.Client, sandbox: Sandbox, user: str = "teacher_only") -> int:
    return client.get(f"/v1/users/{sandbox.user(user)}/permissions").status_code


def test_metrics_are_text_that_nobody_keeps(service: httpx.Client) -> None:
    answer = service.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"


def test_metrics_need_a_scope_of_their_own(serve: Serve) -> None:
    client = serve(api_keys=(api_key("usual", KEY, scopes={"permissions:read"}),))
    assert client.get("/metrics").status_code == 403
    assert httpx.get(f"{client.base_url}/metrics").status_code == 401


def test_requests_are_counted_by_route_and_kind_of_status(service: httpx.Client, sandbox: Sandbox) -> None:
    before = metrics(service)
    ask(service, sandbox)
    service.get(f"/v1/users/{'f' * 24}/permissions")
    service.get("/v1/users/no-id/permissions")
    service.get("/nowhere")
    service.head("/v1/policy")
    route = "GET,/v1/users/{user_id}/permissions"
    assert counted(service, before, "rosterguard_requests_total") == {
        f"{route},2xx": 1,
        f"{route},4xx": 2,
        "GET,-,4xx": 1,
        "GET,/metrics,2xx": 1,
        "HEAD,/v1/policy,2xx": 1,
    }


def test_the_cache_is_counted_by_what_it_had(service: httpx.Client, sandbox: Sandbox, clock: MovedClock) -> None:
    before = metrics(service)
    ask(service, sandbox)
    ask(service, sandbox)
    clock.move(301)
    sandbox.app.state.faults.clear()
    service.get(f"/v1/users/{sandbox.user('teacher_only')}/permissions", headers={"Cache-Control": "max-stale=60"})
    service.get(f"/v1/users/{'f' * 24}/permissions")
    service.get(f"/v1/users/{'f' * 24}/permissions")
    assert counted(service, before, "rosterguard_cache_lookups_total") == {
        "users,hit": 1,
        "users,miss": 2,
        "users,stale": 1,
        "users,gone": 1,
    }


def test_requests_to_clever_are_counted_by_part_and_outcome(service: httpx.Client, sandbox: Sandbox) -> None:
    ask(service, sandbox, "co_teacher")
    before = metrics(service)
    ask(service, sandbox)
    faults = {"faults": [{"path": "/v3.1/users/*", "kind": "status", "status": 501}]}
    httpx.put(f"{sandbox.url}/_sandbox/faults", json=faults).raise_for_status()
    ask(service, sandbox, "staff_who_also_teach_elsewhere")
    grown = counted(service, before, "rosterguard_clever_requests_total")
    # Their schools no role of a teacher needs: where the machine is slow, that reading is broken off.
    assert {name: grown[name] for name in ("user,ok", "sections,ok", "user,garbled")} == {
        "user,ok": 1,
        "sections,ok": 1,
        "user,garbled": 1,
    }


def test_decisions_are_counted_by_reason(service: httpx.Client, sandbox: Sandbox) -> None:
    before = metrics(service)
    asked = {
        "subject": {"type": "user", "id": sandbox.user("teacher_only")},
        "action": {"name": "view"},
        "resource": {"type": "district", "id": sandbox.district},
    }
    service.post("/access/v1/evaluation", json=asked)
    assert counted(service, before, "rosterguard_decisions_total") == {"not_permitted": 1}


def test_what_is_measured_is_measured_when_it_is_asked_for(service: httpx.Client, sandbox: Sandbox) -> None:
    ask(service, sandbox)
    told = metrics(service)
    assert told["rosterguard_requests_in_progress[]"] == 1
    assert told["rosterguard_cache_entries[('cache', 'users')]"] >= 1
    assert told["rosterguard_ready[]"] == 1
    assert told["rosterguard_policy_fit[]"] == 1


def test_without_keys_metrics_and_readyz_say_not_ready(sandbox: Sandbox, clock: MovedClock, tmp_path: Path) -> None:
    with running_provider() as provider:
        oidc = {"oidc_issuer": provider.url, "oidc_audience": AUDIENCE, "oidc_districts_claim": DISTRICTS_CLAIM}
        settings = settings_over(sandbox, api_keys=(), api_keys_file=tmp_path / "keys.json", **oidc)
        claims: dict[str, Any] = {"scope": "permissions:read metrics:read", DISTRICTS_CLAIM: [sandbox.district]}
        with serving(settings, clock, wall=MovedClock(1_000_000_000)) as client:
            client.headers["Authorization"] = f"Bearer {provider.token(**claims)}"
            ask(client, sandbox)
            readiness = client.get("/readyz")
            assert (readiness.status_code, readiness.json()["parts"]["clever"]) == (503, "ok")
            # Other services of this process tell theirs once a second, and may do so in between.
            until(lambda: metrics(client)["rosterguard_ready[]"] == 0)


def test_no_id_is_in_the_metrics(service: httpx.Client, sandbox: Sandbox) -> None:
    ask(service, sandbox)
    told = service.get("/metrics").text
    assert sandbox.user("teacher_only") not in told
    assert sandbox.district not in told


def test_several_workers_tell_one_sum_and_the_dead_are_no_longer_measured(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"ROSTERGUARD_CLEVER_URL": sandbox.url, "ROSTERGUARD_SECRET": planted.SECRET}
    asked = "rosterguard_requests_total[('method', 'GET'), ('route', '/v1/policy'), ('status', '2xx')]"

    def workers() -> list[int]:
        return [int(pid) for pid in STARTED.findall(log.read_text())]

    def active_policy(client: httpx.Client) -> float:
        return sum(value for name, value in metrics(client).items() if name.startswith("rosterguard_policy_info"))

    with (
        log.open("w") as stderr,
        rosterguard_process("--no-auth", "--workers", "2", stderr=stderr.fileno(), **settings) as (_, url),
        httpx.Client(base_url=url, headers={"Connection": "close"}, timeout=30) as client,
    ):
        until(lambda: len(workers()) == 2 and active_policy(client) == 2)
        for _ in range(40):
            client.get("/v1/policy").raise_for_status()
        until(lambda: metrics(client)[asked] == 40)
        os.kill(workers()[0], signal.SIGKILL)
        until(lambda: len(workers()) == 3 and active_policy(client) == 2)
        assert metrics(client)[asked] == 40
