import json
from dataclasses import astuple, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench import limits
from tests.bench.assumptions import Assumptions, Measured, Size
from tests.bench.capacity import CHOSEN, FIGURES, SIZES, main, measured_in
from tests.bench.plan import LIMIT, Plan, kept_fresh, planned, requests

MEASURED = Measured(
    questions=10_000,
    cold=0.004,
    found=0.0005,
    process=100e6,
    beyond=830,
    rendered=600,
    redis_cold=0.0002,
    redis_found=0.00003,
    redis_user=400,
    load_user=0.00004,
    loaded_user=1_000,
)
ASSUMED = Assumptions()

assumptions = st.builds(
    Assumptions,
    fresh_seconds=st.integers(1, 86_400),
    active=st.floats(0.01, 1),
    questions=st.floats(1, 3_600),
    rush_minutes=st.floats(1, 120),
    headroom=st.floats(0, 0.9),
    homes=st.integers(1, 5),
)


def alike(districts: int, users: int) -> Size:
    return Size("alike", districts, districts * users, users)


sizes = st.builds(alike, st.integers(1, 50_000), st.integers(1, 1_000_000))


@given(sizes, assumptions)
@settings(derandomize=True, deadline=None)
def test_at_the_fresh_time_that_it_can_keep_no_token_goes_past_its_limit(size: Size, given: Assumptions) -> None:
    active = size.largest * given.active
    fresh = planned(size, given, MEASURED).clever.fresh
    assert fresh >= given.fresh_seconds
    assert requests(active, fresh, given) <= LIMIT * given.used * (1 + 1e-9)
    if fresh > given.fresh_seconds:
        assert limits.most_active(fresh, given) == pytest.approx(active)


@given(sizes, assumptions)
@settings(derandomize=True, deadline=None)
def test_twice_as_many_districts_cost_twice_as_much_of_all_that_is_shared(size: Size, given: Assumptions) -> None:
    one = planned(size, given, MEASURED)
    two = planned(replace(size, districts=2 * size.districts, users=2 * size.users), given, MEASURED)
    assert two.clever.requests == pytest.approx(2 * one.clever.requests)
    assert two.machines.questions == pytest.approx(2 * one.machines.questions)
    assert two.machines.for_readings == pytest.approx(2 * one.machines.for_readings)
    assert two.redis.held == pytest.approx(2 * one.redis.held)
    assert two.redis.commands == pytest.approx(2 * one.redis.commands)
    assert (two.clever.wanted, two.clever.fresh) == (one.clever.wanted, one.clever.fresh)


@given(assumptions, st.lists(st.integers(1, 1_000_000), min_size=2))
@settings(derandomize=True, deadline=None)
def test_more_users_never_cost_less(given: Assumptions, users: list[int]) -> None:
    plans = [planned(alike(10, each), given, MEASURED) for each in sorted(users)]
    for less, more in pairwise(plans):
        for one, other in zip(_costs(less), _costs(more), strict=True):
            assert one <= other * (1 + 1e-9)


def test_a_district_of_ten_thousand_is_reckoned_by_hand() -> None:
    # 3,000 active users, each asked about every 60 s: a round is 0.81 x 300 + 60 = 303 s at best.
    plan = planned(alike(1, 10_000), ASSUMED, MEASURED)
    assert plan.clever.wanted == pytest.approx(3_000 * 3 * 60 / 303)
    # Its token carries 900 requests a minute, so that a round of 9,000 takes 600 s: 60 s until the next question, and
    # before that 0.81 of the fresh time.
    assert plan.clever.fresh == pytest.approx(540 / 0.81)
    assert plan.clever.requests == pytest.approx(900)
    assert plan.clever.filled == 7.5
    assert plan.machines.questions == 50
    assert (plan.machines.processes, plan.machines.machines, plan.redis.servers) == (2, 1, 1)
    assert plan.memory.process == 100e6 + 3_000 * 1_430


def test_a_load_is_a_request_for_every_ten_thousand_users_and_sections_and_four_more() -> None:
    loads = planned(alike(1, 100_000), ASSUMED, MEASURED).loads
    assert loads.requests == 4 + 2 + 10
    assert loads.seconds == pytest.approx(4)
    assert loads.held == 100e6
    assert loads.process == pytest.approx(100e6 + 100_000 * 1_000 + 30_000 * 1_430)
    assert planned(alike(1, 100), ASSUMED, MEASURED).loads.requests == 4 + 1 + 1


def test_processes_that_share_nothing_ask_clever_the_more_the_more_they_are() -> None:
    rates = [requests(1_000, 300, ASSUMED, alone=processes) for processes in (1, 2, 4, 8)]
    assert rates == sorted(set(rates))


def test_a_longer_fresh_time_is_all_that_a_larger_district_needs() -> None:
    assert kept_fresh(limits.most_active(300, ASSUMED), ASSUMED) == pytest.approx(300)
    assert kept_fresh(2 * limits.most_active(300, ASSUMED), ASSUMED) > 600


def test_the_report_goes_up_to_all_of_clever(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--figures", str(_figures(tmp_path))]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert [size.name for size in SIZES if size.name not in told] == []
    assert "of all users who are active in the busiest hour: 0.3" in told
    assert "300 s can be kept for 1,500 active users" in told
    assert "20,000 users are 7 requests and 0.80 s of a processor" in told


def test_the_report_is_of_the_districts_that_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ["--districts", "200", "--users", "1000000", "--largest", "90000", "--active", "0.1"]
    assert main(["--figures", str(_figures(tmp_path)), *said]) == 0
    told = capsys.readouterr().out
    assert "200 of 1,000,000 in all" in told
    assert "all of Clever" not in told
    assert "busiest hour: 0.1" in told


def test_a_figure_that_was_not_measured_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _figures(tmp_path, without="found")
    assert main(["--figures", str(file)]) == 2
    part, words, _ = CHOSEN["found"]
    assert capsys.readouterr().err == f"the part {part} has no figure “{words}”: measure with make bench\n"
    assert main(["--figures", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == "nothing has been measured yet: measure with make bench\n"


@pytest.mark.parametrize(
    "said",
    [
        "--districts 3",
        "--users 10 --districts 11",
        "--users 10 --districts 2 --largest 10",
        "--users 10 --districts 2 --largest 4",
        "--users 10 --districts 0",
        "--active 0",
        "--headroom 1",
        "--questions -1",
    ],
)
def test_what_cannot_be_is_refused(said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(said.split())
    assert ended.value.code == 2


def test_the_figures_beside_this_file_are_all_that_a_plan_needs() -> None:
    measured = measured_in(json.loads(FIGURES.read_text(encoding="utf-8"))["figures"])
    assert min(astuple(measured)) > 0


def _costs(plan: Plan) -> tuple[float, ...]:
    loads = (plan.loads.requests, plan.loads.seconds, plan.loads.held, plan.loads.polls)
    return (*plan.clever[:4], *plan.machines, plan.memory.process_of_all, *plan.redis, *loads)


def _figures(folder: Path, *, without: str = "") -> Path:
    parts: dict[str, list[dict[str, object]]] = {}
    for name, (part, words, unit) in CHOSEN.items():
        if name != without:
            parts.setdefault(part, []).append({"what": words, "reached": getattr(MEASURED, name) / unit})
    file = folder / "figures.json"
    file.write_text(json.dumps({"machine": "a machine", "date": "2026-11-22", "figures": parts}), encoding="utf-8")
    return file
