"""What came of the load: each article followed from its appearing through every stage, by the store's clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from pipeline.context import open_context
from tests.soak.load.arrivals import Entry, Load
from tests.soak.load.lanes import Look, Ran
from tests.soak.load.site import Site

__all__ = ["STAGES", "Result", "Seconds", "counted"]

Seconds = npt.NDArray[np.float64]
STAGES = ("ingest", "link", "fold", "score", "publish")
# A backlog that grows by less of what arrives may be how the bursts fell.
_GROWS = 0.1

# `done`: when the stage wrote its first row of an article; all are rows that a later run never writes again.
_DONE = {
    "ingest": "SELECT article_id, min(recorded_at) AS done FROM articles GROUP BY ALL",
    "link": "SELECT article_id, min(recorded_at) AS done FROM mentions WHERE entity_id = '' GROUP BY ALL",
    "fold": "SELECT article_id, min(recorded_at) AS done FROM story_members GROUP BY ALL",
    "score": "SELECT article_id, min(recorded_at) AS done FROM scores WHERE entity_id = '' GROUP BY ALL",
}
_TWICE = {
    "articles": "article_id",
    "mentions": 'article_id, revision, entity_id, start, linker_version',
    "scores": "article_id, revision, entity_id, model_version",
    "themes": "article_id, revision, entity_id, theme, pattern_version",
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """`done[stage]`: seconds since the beginning at which each article was through it, in the order of appearing;
    NaN: never. `never`: entries that left their feed's page before anybody asked for it."""

    load: Load
    seconds: float
    appeared: Seconds
    done: dict[str, Seconds]
    served: int
    missing: list[tuple[int, int]]
    twice: dict[str, int]
    strange: list[str]
    counted_once: bool
    never: int
    ran: list[Ran] = field(repr=False)
    looks: list[Look] = field(repr=False)
    sizes: list[tuple[float, float]] = field(repr=False)

    def problems(self) -> list[str]:
        """What does not hold, for people; empty where nothing is lost and nothing is there twice."""
        unfinished = {stage: int(np.isnan(done).sum()) for stage, done in self.done.items()}
        failed = [f"{run.stage}: {run.failed}" for run in self.ran if run.failed]
        found = {
            f"{len(self.missing)} served entries are not in the store, such as {self.missing[:3]}": self.missing,
            f"rows are there twice: {self.twice}": any(self.twice.values()),
            f"in the store but never served, such as {self.strange[:3]}": self.strange,
            f"not all went through: {unfinished}": any(unfinished.values()),
            "the counts of the market are not those of the articles": not self.counted_once,
            f"{len(failed)} runs failed, such as {failed[:2]}": failed,
        }
        return [says for says, wrong in found.items() if wrong]

    def lag(self, stage: str) -> Seconds:
        """Seconds from when the stage could have begun with an article until it was through, one for each."""
        before = {
            "ingest": self.appeared,
            "fold": self.done["link"],
            "publish": np.maximum(self.done["fold"], self.done["score"]),
        }
        lag: Seconds = self.done[stage] - before.get(stage, self.done["ingest"])
        return lag

    def backlog(self, stage: str, at: Seconds) -> npt.NDArray[np.int64]:
        """How many had appeared and were not through the stage, at each moment."""
        done = np.sort(self.done[stage])
        return np.searchsorted(self.appeared, at, "right") - np.searchsorted(done, at, "right")

    def growth(self) -> dict[str, float]:
        """By what share of what arrived in the last third each backlog grew from the third before, by their medians."""
        # What runs longer than articles come only works off what is there.
        third = self.load.seconds / 3
        spans = [np.linspace(start, start + third, 200) for start in (third, 2 * third)]
        arrived = max(int(np.searchsorted(self.appeared, 3 * third) - np.searchsorted(self.appeared, 2 * third)), 1)
        return {
            stage: float(np.median(self.backlog(stage, spans[1])) - np.median(self.backlog(stage, spans[0]))) / arrived
            for stage in self.done
        }

    def gives(self) -> str:
        """The stage whose backlog, beyond that of what it waits for, grows most; '' where none grows."""
        growth = self.growth()
        waits_for = {"link": ("ingest",), "fold": ("link",), "score": ("ingest",), "publish": ("fold", "score")}
        own = {
            stage: growth[stage] - max((growth[b] for b in waits_for.get(stage, ())), default=0.0) for stage in growth
        }
        worst = max(own, key=lambda stage: own[stage])
        return worst if own[worst] > _GROWS else ""

    def memory(self) -> dict[str, tuple[float, float]]:
        """By process: the most resident memory (MB) in the first and in the last third."""
        third = self.seconds / 3
        peaks: dict[str, tuple[float, float]] = {}
        for who in sorted({look.who for look in self.looks}):
            held = [(look.at, look.rss) for look in self.looks if look.who == who]
            first = max((rss for at, rss in held if at < third), default=0.0)
            peaks[who] = first, max((rss for at, rss in held if at >= 2 * third), default=0.0)
        return peaks

    def cpu(self) -> dict[str, float]:
        """By stage: CPU seconds in all, the last cycle included; parts of one stage together."""
        spent: dict[str, float] = {}
        for run in self.ran:
            spent[run.stage] = spent.get(run.stage, 0.0) + run.cpu
        return spent


