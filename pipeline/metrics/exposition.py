"""Facts as Prometheus reads them. Pure; a moment is told as a moment, so that a file that stands still reads as old."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from pipeline.metrics.facts import Facts

__all__ = ["exposition"]


def exposition(facts: Facts) -> bytes:
    """The text format. Names are `barograph_…`, in seconds, bytes and ratios; what is not known has no sample."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(facts))
    return generate_latest(registry)


class _Told(Collector):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterable[Metric]:
        yield from _work(self._facts)
        yield from _backlog(self._facts)
        yield from _state(self._facts)


def _work(facts: Facts) -> Iterator[Metric]:
    """What the stages did since the store was made."""
    runs = CounterMetricFamily(
        "barograph_stage_runs", "Runs of a stage by how they ended and why.", labels=["stage", "outcome", "reason"]
    )
    results = CounterMetricFamily(
        "barograph_stage_results", "What a stage counted, by outcome or reason.", labels=["stage", "result"]
    )
    times = SummaryMetricFamily(
        "barograph_stage_duration_seconds", "How long the runs of a stage took.", labels=["stage"]
    )
    counts: dict[str, float] = {}
    for tally in facts.tallies:
        if tally.kind == "run":
            runs.add_metric([tally.stage, tally.name, tally.reason], tally.n)
            counts[tally.stage] = counts.get(tally.stage, 0.0) + tally.n
        elif tally.kind == "result":
            results.add_metric([tally.stage, tally.name], tally.n)
    for tally in facts.tallies:
        if tally.kind == "seconds":
            times.add_metric([tally.stage], count_value=int(counts.get(tally.stage, 0)), sum_value=tally.n)
    yield from (runs, results, times)
    yield _gauge(
        "barograph_stage_last_success_timestamp_seconds", "When a run of the stage was last done.", "stage",
        {stage: latest.ended_at.timestamp() for stage, latest in facts.latest.items()},
    )  # fmt: skip
    yield _gauge(
        "barograph_stage_last_duration_seconds", "How long the newest run of the stage that was done took.", "stage",
        {stage: latest.seconds for stage, latest in facts.latest.items()},
    )  # fmt: skip


def _backlog(facts: Facts) -> Iterator[Metric]:
    """What waits for a stage: feeds for ingest, messages for notify, revisions of the last week for the others."""
    yield _gauge(
        "barograph_backlog", "Feeds (ingest), messages (notify) or revisions that wait for the stage.", "stage",
        {stage: float(waiting.n) for stage, waiting in facts.waiting.items()},
    )  # fmt: skip
    yield _gauge(
        "barograph_stage_lag_seconds", "How long the oldest of these had waited when written; 0: none.", "stage",
        {stage: _age(waiting.since, facts.at) or 0.0 for stage, waiting in facts.waiting.items()},
    )  # fmt: skip
    yield _gauge(
        "barograph_notifications", "Messages that were not delivered, by status.", "status",
        {"pending": 0.0, "failed": 0.0, "dead": 0.0} | {k: float(n) for k, n in facts.notifications.items()},
    )  # fmt: skip


def _state(facts: Facts) -> Iterator[Metric]:
    """How things stand."""
    yield _gauge("barograph_feeds", "Feeds by the outcome of their last fetch.", "outcome", facts.feeds)
    incidents = GaugeMetricFamily(
        "barograph_incidents", "Incidents that are not resolved.", labels=["severity", "state"]
    )
    for (severity, state), n in facts.incidents.items():
        incidents.add_metric([severity, state], n)
    yield incidents
    model = InfoMetricFamily("barograph_model", "The version whose scores make the series.")
    if facts.model is not None:
        model.add_metric([], {"version": facts.model})
    yield model
    build = InfoMetricFamily("barograph_build", "The program that wrote this, and the schema of its store.")
    build.add_metric([], {"version": facts.version, "schema": str(facts.schema_version)})
    yield build
    single: tuple[tuple[str, str, float | None], ...] = (
        ("barograph_coverage_ratio", "Covered over expected arrivals of the last full hour.", facts.coverage),
        ("barograph_store_bytes", "Size of the store.", facts.store_bytes),
        ("barograph_disk_free_bytes", "Room where the snapshot is published.", facts.disk_free_bytes),
        ("barograph_newest_article_timestamp_seconds", "When news last came in.", _moment(facts.newest_article_at)),
        ("barograph_snapshot_timestamp_seconds", "When the snapshot was published.", _moment(facts.snapshot_at)),
        ("barograph_model_activated_timestamp_seconds", "Since when the model is active.", _moment(facts.model_since)),
        ("barograph_written_timestamp_seconds", "When these metrics were written.", _moment(facts.at)),
    )
    for name, text, value in single:
        if value is not None:
            yield GaugeMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _moment(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _age(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max((now - since).total_seconds(), 0.0)
