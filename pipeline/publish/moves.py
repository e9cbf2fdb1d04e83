"""Why an index moved, asked of a snapshot: both times as the snapshot knows them, by the model it was made with."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pandas as pd
import pyarrow.compute as pc

from pipeline.publish.snapshot import Snapshot
from pipeline.series.index import with_index
from pipeline.series.why import Standing, Why, explain, standing_of

__all__ = ["move"]


def move(
    snapshot: Snapshot, series: tuple[str, str], grain: str, start: datetime, end: datetime, most: int = 10
) -> Why | None:
    """The split of the change of `series` (scope, key) from the bucket of `start` to that of `end`.

    The parts are those of `barograph why --known now`: within one snapshot there is one model, and no story is known in
    two ways. `Weight.article_id` names the row of the table `articles` by which a story is shown. None where the series
    has no story at one of the times, where they do not follow each other, or where `start` lies before the weeks whose
    stories are published one by one.
    """
    manifest = snapshot.manifest
    same = (pc.field("scope") == series[0]) & (pc.field("key") == series[1]) & (pc.field("grain") == grain)
    rows = snapshot.table("trends", where=same & (pc.field("model_version") == (manifest.model_version or "")))
    stories = snapshot.table("told", where=same)
    if rows.empty or stories.empty or start >= end:
        return None
    read = with_index(rows, grain)
    began = snapshot.table("told", columns=["bucket_start"])["bucket_start"].min()
    if pd.Timestamp(start) < pd.Timestamp(datetime.combine(began.date(), time(), UTC)):
        return None
    standings = [_standing(read, stories, at, grain, manifest.model_version or "") for at in (start, end)]
    before, after = standings
    if before is None or after is None:
        return None
    return explain(before, after, most=most)


def _standing(
    read: pd.DataFrame, stories: pd.DataFrame, at: datetime, grain: str, model_version: str
) -> Standing | None:
    rows = read[read["bucket_start"] <= pd.Timestamp(at)]
    if rows.empty:
        return None
    return standing_of(stories, rows, rows["bucket_start"].iloc[-1].to_pydatetime(), grain, model_version)
