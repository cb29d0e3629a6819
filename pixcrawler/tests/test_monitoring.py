"""What the docs of monitoring name is there: metrics, labels, alerts, fields of the log."""

import json
import logging
import re
from typing import Any

import pytest
import yaml
from django.conf import settings
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from jobs import meter
from jobs.redis_store import client as redis_client
from jobs.tests.factories import ChunkFactory
from pixcrawler.logs import JsonFormatter
from pixcrawler.metrics import Installation

pytestmark = pytest.mark.django_db

FOLDER = settings.BASE_DIR / "docs" / "monitoring"
GUIDE = (settings.BASE_DIR / "docs" / "monitoring.md").read_text(encoding="utf-8")
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def dashboard_queries() -> list[str]:
    board = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "prometheus-rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture
def families() -> list[Metric]:
    """All metrics, with a sample of each that workers count."""
    ChunkFactory.create()
    for field, amount in (
        meter.of_verdicts("crawl", [("kept", "")])
        + meter.of_transfers([meter.Transfer(source="urls", url="", seconds=1, size_bytes=5)], own_hosts=())
    ).items():
        redis_client().hincrby(meter.KEY, field, amount)
    redis_client().set("px:scheduler", 1)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Installation())
    return list(registry.collect())


def exposed(families: list[Metric]) -> dict[str, set[str]]:
    """Every name that a query may use, with its labels."""
    names: dict[str, set[str]] = {}
    for family in families:
        labels = {label for sample in family.samples for label in sample.labels}
        for suffix in _SUFFIXES.get(family.type, ("",)):
            names[family.name + suffix] = labels
    return names


def test_every_query_and_alert_names_metrics_and_labels_that_exist(families: list[Metric]) -> None:
    names = exposed(families)
    queries = dashboard_queries() + [rule["expr"] for rule in rules()]
    assert len(queries) > 20
    for query in queries:
        used = re.findall(r"\bpixcrawler_\w+", query)
        assert used or query.startswith("up{"), query
        assert set(used) <= names.keys(), query
        matched = re.findall(r"(pixcrawler_\w+)\{([^}]*)\}", query)
        for name, matchers in matched:
            assert set(re.findall(r"(\w+)\s*[=!]~?", matchers)) <= names[name], query
        grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", query) for label in labels.split(",")}
        assert grouped <= set().union(*(names[name] for name in used)), query


def test_every_metric_is_on_the_dashboard_and_in_the_guide_with_its_labels(families: list[Metric]) -> None:
    board = " ".join(dashboard_queries())
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        row = next((line for line in GUIDE.splitlines() if line.startswith(f"| `{name}` |")), "")
        assert row, name
        assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == labels, name
        assert family.name in board, name


def test_every_alert_is_explained_and_says_what_to_do() -> None:
    documented = set(re.findall(r"^\| `(PixCrawler\w+)` \|", GUIDE, re.M))
    assert {rule["alert"] for rule in rules()} == documented
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in rules())


def test_every_field_of_the_log_is_explained() -> None:
    record = logging.LogRecord("a", logging.ERROR, "", 1, "words", None, (ValueError, ValueError("no"), None))
    record.job, record.chunk = 1, 2
    written = json.loads(JsonFormatter().format(record)).keys()

    table = GUIDE[GUIDE.index("| field | there | meaning |") :]
    explained = {name for row in re.findall(r"^\| (`[^|]*) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert written == explained - {"worker"}
