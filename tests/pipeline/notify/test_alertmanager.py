"""The Alertmanager channel against the real server: fires, rises, is over; five hundred at once; a test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.context import Context
from pipeline.incidents import Action, Severity, by_person, fold
from pipeline.notify import run
from pipeline.notify.alertmanager import ENDS_AFTER
from pipeline.notify.channels import AlertmanagerChannel
from tests.conftest import MovableClock
from tests.support import alertmanager

from .world import article, decision, detection, fired, next_events, outgoing, put, routed


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with alertmanager.server() as url:
        yield url


@pytest.fixture
def present(clock: MovableClock) -> datetime:
    """Alertmanager goes by the true time: the story is of the last minutes."""
    clock.now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    return clock.now


def to(context: Context, url: str) -> None:
    routed(context, f'[[route]]\nreceiver = "am"\n[receivers.am]\nurls = ["alertmanager+{url}"]\n')


def test_a_life_as_alertmanager_sees_it(context: Context, clock: MovableClock, present: datetime, server: str) -> None:
    to(context, server)
    found = detection("acme <b>&\u202e", bucket_start=present - timedelta(days=1), seen_until=present)
    life = fired(found, present)
    told = decision(found, labels={"team": "credit"}, runbook_url="https://wiki.example/acme")
    put(context.warehouse, [life], {life[0].incident_id: [("decision", told), ("article", article("a1", 0.9))]})
    assert run(context).counts["sent"] == 1
    query = f'?filter=incident_id="{life[0].incident_id}"'
    (alert,) = alertmanager.alerts(server, query)
    assert alert["labels"] == {
        "alertname": "negative-share-sector", "severity": "warning", "kind": "negative_share", "scope": "sector",
        "key": "acme <b>&", "incident_id": life[0].incident_id, "label_team": "credit",
    }  # fmt: skip
    assert alert["annotations"]["runbook_url"] == "https://wiki.example/acme"
    assert "14 of 31 stories" in alert["annotations"]["description"]
    assert datetime.fromisoformat(alert["startsAt"]) == present
    assert datetime.fromisoformat(alert["endsAt"]) == present + ENDS_AFTER

    clock.now += timedelta(minutes=2)
    seen = detection(found.key, severity=Severity.ERROR, bucket_start=found.bucket_start, seen_until=clock.now)
    worse = next_events(life, clock.now, seen)
    put(context.warehouse, [worse], {life[0].incident_id: [("decision", told)]})
    assert run(context).counts["sent"] == 1
    (alert,) = alertmanager.alerts(server, query)
    assert (alert["labels"]["severity"], alert["labels"]["key"]) == ("error", "acme <b>&")

    over = [*worse, *by_person(fold(worse), Action.RESOLVE, "Ann", clock.now + timedelta(minutes=2))]
    clock.now += timedelta(minutes=2)
    put(context.warehouse, [over])
    assert run(context).counts["sent"] == 1
    assert alertmanager.alerts(server, query) == []


def test_every_one_of_five_hundred_arrives(context: Context, present: datetime, server: str) -> None:
    to(context, server)
    found = [detection(f"series{n:03}", rule="many") for n in range(500)]
    lives = [fired(f, present) for f in found]
    put(
        context.warehouse,
        lives,
        {v[0].incident_id: [("decision", decision(f))] for v, f in zip(lives, found, strict=True)},
    )
    assert run(context).counts["sent"] == 1
    assert len(alertmanager.alerts(server, '?filter=alertname="many"')) == 500


def test_a_test_message_is_an_alert_of_its_own(present: datetime, server: str) -> None:
    AlertmanagerChannel(server).send(outgoing(created_at=present + timedelta(minutes=10)))
    (alert,) = alertmanager.alerts(server, '?filter=alertname="BarographTest"')
    assert alert["annotations"]["summary"] == "[WARNING] Insurers"
