"""Inhibition: what is only a part of something wider is not told apart from it, and "all clear" is not said blindly.

A market-wide incident mutes a part only where the part's excess *over the market*, which `detect` has recorded, is not
significant. It never mutes a name of tier one, an `event`, or what is critical; where no excess was recorded nothing is
muted. A blind spot mutes "it is over" until we can see again.

Significant means .01, or the rule's own limit where that is looser. Rules have far smaller limits, since they look at
many series in many hours; here one question is asked of a series that alarms already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.notify.records import IncidentRow

__all__ = ["blind", "suppressions", "wider"]

_SHARE, _MARKET = "negative_share", "market"
_P_LIMIT = 0.01


def suppressions(incidents: Iterable[IncidentRow]) -> dict[str, str]:
    """Part -> the incident that mutes it, by id."""
    known = list(incidents)
    wide = [i for i in known if i.is_open and i.kind == _SHARE and i.scope == _MARKET]
    found = {}
    for part in known:
        if part.is_open and (above := wider(part, wide)):
            found[part.incident_id] = above.incident_id
    return found


def wider(part: IncidentRow, wide: Iterable[IncidentRow]) -> IncidentRow | None:
    """The market-wide incident that explains `part`, the earliest one first; None where it must be told."""
    if part.kind != _SHARE or part.scope == _MARKET or part.severity == "critical" or part.facts.tier == 1:
        return None
    excess = part.facts.excess_p
    if excess is None or excess <= max(part.facts.p_limit or 0.0, _P_LIMIT):
        return None
    same_time = [one for one in wide if _meet(part, one)]
    return min(same_time, key=lambda one: (str(one.fired_at), one.incident_id), default=None)


def blind(incidents: Mapping[str, IncidentRow]) -> bool:
    """Whether a blind spot is open."""
    return any(i.is_open and i.kind == "health" and i.facts.coverage is not None for i in incidents.values())


def _meet(part: IncidentRow, wide: IncidentRow) -> bool:
    """The wide incident was still seen after the part's bucket began."""
    began = part.facts.bucket_start
    return began is None or wide.last_seen_at is None or wide.last_seen_at > began
