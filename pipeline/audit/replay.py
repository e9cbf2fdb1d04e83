"""Whether the chain holds, and whether each decision and message comes out again, to the byte, from what was kept."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Sequence

import duckdb

from pipeline.audit.case import Case, Notification, Piece
from pipeline.audit.verdicts import Checked, Verdict
from pipeline.context import Progress, silent
from pipeline.detect import again, inputs
from pipeline.detect.evidence import versions
from pipeline.detect.refit import differences, refitted
from pipeline.errors import RulesError
from pipeline.incidents import Event
from pipeline.notify import basis
from pipeline.notify.records import Evidence

__all__ = ["refit", "replay"]


def replay(case: Case) -> list[Checked]:
    """The chain, then of each step its decision and its place in the life, then every message."""
    checked = [_chain(case.evidence)]
    for event in case.events:
        pieces = case.step(event.event_id)
        if pieces:
            checked += _step(case, event, pieces)
    checked += [_message(case, one) for one in case.notifications if one.status != "skipped"]
    return checked


def refit(con: duckdb.DuckDBPyConnection, case: Case, progress: Progress = silent) -> list[Checked]:
    """Each decision computed anew from the base tables as they were known then: the same, or what differs."""
    checked = []
    for event in case.events:
        kept = {piece.kind: piece.told() for piece in case.step(event.event_id) if piece.kind in ("decision", "inputs")}
        if not kept:
            continue
        name = f"{event.action} #{event.seq}"
        rules = case.configurations.get(kept["decision"].get("configurations", {}).get("rules", ""))
        if rules is None or "inputs" not in kept:
            checked.append(Checked("refit", name, Verdict.UNKNOWN, "kept by a version that did not freeze its inputs"))
            continue
        try:
            made = refitted(con, kept["decision"], kept["inputs"], rules.content, progress)
        except (RulesError, LookupError) as error:
            checked.append(Checked("refit", name, Verdict.DIFFERS, str(error)))
            continue
        unlike = differences(kept["decision"], made)
        verdict = Verdict.DIFFERS if unlike else Verdict.SAME
        gone = any(piece.removed for piece in case.step(event.event_id))
        # What was forgotten is in no base table any more: the counts must differ.
        checked.append(Checked("refit", name, Verdict.REMOVED if unlike and gone else verdict, "\n".join(unlike)))
    return checked


def _chain(pieces: Sequence[Piece]) -> Checked:
    if not pieces:
        return Checked("chain", "0 rows", Verdict.UNKNOWN, "no evidence is kept")
    previous, removed = "", 0
    for place, piece in enumerate(pieces):
        if piece.previous_sha256 != previous:
            return Checked("chain", f"row {place}", Verdict.DIFFERS, "a row before it is missing, or out of order")
        if piece.removed:
            removed += 1
        elif hashlib.sha256((previous + piece.payload).encode()).hexdigest() != piece.sha256:
            return Checked("chain", f"row {place}", Verdict.DIFFERS, f"the {piece.kind} was changed after it was kept")
        previous = piece.sha256
    told = f"{len(pieces)} rows" + (f", {removed} removed" if removed else "")
    return Checked("chain", told, Verdict.REMOVED if removed else Verdict.SAME, _why(pieces))


def _why(pieces: Sequence[Piece]) -> str:
    reasons = {f"{r['at']} by {r['by']}: {r['why']}" for piece in pieces if (r := piece.removed)}
    return "; ".join(f"evidence removed {one}" for one in sorted(reasons))


def _step(case: Case, event: Event, pieces: Sequence[Piece]) -> Iterator[Checked]:
    name = f"{event.action} #{event.seq}"
    try:
        yield from _made(case, event, pieces, name)
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Who changed a payload need not have left what we read in it.
        yield Checked("decision", name, Verdict.DIFFERS, f"what is kept of it cannot be read: {error!r}")


def _made(case: Case, event: Event, pieces: Sequence[Piece], name: str) -> Iterator[Checked]:
    decision = next((piece for piece in pieces if piece.kind == "decision"), None)
    given = next((piece for piece in pieces if piece.kind == "inputs"), None)
    if decision is None or given is None:
        yield Checked("decision", name, Verdict.UNKNOWN, "kept by a version that did not freeze its inputs")
        return
    told, kept = decision.told(), given.told()
    if problem := _missing(told, pieces):
        yield Checked("decision", name, Verdict.DIFFERS, problem)
        return
    rules = case.configurations.get(told["configurations"].get("rules", ""))
    if rules is None:
        yield Checked("decision", name, Verdict.UNKNOWN, f"the rule file of then is not in {case.place}")
        return
    try:
        made = again.decided(told, kept, rules.content, event)
        seen, watched = inputs.read(kept, told["scope"], told["key"])
        finding = again.found_in(seen, watched, told, kept, rules.content)
    except (RulesError, LookupError) as error:
        yield Checked("decision", name, Verdict.DIFFERS, str(error))
        return
    if made is None or finding is None:
        yield Checked("decision", name, Verdict.DIFFERS, f"the same inputs find nothing. {_other_versions(told)}")
        return
    if made != decision.payload:
        yield Checked("decision", name, Verdict.DIFFERS, f"{_diff(decision.payload, made)}{_other_versions(told)}")
    else:
        yield Checked("decision", name, Verdict.SAME)
    taken = again.stepped(case.events, event, finding)
    same = taken is not None and (taken.action, taken.reason, taken.severity) == (
        event.action, event.reason, event.severity
    )  # fmt: skip
    detail = "" if same else f"the rules of a life make it {taken.action if taken else 'no step at all'}"
    yield Checked("life", name, Verdict.SAME if same else Verdict.DIFFERS, detail)


def _missing(told: dict[str, object], pieces: Sequence[Piece]) -> str:
    counts: dict[str, int] = {}
    for piece in pieces:
        if piece.kind != "decision":
            counts[piece.kind] = counts.get(piece.kind, 0) + 1
    return "" if counts == told["pieces"] else f"the decision names {told['pieces']} pieces, kept are {counts}"


def _message(case: Case, message: Notification) -> Checked:
    name = f"{message.notification_id[:12]} to {message.receiver}"
    if message.basis is None:
        return Checked("message", name, Verdict.UNKNOWN, "kept by a version that did not keep what it was made from")
    known = basis.read(message.basis)
    steps = {one.incident.incident_id: case.step(one.incident.announce_id) for one in known.announcements}
    if any(piece.removed for pieces in steps.values() for piece in pieces):
        whole = known.sha256 == basis.digest(message.title, message.body)
        said = "its words are whole" if whole else f"sha256 of what was said: {known.sha256}"
        return Checked("message", name, Verdict.REMOVED, f"evidence removed; {said}")
    evidence = {incident: _evidence(pieces) for incident, pieces in steps.items()}
    made = basis.composed(known, evidence, message.notification_id)
    if (made.title, made.body) == (message.title, message.body):
        return Checked("message", name, Verdict.SAME)
    return Checked(
        "message", name, Verdict.DIFFERS, _diff(f"{message.title}\n{message.body}", f"{made.title}\n{made.body}")
    )


def _evidence(pieces: Sequence[Piece]) -> Evidence:
    """As `notify` reads it."""
    kept: dict[str, list[dict[str, object]]] = {}
    for piece in pieces:
        kept.setdefault(piece.kind, []).append(piece.told())
    return Evidence(next(iter(kept.get("decision", [{}]))), kept.get("article", []), kept.get("feed", []))


def _other_versions(told: dict[str, object]) -> str:
    then, now = told["versions"], versions()
    assert isinstance(then, dict)
    other = [f"{name} {then.get(name)}, now {now[name]}" for name in now if then.get(name) != now[name]]
    return f"\nDecided with {'; '.join(other)}." if other else ""


def _diff(kept: str, made: str) -> str:
    before, after = (_lines(text) for text in (kept, made))
    return "\n".join(difflib.unified_diff(before, after, "kept", "made again", lineterm="", n=0))


def _lines(text: str) -> list[str]:
    """One line per value of a JSON object, the lines of anything else."""
    if not text.startswith("{"):
        return text.splitlines()
    return json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False).splitlines()
