"""The dashboard and the alert rules name metrics that exist, with labels that they have, in queries that parse."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import promql_parser
import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from app import telemetry
from app.telemetry.metrics import REGISTRY

BOARDS = resources.files(telemetry).joinpath("boards")
OF_PROMETHEUS = {"job", "instance", "le"}


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads(BOARDS.joinpath("grafana.json").read_text(encoding="utf-8"))
    return board


def rules() -> list[dict[str, Any]]:
    [group] = YAML(typ="safe").load(BOARDS.joinpath("alerts.yml").read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def queries() -> list[str]:
    shown = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [query.replace("$__rate_interval", "5m") for query in shown] + [rule["expr"] for rule in rules()]


def selectors(query: str) -> Iterator[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def look(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(query), look)
    return iter(found)


def labels_by_metric(registry: CollectorRegistry) -> dict[str, set[str]]:
    """The labels of every series that there can be, by its name, whether it has been counted yet or not."""
    names: dict[str, set[str]] = {}
    for collector, series in registry._collector_to_names.items():  # noqa: SLF001 -- what else knows the uncounted
        for name in series:
            names[name] = set(getattr(collector, "_labelnames", ()))
    return names


@pytest.mark.parametrize("query", queries())
def test_a_query_parses_and_names_metrics_and_labels_that_there_are(query: str) -> None:
    known = labels_by_metric(REGISTRY)
    named = list(selectors(query))
    assert named
    for each in named:
        assert each.name in known
        assert {matcher.name for matcher in each.matchers.matchers} <= known[each.name] | OF_PROMETHEUS


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = "".join(queries())
    ours = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("rosterguard_")}
    assert {name for name in ours if name not in shown} == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_no_metric_has_a_label_for_people_districts_or_callers() -> None:
    labels = {label for each in labels_by_metric(REGISTRY).values() for label in each}
    assert labels <= {
        "method", "route", "status", "reason", "cache", "outcome", "endpoint", "kind", "revision", "log", "generation",
        "state",
    }  # fmt: skip


def test_a_district_without_events_that_is_loaded_again_in_time_raises_no_alert_whatever_the_fresh_time() -> None:
    (outdated,) = (rule["expr"] for rule in rules() if rule["alert"] == "RosterguardDistrictOutdated")
    assert {selector.name for selector in selectors(outdated)} == {
        "rosterguard_district_lag_seconds",
        "rosterguard_fresh_seconds",
    }
