"""`barograph why`: the change of an index between two times, split into parts that add up to it."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
from cli.times import moment
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.series.moves import Move

__all__ = ["register"]

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]


class Grain(StrEnum):
    """What --grain takes."""

    hour = "hour"
    day = "day"


class KnownName(StrEnum):
    """What --known takes."""

    then = "then"
    now = "now"


def register(app: typer.Typer) -> None:
    """Add `why`."""
    app.command("why")(_why)


def _why(
    start: Annotated[datetime, typer.Option("--from", formats=_FORMATS, help="The earlier time (UTC).")],
    end: Annotated[
        datetime | None, typer.Option("--to", formats=_FORMATS, help="The later time (UTC); now, if left out.")
    ] = None,
    scope: Annotated[str, typer.Option(help="market, topic, theme, entity, sector or publisher.")] = "market",
    key: Annotated[str, typer.Option(help="Which one, such as a company's id.")] = "all",
    grain: Annotated[Grain, typer.Option(help="The daily or the hourly index.")] = Grain.day,
    known: Annotated[
        KnownName | None,
        typer.Option(help="Read each time as it was known then, or both as they are known now. "
                     "Left out: then, where the store knew the series at both times."),
    ] = None,
    most: Annotated[int, typer.Option(min=0, help="Show so many stories, those that weigh most.")] = 10,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say why a sentiment index moved: new stories, volume, publishers, changed stories, the yardstick, the model.

    The parts add up to the change. docs/definitions.md has the formulas and a worked example.

    Example: barograph why --scope entity --key demo:kestrel-air --from 2026-03-01 --to 2026-03-03
    """
    from pipeline.series.moves import Known, move

    with opened(config) as context:
        times = (moment(start), moment(end) if end else context.clock())
        ways = [Known(known.value)] if known else list(Known)
        with context.warehouse.read() as con:
            for way in ways:
                found = move(con, (scope, key), grain.value, *times, known=way, most=most)
                if found is not None:
                    break
        demo = context.settings.demo
    if found is None:
        hint = "" if known is not KnownName.then else " Try --known now."
        raise InputError(
            f"{scope} {key} has no scored story up to {times[0]:%Y-%m-%d %H:%M} UTC: there is no index to start "
            f"from. Name a later --from, or another series.{hint}"
        )
    if as_json:
        told = {"scope": scope, "key": key, "grain": grain.value, "from": times[0], "to": times[1], **_told(found)}
        sys.stdout.write(json.dumps(told | {"demo": demo}, default=_plain, ensure_ascii=False, indent=2) + "\n")
        return
    if demo:
        out.print("DEMO: invented data")
    _print(found, f"{scope} {key}", fell_back=known is None and found.known is Known.NOW)


def _print(found: Move, series: str, *, fell_back: bool) -> None:
    from pipeline.series.why import PARTS

    why = found.why
    word = "sentiment index" if why.unit == "index" else "decayed mean polarity (too little past for an index)"
    span = f"{why.before.bucket_start:%Y-%m-%d %H:%M} → {why.after.bucket_start:%Y-%m-%d %H:%M} UTC"
    out.print(f"{series}, {word}: {why.value_before:+.3f} → {why.value_after:+.3f}, {why.change:+.3f} ({span})")
    if fell_back:
        out.print("The store did not know the series then: both times are read with what it knows now.")
    if found.models[0] != found.models[1]:
        out.print(f"The model changed from {found.models[0]} to {found.models[1]}.")
    out.print(f"{why.new} new stories, {why.new_negative} of them negative.\n")
    rows: list[dict[str, Any]] = [
        {"part": part.name.replace("_", " "), "change": f"{part.value:+.3f}", "what": PARTS[part.name]}
        for part in why.parts
    ]
    rows.append({"part": "together", "change": f"{why.change:+.3f}", "what": ""})
    emit(rows, ("part", "change", "what"), as_json=False)
    if why.stories:
        out.print("\nThe stories that weigh most:")
        heavy = [
            {
                "change": f"{one.value:+.3f}",
                "kind": one.kind,
                "polarity": f"{one.polarity:+.2f}",
                "publisher": found.titles[one.article_id].publisher,
                "title": found.titles[one.article_id].title,
            }
            for one in why.stories
        ]
        emit(heavy, ("change", "kind", "polarity", "publisher", "title"), as_json=False)


def _told(found: Move) -> dict[str, Any]:
    why = found.why
    return {
        "unit": why.unit,
        "known": found.known.value,
        "buckets": [why.before.bucket_start, why.after.bucket_start],
        "models": list(found.models),
        "before": why.value_before,
        "after": why.value_after,
        "change": why.change,
        "parts": {part.name: part.value for part in why.parts},
        "new_stories": why.new,
        "new_negative_stories": why.new_negative,
        "stories": [
            {
                "story_id": one.story_id,
                "article_id": one.article_id,
                "kind": one.kind,
                "change": one.value,
                "polarity": one.polarity,
                "negative": one.negative,
                "owner": one.owner,
                "publisher": found.titles[one.article_id].publisher,
                "title": found.titles[one.article_id].title,
                "url": found.titles[one.article_id].url,
            }
            for one in why.stories
        ],
    }


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
