"""Rules of kind `event`: one severe article about a watch-list name is enough; no warm-up, no minimum count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import duckdb

from pipeline.detect.findings import Finding, Labels, tier_in
from pipeline.detect.rules import Rule, Rules
from pipeline.incidents import Detection
from pipeline.series import buckets
from pipeline.watchlists import WatchLists

__all__ = ["Sighting", "findings", "sightings"]

# Articles observed (never imported) since `since`, with their severe themes towards an entity, the worse of the scores
# towards it and of the article as a whole (either may miss a blunt fact); and how many owners tell the story by now.
_SIGHTINGS = """,
    owned AS (SELECT story_id, list(DISTINCT owner ORDER BY owner) AS owners FROM counted GROUP BY ALL)
SELECT a.entity_id, c.article_id, c.story_id, o.owners, c.known_at, t.theme, greatest(e.p_negative, w.p_negative)
FROM counted AS c JOIN about AS a USING (article_id, revision)
JOIN themed AS t ON t.article_id = c.article_id AND t.revision = c.revision AND t.entity_id = a.entity_id
JOIN owned AS o USING (story_id)
LEFT JOIN judged AS e ON e.article_id = c.article_id AND e.revision = c.revision AND e.entity_id = a.entity_id
    AND e.status = 'scored'
LEFT JOIN judged AS w ON w.article_id = c.article_id AND w.revision = c.revision AND w.entity_id = ''
    AND w.status = 'scored'
WHERE NOT c.imported AND c.known_at >= $since AND a.entity_id IN (SELECT unnest($watched::VARCHAR[]))
    AND greatest(e.p_negative, w.p_negative) IS NOT NULL
ORDER BY a.entity_id, c.known_at, c.article_id, t.theme"""


@dataclass(frozen=True)
class Sighting:
    """One theme of one article about one watched entity. `owners` are those of its whole story."""

    entity_id: str
    article_id: str
    story_id: str
    owners: tuple[str, ...]
    known_at: datetime
    theme: str
    p_negative: float


def sightings(
    con: duckdb.DuckDBPyConnection, model_version: str, watched: Iterable[str], since: datetime, as_of: datetime
) -> list[Sighting]:
    """What was observed about the watched entities since `since`, whatever its theme and score."""
    names = sorted(watched)
    if not names:
        return []
    buckets.register(con)
    bound = {"model_version": model_version, "since": since, "as_of": as_of, "watched": names}
    found = con.execute(buckets.with_sql("recorded_at") + _SIGHTINGS, bound).fetchall()
    con.unregister("topic_keys")
    return [Sighting(row[0], row[1], row[2], tuple(row[3]), *row[4:]) for row in found]


def findings(
    seen: Iterable[Sighting],
    rule: Rule,
    rules: Rules,
    labels: Labels,
    watchlists: WatchLists,
    model_version: str,
    as_of: datetime,
) -> Iterator[Finding]:
    """One finding per entity: all its severe articles together, so that a second source joins the same incident."""
    severe = sorted(
        (one for one in seen if one.p_negative > rule.p_negative and (not rule.themes or one.theme in rule.themes)),
        key=lambda one: (one.entity_id, one.known_at, one.article_id, one.theme),
    )
    for entity, group in groupby(severe, key=lambda one: one.entity_id):
        tier = tier_in(watchlists, rule, entity)
        if tier is None or not rule.selects(entity, tier):
            continue
        ours = list(group)
        owners = sorted({owner for one in ours for owner in one.owners})
        stories = frozenset(one.story_id for one in ours)
        themes = sorted({one.theme for one in ours})
        first, last = ours[0].known_at, max(one.known_at for one in ours)
        detection = Detection(
            rule=rule.name,
            kind=rule.kind.value,
            scope="entity",
            key=entity,
            label=labels.of("entity", entity),
            severity=rules.severity_of(rule, effect=0.0, owners=len(owners), tier=tier),
            summary=_summary(themes, len({one.article_id for one in ours}), owners),
            bucket_start=first,
            seen_until=last,
            model_version=model_version,
            size=0,
            owners=len(owners),
            single_source=len(owners) < 2,
            subjects=stories,
        )
        numbers = {
            "articles": sorted({one.article_id for one in ours}),
            "negative_stories": len(stories),
            "owners": len(owners),
            "p_negative": round(max(one.p_negative for one in ours), 6),
            "p_negative_limit": rule.p_negative,
            "story_count": len(stories),
            "themes": themes,
            "tier": tier,
        }
        yield Finding(rule, detection, first, last + timedelta(microseconds=1), numbers, stories, as_of)


def _summary(themes: list[str], articles: int, owners: list[str]) -> str:
    told = ", ".join(theme.replace("_", " ") for theme in themes)
    many = "1 severe article" if articles == 1 else f"{articles} severe articles"
    sources = "a single source" if len(owners) < 2 else f"{len(owners)} independent sources"
    return f"{many} from {sources}: {told}"
