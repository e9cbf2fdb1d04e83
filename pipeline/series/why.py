"""Why an index moved between two times: an exact split of the change into parts that add up to it. Pure.

The formulas, with a worked example, stand in docs/definitions.md ("Why did it move?").
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline.series.index import HALF_LIFE_HOURS

__all__ = ["PARTS", "Part", "Standing", "Weight", "Why", "explain", "standing_of"]

# What each part says, in the order in which they are told.
PARTS = {
    "new_stories": "new stories, had they come at the usual pace and from the usual publishers",
    "volume": "that there were more or fewer of them than the pace before",
    "publishers": "that other publishers told them than before",
    "changed_polarity": "stories of before that read otherwise now: revised, or told by more owners",
    "restated": "stories of before that were merged, moved to another bucket, or dropped",
    "yardstick": "that its own 180 days before, which it is measured by, are others now",
    "model": "that another model version scores",
}
_ByOwner = dict[Hashable, float]
_COLUMNS = ["story_id", "weight", "polarity", "owner", "negative", "article_id", "bucket_start"]


@dataclass(frozen=True)
class Standing:
    """A series at one bucket, as it was read: ratio of the decayed sums, and what it is measured by.

    `stories`: story_id, weight (2^(−age / half-life), 1 in the bucket itself), polarity, owner, negative, article_id,
    bucket_start. `usual`, `deviation`: NaN where there is too little past. `rest`: weight and weighted polarity of
    older stories that are not listed one by one (a published snapshot keeps some weeks of them).
    """

    bucket_start: datetime
    grain: str
    model_version: str
    stories: pd.DataFrame
    usual: float
    deviation: float
    rest: tuple[float, float] = (0.0, 0.0)

    @property
    def weight(self) -> float:
        """The decayed number of stories."""
        return float(self.stories["weight"].sum()) + self.rest[0]

    @property
    def ratio(self) -> float:
        """The decayed mean polarity; NaN without stories."""
        total = float((self.stories["weight"] * self.stories["polarity"]).sum()) + self.rest[1]
        return total / self.weight if self.weight > 0 else float("nan")

    @property
    def index(self) -> float:
        """The ratio less its usual mean, over its deviation."""
        return (self.ratio - self.usual) / self.deviation


@dataclass(frozen=True)
class Part:
    """One reason, and how much of the change it makes."""

    name: str
    value: float


@dataclass(frozen=True)
class Weight:
    """A story and how much of the change rests on it. `kind`: new, changed."""

    story_id: str
    article_id: str
    owner: str
    kind: str
    polarity: float
    negative: bool
    value: float


@dataclass(frozen=True)
class Why:
    """The change of a series, in `unit` (index; or ratio, where there is no past to measure by), and its parts.

    `stories`: those that weigh most, first. `new`, `new_negative`: how many stories came, and how many are negative.
    """

    unit: str
    before: Standing
    after: Standing
    value_before: float
    value_after: float
    parts: tuple[Part, ...]
    stories: tuple[Weight, ...]
    new: int = 0
    new_negative: int = 0

    @property
    def change(self) -> float:
        """What the parts add up to."""
        return self.value_after - self.value_before


def standing_of(
    stories: pd.DataFrame,
    read: pd.DataFrame,
    bucket_start: datetime,
    grain: str,
    model_version: str,
    half_life_hours: float | None = None,
) -> Standing | None:
    """How a series stood at a bucket; None where it has no story up to then.

    Args:
        stories: story_id, bucket_start, polarity, owner, negative, article_id of its scored stories.
        read: the series as `index.with_index` reads it, with a row for this bucket.
        bucket_start: the bucket.
        grain: hour or day.
        model_version: whose scores these are.
        half_life_hours: None for the usual one.
    """
    half_life = half_life_hours or HALF_LIFE_HOURS[grain]
    starts = pd.to_datetime(stories["bucket_start"], utc=True)
    rows = stories[starts <= pd.Timestamp(bucket_start)]
    age = (pd.Timestamp(bucket_start) - starts[rows.index]).dt.total_seconds() / 3600
    rows = rows.assign(weight=np.exp2(-age / half_life))[_COLUMNS].reset_index(drop=True)
    here = read[pd.to_datetime(read["bucket_start"], utc=True) == pd.Timestamp(bucket_start)].iloc[-1]
    # What the sums hold and the list does not: stories older than the list goes back.
    told = read[pd.to_datetime(read["bucket_start"], utc=True) <= pd.Timestamp(bucket_start)]
    ages = (pd.Timestamp(bucket_start) - pd.to_datetime(told["bucket_start"], utc=True)).dt.total_seconds() / 3600
    decay = np.exp2(-ages.to_numpy(dtype=np.float64) / half_life)
    weight = float((decay * told["story_count"].to_numpy(dtype=np.float64)).sum() - rows["weight"].sum())
    total = float((decay * told["polarity_sum"].to_numpy(dtype=np.float64)).sum())
    total -= float((rows["weight"] * rows["polarity"]).sum())
    rest = (weight, total) if weight > 1e-6 else (0.0, 0.0)
    if rest[0] + rows["weight"].sum() <= 0:
        return None
    return Standing(bucket_start, grain, model_version, rows, float(here["usual"]), float(here["deviation"]), rest)


def explain(
    before: Standing,
    after: Standing,
    switched: Standing | None = None,
    half_life_hours: float | None = None,
    most: int = 10,
) -> Why:
    """Split the change from `before` to `after`.

    `switched`: where another model scores after: `before` once more, by that model. `model` is the step to it, and all
    other parts start from there. In units of the index, or of the ratio where a standing has no past.
    """
    start = switched or before
    measured = all(np.isfinite(s.deviation) and np.isfinite(s.usual) for s in (before, start, after))
    half_life = half_life_hours or HALF_LIFE_HOURS[after.grain]
    # Half the step of the ratio on the old yardstick, half on the new (Shapley's split of two factors).
    scale = (1 / start.deviation + 1 / after.deviation) / 2 if measured else 1.0
    ratio, weights = _of_ratio(start, after, half_life)
    parts = {name: value * scale for name, value in ratio.items()}
    values = [s.index if measured else s.ratio for s in (before, start, after)]
    parts["yardstick"] = _of_yardstick(start, after) if measured else 0.0
    parts["model"] = values[1] - values[0]
    heaviest = sorted(weights, key=lambda one: (-abs(one.value), one.story_id))[:most]
    return Why(
        "index" if measured else "ratio",
        before,
        after,
        values[0],
        values[2],
        tuple(Part(name, parts[name]) for name in PARTS),
        tuple(replace(one, value=one.value * scale) for one in heaviest),
        new=sum(one.kind == "new" for one in weights),
        new_negative=sum(one.kind == "new" and one.negative for one in weights),
    )


def _of_yardstick(before: Standing, after: Standing) -> float:
    """What the new yardstick makes of the old ratio and of the new, on average."""
    old, new = (before.usual, before.deviation), (after.usual, after.deviation)
    steps = [(r - new[0]) / new[1] - (r - old[0]) / old[1] for r in (before.ratio, after.ratio)]
    return sum(steps) / 2


def _of_ratio(before: Standing, after: Standing, half_life: float) -> tuple[dict[str, float], list[Weight]]:
    """The parts of the step of the ratio, and what each story adds to it."""
    old, now = before.stories.set_index("story_id"), after.stories.set_index("story_id")
    there = now.index.isin(old.index)
    new, kept = now[~there], now[there]
    whole, fresh = after.weight, float(new["weight"].sum())
    share = fresh / whole
    parts = dict.fromkeys(("new_stories", "volume", "publishers", "changed_polarity", "restated"), 0.0)
    earlier = old["polarity"].reindex(kept.index)
    parts["changed_polarity"] = float((kept["weight"] * (kept["polarity"] - earlier)).sum()) / whole
    if whole > fresh:
        # As the stories of before would stand had none of them changed.
        as_before = (float((kept["weight"] * earlier).sum()) + after.rest[1]) / (whole - fresh)
        parts["restated"] = (1 - share) * (as_before - before.ratio)
    if len(new):
        elapsed = (after.bucket_start - before.bucket_start).total_seconds() / 3600
        # Of a series that keeps its pace, the stories of so many hours make this share of the weight.
        usual_share = 1 - float(np.exp2(-elapsed / half_life))
        mean = float((new["weight"] * new["polarity"]).sum()) / fresh
        tone, mix = _by_owner(before, new)
        parts["new_stories"], parts["publishers"] = usual_share * tone, usual_share * mix
        parts["volume"] = (share - usual_share) * (mean - before.ratio)
    steps = kept["weight"] * (kept["polarity"] - earlier) / whole
    weights = _weights(new, "new", new["weight"] * (new["polarity"] - before.ratio) / whole)
    return parts, weights + _weights(kept[steps.abs() > 1e-12], "changed", steps)


def _by_owner(before: Standing, new: pd.DataFrame) -> tuple[float, float]:
    """(tone, mix) of the new stories' mean less the old: Σ q(ν − μ) and Σ (q − p)(μ − r) over owners.

    p, q: an owner's share of the weight, before and of the new; μ, ν: the mean polarity of its stories. An owner
    without a past has μ = r: what it brings is tone, not mix.
    """
    p, mu = _shares(before.stories, before.weight)
    q, nu = _shares(new, float(new["weight"].sum()))
    if before.rest[0]:
        p, mu = {**p, None: before.rest[0] / before.weight}, {**mu, None: before.rest[1] / before.rest[0]}
    owners = sorted(p.keys() | q.keys(), key=str)
    r = before.ratio
    tone = sum(q.get(one, 0.0) * (nu.get(one, 0.0) - mu.get(one, r)) for one in owners)
    mix = sum((q.get(one, 0.0) - p.get(one, 0.0)) * (mu.get(one, r) - r) for one in owners)
    return tone, mix


def _shares(stories: pd.DataFrame, whole: float) -> tuple[_ByOwner, _ByOwner]:
    grouped = stories.assign(sum=stories["weight"] * stories["polarity"]).groupby("owner")[["weight", "sum"]].sum()
    share: _ByOwner = (grouped["weight"] / whole).to_dict()
    mean: _ByOwner = (grouped["sum"] / grouped["weight"]).to_dict()
    return share, mean


def _weights(stories: pd.DataFrame, kind: str, values: pd.Series[float]) -> list[Weight]:
    columns = (stories.index, stories["article_id"], stories["owner"], stories["polarity"], stories["negative"])
    of_these = values.reindex(stories.index)
    return [
        Weight(str(story), str(article), str(owner), kind, float(polarity), bool(negative), float(value))
        for story, article, owner, polarity, negative, value in zip(*columns, of_these, strict=True)
    ]
