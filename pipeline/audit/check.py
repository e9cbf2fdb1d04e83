"""Checks an incident's file without Barograph: python check.py FILE. Python 3.9 or later, the standard library only.

What it checks: that every row of evidence is covered by the sha256 of the row after it, that no row is missing, that
the configurations are those that were cited, that the steps of the incident's life are whole, that the counts of each
decision come out of its articles again, and that the messages say what they said when they were saved.
It prints one line for each, and ends with 0 if all hold, 1 if one does not, 2 if the file cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any


def main(path: str) -> int:
    """Check the file at `path`."""
    try:
        with zipfile.ZipFile(path) as archive:
            case = json.loads(archive.read("case.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        say("error", f"{path}: not the file of an incident: {error}")
        return 2
    say("file", f"incident {case['incident']['incident_id']}: {case['incident']['label']}")
    problems = [
        *chain(case["evidence"]),
        *(one for rows in by_incident(case["beside"]).values() for one in chain(rows)),
        *configurations(case),
        *life(case),
        *decisions(case),
        *messages(case),
    ]
    for problem in problems:
        say("WRONG", problem)
    say("done", f"{len(problems)} problems" if problems else "everything holds")
    return 1 if problems else 0


def say(what: str, text: str) -> None:
    """One line for people."""
    sys.stdout.write(f"{what:8}{text}\n")


def chain(rows: list[Any]) -> list[Any]:
    """The rows follow one another, each sha256 over the one before and the payload."""
    problems, previous, removed = [], "", 0
    for place, row in enumerate(rows):
        if row["previous_sha256"] != previous:
            problems.append(f"row {place} of {row['incident_id'][:12]} does not follow the one before it")
        if is_removed(row):
            removed += 1
        elif sha256(row["previous_sha256"] + row["payload"]) != row["sha256"]:
            problems.append(f"row {place} of {row['incident_id'][:12]} ({row['kind']}) was changed")
        previous = row["sha256"]
    for why in sorted({json.dumps(json.loads(row["payload"])["removed"]) for row in rows if is_removed(row)}):
        say("removed", why)
    whose = rows[0]["incident_id"][:12] if rows else "nothing"
    say("chain", f"{whose}: {len(rows)} rows, {removed} removed, ends in {previous or 'nothing'}")
    return problems


def by_incident(rows: list[Any]) -> dict[str, Any]:
    """The rows of each incident, in the order in which they are chained."""
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(row["incident_id"], {})[row["previous_sha256"]] = row
    ordered: dict[str, Any] = {}
    for incident, after in found.items():
        ordered[incident], previous = [], ""
        while previous in after:
            ordered[incident].append(after.pop(previous))
            previous = ordered[incident][-1]["sha256"]
        ordered[incident] += after.values()
    return ordered


def configurations(case: dict[str, Any]) -> list[Any]:
    """Each cited text is there, and is the one that was cited."""
    known = {row["sha256"]: row["content"] for row in case["configurations"]}
    problems = [f"configuration {sha[:12]} was changed" for sha, text in known.items() if sha256(text) != sha]
    for decision in of_kind(case["evidence"], "decision"):
        for kind, sha in decision["configurations"].items():
            if sha not in known:
                problems.append(f"the {kind} that step {decision['seq']} cites are not in the file")
        if sha256(decision["rule_text"]) != decision["rule_sha256"]:
            problems.append(f"the rule of step {decision['seq']} is not the text that was cited")
    say("texts", f"{len(known)} configurations")
    return problems


def life(case: dict[str, Any]) -> list[Any]:
    """The steps are whole, and each decision belongs to one of them."""
    incident = case["incident"]["incident_id"]
    problems, steps = [], {}
    for place, event in enumerate(sorted(case["events"], key=lambda one: one["seq"])):
        steps[event["event_id"]] = event
        if event["seq"] != place:
            problems.append(f"step {place} is missing")
        if event["event_id"] != sha256(f"{incident}\x1f{event['seq']}")[:32]:
            problems.append(f"step {event['seq']} has the id of another")
        say("step", f"{event['happened_at']} {event['action']} ({event['reason']}) {event['actor']}".rstrip())
    for decision in of_kind(case["evidence"], "decision"):
        event = steps.get(decision["event_id"])
        same = event and all(event[name] == decision[name] for name in ("seq", "action", "reason", "happened_at"))
        if not same:
            problems.append(f"the decision of step {decision['seq']} belongs to no step of this life")
    return problems


def decisions(case: dict[str, Any]) -> list[Any]:
    """No piece is missing, and the counts come out of the articles."""
    problems = []
    for decision in of_kind(case["evidence"], "decision"):
        rows = [row for row in case["evidence"] if row["event_id"] == decision["event_id"]]
        counts: dict[str, Any] = {}
        for row in rows:
            if row["kind"] != "decision":
                counts[row["kind"]] = counts.get(row["kind"], 0) + 1
        if counts != decision["pieces"]:
            problems.append(f"step {decision['seq']} names {decision['pieces']}, in the file are {counts}")
        articles = [row for row in rows if row["kind"] == "article"]
        if any(is_removed(row) for row in articles):
            say("counts", f"step {decision['seq']}: evidence removed, not counted again")
        elif decision["rule_kind"] == "negative_share":
            counted = recounted([json.loads(row["payload"]) for row in articles], decision["negative_limit"])
            told = (decision["story_count"], decision["negative_stories"])
            say("counts", f"step {decision['seq']}: {counted[1]} of {counted[0]} stories negative")
            if counted != told:
                problems.append(f"step {decision['seq']} says {told[1]} of {told[0]} stories negative")
    return problems


def recounted(articles: list[Any], limit: float) -> tuple[int, int]:
    """(stories, negative ones): a story's sentiment is the mean over each owner's first scored article."""
    stories: dict[str, Any] = {}
    for article in sorted(articles, key=lambda one: (one["counted_at"], one["article_id"])):
        if article["status"] == "scored":
            stories.setdefault(article["story_id"], {}).setdefault(article["owner"], article)
    negative = 0
    for owners in stories.values():
        weight = sum(one["relevance"] for one in owners.values())
        negative += sum(one["relevance"] * one["p_negative"] for one in owners.values()) / weight > limit
    return len(stories), negative


def messages(case: dict[str, Any]) -> list[Any]:
    """Every message has the sha256 it was saved with."""
    problems = []
    gone = any(is_removed(row) for row in (*case["evidence"], *case["beside"]))
    for message in case["notifications"]:
        if not message["basis"] or message["status"] == "skipped":
            continue
        said = json.loads(message["basis"])["sha256"]
        same = sha256(f"{message['title']}\n{message['body']}") == said
        if gone and not same:
            say("message", f"{message['notification_id'][:12]}: evidence removed; sha256 of what was said: {said}")
        elif not same:
            problems.append(f"message {message['notification_id'][:12]} was changed after it was saved")
        else:
            say("message", f"{message['notification_id'][:12]} to {message['receiver']}: {message['title']}")
    return problems


def of_kind(rows: list[Any], kind: str) -> list[Any]:
    """The payloads of one kind."""
    return [json.loads(row["payload"]) for row in rows if row["kind"] == kind and not is_removed(row)]


def is_removed(row: dict[str, Any]) -> bool:
    """Whether somebody had it forgotten; the row says who, when and why."""
    return bool(row["payload"].startswith('{"removed":'))


def sha256(text: str) -> str:
    """Of the text as UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1] not in ("-h", "--help"):
        sys.exit(main(sys.argv[1]))
    # Inside the archive (python FILE) the archive is what is checked.
    if len(sys.argv) == 1 and zipfile.is_zipfile(str(Path(__file__).parent)):
        sys.exit(main(str(Path(__file__).parent)))
    sys.stdout.write(str(__doc__))
    sys.exit(2)
