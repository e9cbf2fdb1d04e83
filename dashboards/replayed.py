"""An incident made again from the snapshot alone: whether its chain holds, and each decision and step comes out again.

Imported only when somebody asks for it: it brings all of detection, and scipy, which no other page needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from dashboards.data import View
from dashboards.pieces import Children, records, when_of
from pipeline.audit import Checked, Verdict, replay
from pipeline.audit.case import Case, cited, of_rows
from pipeline.audit.reading import CONFIGURATIONS, EVENTS, PIECES

__all__ = ["checked", "shown", "summary"]

_PLACE = "this snapshot"


def shown(view: View, incident: Mapping[str, Any]) -> Children:
    """What came of it, in words; of what differs the difference."""
    found = checked(view, incident)
    return [html.P(summary(found), role="status"), html.Ul([_item(one) for one in found], className="checked")]


def checked(view: View, incident: Mapping[str, Any]) -> Sequence[Checked]:
    """What `pipeline.audit.replay` says of an incident (a row of the table), once for each snapshot."""
    found: Sequence[Checked] = view.once(("replayed", incident["incident_id"]), lambda: _checked(view, incident))
    return found


def summary(found: Sequence[Checked]) -> str:
    """One sentence: of what it was made again, whether the chain holds, and how much comes out to the byte."""
    said = [_chain(one) for one in found if one.what == "chain"]
    counts = [_counted(found, what, name) for what, name in (("decision", "decision"), ("life", "step"))]
    said.append(" and ".join(filter(None, counts)) + " come out to the byte" if any(counts) else "no decision is kept")
    return f"Made again from the evidence in {_PLACE}: {', '.join(said)}."


def _checked(view: View, incident: Mapping[str, Any]) -> Sequence[Checked]:
    try:
        return replay(_case(view, incident))
    except (LookupError, TypeError, ValueError) as error:
        # A newer version published it, with steps that this one has no words for.
        return [Checked("life", "of this incident", Verdict.UNKNOWN, f"this version does not know all of it: {error}")]


def _case(view: View, incident: Mapping[str, Any]) -> Case:
    evidence = _rows(view, PIECES, incident_ids=[incident["incident_id"]])
    return of_rows(
        incident,
        _rows(view, EVENTS, incident_id=incident["incident_id"]),
        evidence,
        _rows(view, CONFIGURATIONS, cited=cited(evidence)),
        demo=view.snapshot.demo,
        place=_PLACE,
    )


def _rows(view: View, sql: str, **values: Any) -> list[dict[str, Any]]:
    """The rows of an answer as the store would give them: their times are plain ones."""
    rows = records(view.query(sql, **values))
    return [{name: when_of(value) if name.endswith("_at") else value for name, value in row.items()} for row in rows]


def _chain(one: Checked) -> str:
    if one.verdict is Verdict.DIFFERS:
        return f"the chain DIFFERS at {one.name}"
    if one.verdict is Verdict.UNKNOWN:
        return one.detail
    rows, _, removed = one.name.partition(", ")
    return f"the chain of {rows}{f' ({removed})' if removed else ''} holds"


def _counted(found: Sequence[Checked], what: str, name: str) -> str:
    """`2 decisions`, or `1 of 2 decisions`; empty where there is none."""
    all_ = [one for one in found if one.what == what]
    same = sum(one.verdict is Verdict.SAME for one in all_)
    if not all_:
        return ""
    if same < len(all_):
        return f"{same} of {len(all_)} {name}s"
    return f"{same} {name}" + ("s" if same > 1 else "")


def _item(one: Checked) -> html.Li:
    told: Children = [html.B(one.what), f" {one.name}: ", html.Span(one.verdict.said, className="verdict")]
    if one.detail and one.verdict is Verdict.DIFFERS:
        told.append(html.Pre(one.detail))
    elif one.detail:
        told.append(html.Div(one.detail, className="more"))
    return html.Li(told, className=one.verdict.value)
