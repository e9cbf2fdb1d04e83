"""The incidents of a backtest with their evidence, frozen as `detect` freezes it, for `audit.replay`. SIMULATED."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipeline.audit import Case
from pipeline.audit.case import Configuration, Piece
from pipeline.backtest import known
from pipeline.backtest.play import Life, Seen
from pipeline.backtest.run import simulate
from pipeline.backtest.session import Session
from pipeline.detect import evidence
from pipeline.detect.rules import Kind, parse
from pipeline.incidents import Event
from pipeline.watchlists import WatchLists

__all__ = ["frozen"]


def frozen(session: Session, text: str, watched: WatchLists) -> Iterator[Case]:
    """Every incident that the rules of this text would have made, in order of firing; nothing of it is kept.

    Raises:
        RulesError: the text cannot be used.
    """
    rules, context = parse(text), session.context
    watched = watched.with_families(session.known.parents)
    played = simulate(
        session.known, rules, watched, session.model.model_version, session.start, session.end,
        horizon=session.horizon, freeze=True, progress=context.progress,
    )  # fmt: skip
    in_force = Configuration("rules", "", rules.sha256, text, "", session.start)
    standing = {
        "configurations": {"rules": rules.sha256},
        "demo": context.settings.demo,
        "model_version": session.model.model_version,
        "negative_limit": session.model.negative_limit,
        "rule_author": None,
        "rule_effective_at": None,
        "simulated": True,
        "versions": evidence.versions(),
    }
    for life in sorted((life for one in played for life in one.lives), key=lambda life: life.fired_at):
        rows = evidence.chained([(event, _pieces(session, event, seen, standing)) for event, seen in life.told], {})
        pieces = [Piece(**row, recorded_at=_happened(life, row["event_id"])) for row in rows.to_pylist()]
        yield Case(asdict(life.incident), life.events, pieces, (), {rules.sha256: in_force}, ())


def _pieces(session: Session, event: Event, seen: Seen, standing: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    counted: list[dict[str, Any]] = []
    if seen.finding.rule.kind is not Kind.HEALTH:
        with session.context.warehouse.read() as con:
            counted = known.articles(con, session.model, seen.finding, event.happened_at)
    plain = [{name: _plain(value) for name, value in article.items()} for article in counted]
    return evidence.payloads(event, seen.finding, plain, seen.given() if seen.given else {}, standing)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _happened(life: Life, event_id: str) -> datetime:
    return next(event.happened_at for event in life.events if event.event_id == event_id)
