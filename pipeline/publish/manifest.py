"""The manifest of a snapshot, the pointer to the current one, and the removal of what nobody can hold any more."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.durable import TEMPORARY, sync, write_safely
from pipeline.errors import SnapshotMissing, StoreBusy
from pipeline.publish.parts import Part
from pipeline.publish.tables import SCHEMA_VERSION, TABLES

__all__ = ["KEEP_FOR", "KEEP_LAST", "Manifest", "current_id", "only_publisher", "read_manifest", "sweep", "switch"]

logger = logging.getLogger(__name__)

POINTER = "CURRENT"
KEEP_LAST = 3
KEEP_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Manifest:
    """What a snapshot is made of. `data_as_of`: when data last came in; None before any did.

    `marks`: by table and month that is over, what its part was made from (`pipeline.publish.lasting`).
    """

    snapshot_id: str
    published_at: datetime
    data_as_of: datetime | None
    demo: bool
    model_version: str | None
    negative_limit: float | None
    tables: Mapping[str, tuple[str, ...]]
    schema: int = SCHEMA_VERSION
    marks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        parts: Mapping[str, list[Part]],
        *,
        published_at: datetime,
        data_as_of: datetime | None,
        demo: bool,
        model: tuple[str, float] | None,
        marks: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Manifest:
        """The manifest of these parts; its id is the time and a hash of everything it names."""
        tables = {name: tuple(part.file for part in found) for name, found in sorted(parts.items())}
        version, limit = model or (None, None)
        digest = hashlib.sha256(json.dumps([tables, str(data_as_of), demo, version, limit]).encode()).hexdigest()
        stamp = published_at.strftime("%Y%m%dT%H%M%S%fZ")
        snapshot_id = f"{stamp}-{digest[:8]}"
        return cls(snapshot_id, published_at, data_as_of, demo, version, limit, tables, marks=marks or {})

    def to_json(self) -> bytes:
        """The file's content: JSON, keys sorted."""
        plain = {
            "snapshot_id": self.snapshot_id,
            "published_at": self.published_at.isoformat(),
            "data_as_of": self.data_as_of.isoformat() if self.data_as_of else None,
            "demo": self.demo,
            "model_version": self.model_version,
            "negative_limit": self.negative_limit,
            "schema": self.schema,
            "tables": {name: list(files) for name, files in self.tables.items()},
            "marks": {name: dict(months) for name, months in self.marks.items()},
        }
        return json.dumps(plain, sort_keys=True, indent=1).encode()


def current_id(root: Path) -> str | None:
    """The id the pointer names; None where nothing was published."""
    try:
        return (root / POINTER).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def read_manifest(root: Path, snapshot_id: str) -> Manifest:
    """The manifest of that id.

    Raises:
        SnapshotMissing: there is none, it is damaged, or a later version wrote it.
    """
    path = root / "manifests" / f"{snapshot_id}.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] > SCHEMA_VERSION:
            raise SnapshotMissing(f"{path} was published by a later version. Upgrade barograph, or publish again.")
        return Manifest(
            raw["snapshot_id"],
            datetime.fromisoformat(raw["published_at"]),
            datetime.fromisoformat(raw["data_as_of"]) if raw["data_as_of"] else None,
            raw["demo"],
            raw["model_version"],
            raw["negative_limit"],
            {name: tuple(files) for name, files in raw["tables"].items()},
            raw["schema"],
            raw.get("marks", {}),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotMissing(f"{path} is missing or damaged. Run `barograph publish` to make a new one.") from error


def switch(root: Path, manifest: Manifest) -> None:
    """Write the manifest, then replace the pointer: the last step, after which readers see the new snapshot."""
    folder = root / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    write_safely(folder / f"{manifest.snapshot_id}.json", manifest.to_json())
    sync(folder)
    sync(root)
    write_safely(root / POINTER, f"{manifest.snapshot_id}\n".encode("ascii"))
    sync(root)


@contextmanager
def only_publisher(root: Path) -> Iterator[None]:
    """One publisher at a time per folder; the lock goes with the process that holds it.

    Raises:
        StoreBusy: another process is publishing there.
    """
    import fcntl

    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreBusy(f"{root}: another process is publishing there. Run again when it is done.") from error
        yield


def sweep(root: Path, now: datetime) -> int:
    """Remove temporary files of dead publishers, and what is older than an hour and in none of the last 3 manifests.

    Only to be called by the holder of `only_publisher`. Answers how many files went.
    """
    doomed = [path for path in root.rglob(f"*{TEMPORARY}") if path.is_file()]
    limit = (now - KEEP_FOR).timestamp()
    manifests = sorted((root / "manifests").glob("*.json"))
    current = current_id(root)
    keep: set[Path] = set()
    for number, path in enumerate(reversed(manifests)):
        try:
            manifest = read_manifest(root, path.stem)
        except SnapshotMissing:
            doomed.append(path)
            continue
        young = manifest.published_at.timestamp() > limit
        if number < KEEP_LAST or young or path.stem == current:
            keep.update(root / file for files in manifest.tables.values() for file in files)
        else:
            doomed.append(path)
    for name in TABLES:
        for part in (root / name).glob("*.parquet"):
            if part not in keep and part.stat().st_mtime <= limit:
                doomed.append(part)
    for path in doomed:
        path.unlink(missing_ok=True)
    if doomed:
        logger.info("removed %d old files under %s", len(doomed), os.fspath(root))
    return len(doomed)