def counted(
    config: Path,
    load: Load,
    entries: Sequence[Entry],
    site: Site,
    *,
    looks: list[Look],
    sizes: list[tuple[float, float]],
    over: float,
    ran: list[Ran],
) -> Result:
    """The store held against what was served."""
    context = open_context(config, environment=False)
    with context.warehouse.read() as con:
        rows = con.execute(f"""
            SELECT a.url, epoch(a.done), epoch(l.done), epoch(f.done), epoch(s.done)
            FROM (SELECT article_id, any_value(url) AS url, min(recorded_at) AS done FROM articles GROUP BY ALL) a
            LEFT JOIN ({_DONE["link"]}) l USING (article_id) LEFT JOIN ({_DONE["fold"]}) f USING (article_id)
            LEFT JOIN ({_DONE["score"]}) s USING (article_id)""").fetchall()
        twice = {table: _scalar(con, f"SELECT count(*) - count(DISTINCT ({keys})) FROM {table}")
                 for table, keys in _TWICE.items()}  # fmt: skip
        market = _scalar(con, "SELECT sum(news_volume) FROM trends WHERE grain = 'day' AND scope = 'market'")
    found: dict[tuple[int, int], list[float]] = {}
    strange = []
    for url, *times in rows:
        feed, _, number = url.removeprefix("https://press.example/").partition("/")
        if (int(feed), int(number)) in site.served:
            found[int(feed), int(number)] = [np.nan if at is None else at - site.origin for at in times]
        else:
            strange.append(url)
    kept = [entry for entry in entries if (entry.feed, entry.number) in found]
    table = np.array([found[entry.feed, entry.number] for entry in kept]).reshape(-1, 4)
    done = {stage: table[:, column] for column, stage in enumerate(STAGES[:-1])}
    done["publish"] = _published(np.maximum(table[:, 2], table[:, 3]) + site.origin, _cycles(ran)) - site.origin
    return Result(
        load=load,
        seconds=over - site.origin,
        appeared=np.array([entry.at for entry in kept]),
        done=done,
        served=len(site.served),
        missing=sorted(site.served - set(found)),
        twice=twice,
        strange=strange,
        counted_once=market == len(rows),
        never=len(entries) - len(site.served),
        ran=ran,
        looks=[Look(look.at - site.origin, look.who, look.rss) for look in looks],
        sizes=[(at - site.origin, size) for at, size in sizes],
    )


def _cycles(ran: Sequence[Ran]) -> list[tuple[float, float]]:
    """Begin of an aggregate and end of the publish after it, where both went well."""
    of = [run for run in ran if run.stage in ("aggregate", "publish") and not run.failed]
    return [
        (first.began, then.ended)
        for first, then in pairwise(of)
        if (first.stage, then.stage) == ("aggregate", "publish")
    ]


def _published(ready: Seconds, cycles: list[tuple[float, float]]) -> Seconds:
    """When each article was in a snapshot: at the end of the first cycle that began after it was ready."""
    begins = np.array([began for began, _ in cycles])
    ends = np.array([ended for _, ended in cycles] + [np.nan])
    return ends[np.searchsorted(begins, ready)]


def _scalar(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0] or 0) if row else 0
