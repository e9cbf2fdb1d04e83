"""The 16 real responses, served over HTTP: all are read, a second poll costs only 304s and adds nothing."""

from __future__ import annotations

from pathlib import Path

from pipeline import ingest
from tests.benchmarks.show_real_feeds import reading, serving
from tests.pipeline.ingest.conftest import rows


def test_real_feeds_twice(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "feeds" / "real_finance").glob("*.*"))
    with serving(files[0].parent) as (address, statuses):
        context = reading(tmp_path, address, files)
        first = ingest.run(context)
        assert statuses == [200] * 16
        statuses.clear()
        second = ingest.run(context)
        assert statuses == [304] * 16

    assert (first.counts["failed"], second.counts["failed"]) == (0, 0)
    assert second.counts["unchanged"] == 16
    assert second.counts["new_articles"] + second.counts["new_revisions"] == 0
    kept = first.counts["new_articles"]
    assert kept == first.counts["entries"] - first.counts.get("repeated_in_feed", 0)
    by_kind = dict(rows(context, "SELECT kind, count(*) FROM articles GROUP BY kind"))
    by_source = dict(
        rows(
            context,
            "SELECT feed.title LIKE 'sec%', count(*) FROM articles JOIN feeds AS feed USING (feed_id) GROUP BY 1",
        )
    )
    assert by_kind == {"filing": by_source[True], "news": by_source[False]}
    assert rows(context, "SELECT DISTINCT date_precision, date_flag FROM articles") == [("second", "")]
    assert rows(context, "SELECT count(*) FROM articles WHERE url IS NULL OR title = ''") == [(0,)]
