"""What the feeds answered, kept by day for so long as the settings say: the warehouse can be rebuilt from it.

`YYYY-MM-DD/` holds one file per load, named by the time at which the store took it in; its attempts leave the spool
only when that file is safe. Two loads never write the same file, so that they need not wait for each other.
"""

from __future__ import annotations

import logging
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.ingest.outcomes import Outcome
from pipeline.ingest.records import DAMAGE, Spooled, frame, records
from pipeline.ingest.spool import Spool

__all__ = ["RawStore", "Taken"]

logger = logging.getLogger(__name__)

# How the name of a load begins: when the store took it in.
_AT = "%Y%m%dT%H%M%S.%f"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# Attempts without a body that share a frame: so many compress well, and none of them is large.
_TOGETHER = 1_000


@dataclass(frozen=True)
class Taken:
    """When the store took an attempt in, and what it made of it."""

    at: datetime
    outcome: str


@dataclass(frozen=True)
class RawStore:
    """The folders by day under `[store] raw`."""

    raw: Path

    def keep(self, paths: Sequence[Path], how: Mapping[str, Taken]) -> None:
        """Move those files of the spool that the store has taken in to their day; bodies seen before are let go.

        What a file holds was taken in together; an attempt in it that was not is of a feed the store does not know.
        """
        spool = Spool(self.raw)
        ids = {path: spool.ids(path) for path in paths}
        by_load: dict[datetime, list[Path]] = {}
        for path, found in ids.items():
            if at := next((how[one].at for one in found if one in how), None):
                by_load.setdefault(at, []).append(path)
        for at, files in by_load.items():
            for path in self._write(at, (one for one in spool.read(files) if one.fetch_id in how), how):
                path.unlink(missing_ok=True)

    def days(self) -> list[date]:
        """The days that are kept, oldest first."""
        if not self.raw.is_dir():
            return []
        return sorted(filter(None, map(_day, self.raw.iterdir())))

    def loads(self, day: date) -> Iterator[Iterator[Spooled]]:
        """The attempts of each load of `day`, in the order in which the store took them in, each attempt once.

        What is damaged is told in the log and left out.
        """
        seen: set[str] = set()
        for path in sorted((self.raw / day.isoformat()).glob("*.zst")):
            yield _unseen(path, seen)

    def taken_at(self, since: date) -> list[datetime]:
        """When the store took in each load that is kept of the days from `since` on (UTC), oldest first."""
        paths = (path for day in self.days() if day >= since for path in (self.raw / str(day)).glob("*.zst"))
        return sorted(filter(None, map(_taken_at, paths)))

    def retire(self, today: date, keep: int) -> int:
        """Remove the days that are more than `keep` days ago, and of then what is damaged or was never taken in.

        Answers how many days. A leap of the clock counts once there are answers of a second day after it: a clock that
        is wrong by a month would take all days at once.
        """
        days = self.days()
        if len(days) < 2:
            return 0
        limit = min(today, days[-2] + timedelta(days=1)) - timedelta(days=keep)
        old = [day for day in days if day < limit]
        for day in old:
            folder = self.raw / day.isoformat()
            with suppress(OSError):  # another process may be removing it, or still writing there
                for path in folder.iterdir():
                    path.unlink(missing_ok=True)
                folder.rmdir()
        for name in ("rejected", "spool"):
            for path in (self.raw / name).glob("*"):
                if path.name < f"{limit:%Y%m%d}":
                    path.unlink(missing_ok=True)
        return len(old)

    def _write(self, at: datetime, attempts: Iterable[Spooled], how: Mapping[str, Taken]) -> set[Path]:
        """Keep these attempts; answers the files that they stood in."""
        folder = self.raw / f"{at:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        # A name of its own: another load may be putting the same files away, and then one of the two finds them gone.
        # What is written twice is read once (`loads`).
        path = folder / f"{at:{_AT}}-{uuid.uuid4().hex[:12]}.zst"
        bare, read = [], set()
        partial = path.with_suffix(".tmp")
        with partial.open("wb") as file:
            for attempt in attempts:
                read.add(attempt.path)
                attempt = replace(attempt, known_at=at)
                if how[attempt.fetch_id].outcome == Outcome.SAME_BODY:
                    attempt = replace(attempt, fetched=replace(attempt.fetched, outcome=Outcome.SAME_BODY, body=b""))
                if attempt.fetched.body:
                    file.write(frame([attempt]))
                else:
                    bare.append(attempt)
            for start in range(0, len(bare), _TOGETHER):
                file.write(frame(bare[start : start + _TOGETHER]))
            file.flush()
            os.fsync(file.fileno())
            empty = not file.tell()
        if empty:
            partial.unlink()
        else:
            partial.replace(path)
        return read


def _unseen(path: Path, seen: set[str]) -> Iterator[Spooled]:
    try:
        for spooled in records(path):
            if spooled.fetch_id not in seen:
                seen.add(spooled.fetch_id)
                yield spooled
    except (OSError, *DAMAGE) as error:
        logger.warning("%s cannot be read whole (%s); what stands before that is read", path, error)


def _taken_at(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.name.partition("-")[0], _AT).replace(tzinfo=UTC)
    except ValueError:  # somebody else's file
        return None


def _day(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.name) if _DAY.fullmatch(path.name) else None
    except ValueError:
        return None
