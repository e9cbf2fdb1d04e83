"""The judgement of the soak's logs: what it must not let pass."""

from __future__ import annotations

import pytest

from tests.soak.story import Line, lines_of, story_of

BEGINS = "2026-11-29 11:02:00,123Z INFO    pipeline.ingest.runs: [0a1b2c3d4e5f] ingest {} begins (process 7)"
OVER = "2026-11-29 11:02:04,123Z INFO    pipeline.ingest.runs: [0a1b2c3d4e5f] ingest {} is over"
DONE = "2026-11-29 11:02:04,124Z INFO    pipeline.stages: [0a1b2c3d4e5f] ingest: {'feeds': 300} in 4.0 s"
WAITS = (
    "2026-11-29 11:02:03,123Z WARNING pipeline.ingest.load: {}: asked again at 14:05 UTC, after {} failures: It fails."
)
WELL = "2026-11-29 11:02:03,123Z WARNING pipeline.ingest.load: {}: well again, after 2 failures"
DIED = (
    "2026-11-29 11:02:02,123Z WARNING pipeline.ingest.runs: ingest {}, begun at 2026-11-29 11:02 UTC, did not get to"
    " its end; nothing is lost: 3 files wait in the spool and are taken in now"
)
ATTEMPTS = {"Feed 1": ["http_error", "timeout", "new", "http_error"]}
LONG = "\n".join([BEGINS.format("x5"), *[DONE.replace("ingest:", "and")] * 16, OVER.format("x5"), DONE])
STORY = [
    lines_of("a", "\n".join([BEGINS.format("x1"), WAITS.format("Feed 1", 1)])),
    lines_of(
        "b", "\n".join([DIED.format("x1"), BEGINS.format("x2"), WAITS.format("Feed 1", 2), OVER.format("x2"), DONE])
    ),
    lines_of(
        "c", "\n".join([BEGINS.format("x3"), WELL.format("Feed 1"), WAITS.format("Feed 1", 1), OVER.format("x3")])
    ),
]


def wrong(logs: list[list[Line]]) -> list[str]:
    return [says for says, found in story_of(logs, ATTEMPTS).problems().items() if found]


def test_a_story_that_is_told_well() -> None:
    story = story_of(STORY, ATTEMPTS)
    assert wrong(STORY) == []
    assert (story.ingests, story.died, story.changes, story.happened) == (3, {"x1"}, 4, 4)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("Traceback (most recent call last):", "no time, level and message"),
        (BEGINS.format("x4"), "that were killed nothing is said"),
        (DIED.format("x1"), "more than once"),
        (DIED.format("x2"), "or wrongly"),
        (WAITS.format("Feed 1", 2), "told again and again"),
        (WELL.format("Feed 1"), "told again and again"),
        (LONG, "lines of one"),
    ],
)
def test_what_is_no_story(more: str, says: str) -> None:
    (found,) = wrong([*STORY, lines_of("d", more)])
    assert says in found


def test_changes_that_are_not_told() -> None:
    (found,) = wrong([lines_of("a", "\n".join([BEGINS.format("x1"), OVER.format("x1"), DONE]))])
    assert "only 0 are told" in found


def test_what_python_says_of_a_process_that_was_killed_is_no_line() -> None:
    killed = """Traceback (most recent call last):
  File "/usr/lib/python3.11/multiprocessing/forkserver.py", line 274, in main
    code = _serve_one(child_r, fds,
           ^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/multiprocessing/spawn.py", line 132, in _main
    self = reduction.pickle.load(from_parent)
{}"""
    assert lines_of("a", killed.format("EOFError: Ran out of input\n")) == []
    assert len(lines_of("a", killed.format("ValueError: bad\n"))) == 7
    cut = killed.split("  File")
    assert lines_of("a", "  File".join(cut[:2])) == [], "it is not done saying so"
    assert lines_of("a", killed.format("")[:-9]) == []
    assert len(lines_of("a", "  File".join(cut[:2]) + "something else\n")) == 5
    ours = '  File "/app/pipeline/ingest/parse.py", line 3, in read\n    raise\nEOFError\n'
    assert len(lines_of("a", killed.format(ours))) == 9
