"""Search over the published titles: a SQLite FTS5 index beside the snapshot, extended by the days that changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow.parquet as pq

__all__ = ["INDEX", "expression", "find", "update"]

INDEX = "search.sqlite"
# Told apart by SQLite's user_version; an index of another one is made anew from the parts.
_VERSION = 1
_ANEW = "DROP TABLE IF EXISTS words; DROP TABLE IF EXISTS titles; DROP TABLE IF EXISTS days;"
# Lists of what begins with one to three characters: without them `w1*` gathers the lists of all its words first.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS days (day TEXT PRIMARY KEY, file TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS titles (
    id INTEGER PRIMARY KEY, day TEXT NOT NULL, story_id TEXT NOT NULL, first_at INTEGER NOT NULL, title TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS titles_of_day ON titles (day);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    title, content='titles', content_rowid='id', tokenize="unicode61 remove_diacritics 2", prefix='1 2 3');
CREATE TRIGGER IF NOT EXISTS told AFTER INSERT ON titles BEGIN
    INSERT INTO words(rowid, title) VALUES (new.id, new.title);
END;
CREATE TRIGGER IF NOT EXISTS untold AFTER DELETE ON titles BEGIN
    INSERT INTO words(words, rowid, title) VALUES ('delete', old.id, old.title);
END;
"""
# Ids rise with time, so that the newest come without sorting what matches.
_IDS_PER_SECOND = 1 << 20
_NEWEST = "SELECT rowid AS id, 0 AS place FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?"
_BEST = "SELECT rowid AS id, rank AS place FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
# A word that so many titles have tells none of them apart, and to weigh them all takes seconds.
_COMMON = 20_000
_COUNT = f"SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT {_COMMON})"
_FIND = "SELECT t.story_id, t.first_at FROM ({}) JOIN titles AS t USING (id) ORDER BY place, id DESC"
# Few stories are told so often that a page of them is worth more than this wait.
_WAIT_S = 5.0


def update(root: Path, files: Sequence[str]) -> int:
    """Make the index hold the stories of these parts (`stories/DAY-HASH.parquet`); answers how many days it changed.

    Each changed day is one transaction, so that a reader never waits for more than one, and a publish that was killed
    goes on where it stopped.
    """
    wanted = {_day(file): file for file in files}
    changed = 0
    with _opened(root / INDEX) as con:
        if con.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            con.executescript(f"BEGIN IMMEDIATE; {_ANEW} {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        known = dict(con.execute("SELECT day, file FROM days"))
        for day in sorted(known.keys() | wanted.keys()):
            if known.get(day) == wanted.get(day):
                continue
            with con:
                con.execute("BEGIN IMMEDIATE")
                con.execute("DELETE FROM titles WHERE day = ?", [day])
                con.execute("DELETE FROM days WHERE day = ?", [day])
                if file := wanted.get(day):
                    con.executemany("INSERT INTO titles VALUES (?, ?, ?, ?, ?)", _rows(root / file, day))
                    con.execute("INSERT INTO days VALUES (?, ?)", [day, file])
            changed += 1
    return changed


def find(root: Path, said: str, *, newest: bool, most: int) -> list[tuple[str, int]]:
    """(story_id, microseconds since 1970 of its first article) of the titles that match, the best or the newest first.

    Where 20,000 match or more, the newest come first in any case.
    Empty where nothing was published, and where `said` holds no word to look for.
    """
    match = expression(said)
    path = root / INDEX
    if not match or not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)) as con:
        plain = newest or con.execute(_COUNT, [match]).fetchone() == (_COMMON,)
        found: list[tuple[str, int]] = con.execute(_FIND.format(_NEWEST if plain else _BEST), [match, most]).fetchall()
    return found


def expression(said: str) -> str:
    """What a person types as an FTS5 expression: all words; "in quotes" together; -word not; wor* begins with.

    Nothing of it is ever syntax: every word is quoted. Empty where no word is left to look for.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for word in _words(said):
        bare = word.removeprefix("-").removeprefix('"').removesuffix('"')
        stem = bare.removesuffix("*")
        if not any(letter.isalnum() for letter in stem):
            continue
        quoted = '"' + stem.replace('"', '""') + '"' + ("*" if bare.endswith("*") else "")
        (unwanted if word.startswith("-") else wanted).append(quoted)
    if not wanted:
        return ""
    return " ".join(wanted) + "".join(f" NOT {word}" for word in unwanted)


def _words(said: str) -> Iterator[str]:
    """Words and quoted phrases; a quote that never ends reaches to the end."""
    for place, part in enumerate(said.replace("\0", " ").split('"')):
        if place % 2:
            yield f'"{part}"'
        else:
            yield from part.split()


def _rows(path: Path, day: str) -> list[tuple[int, str, str, int, str]]:
    table = pq.read_table(path, columns=["story_id", "first_at", "title"])
    moments = table["first_at"].cast("int64").to_pylist()
    rows = zip(table["story_id"].to_pylist(), moments, table["title"].to_pylist(), strict=True)
    return [
        (at // 1_000_000 * _IDS_PER_SECOND + place, day, story, at, title or "")
        for place, (story, at, title) in enumerate(rows)
        if at is not None
    ]


def _day(file: str) -> str:
    return file.rsplit("/", 1)[1].rsplit("-", 1)[0]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    con = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    # A day fits into the cache, so that readers are kept out only while it is written at its commit.
    con.execute("PRAGMA cache_size = -65536")
    try:
        yield con
    finally:
        con.close()
