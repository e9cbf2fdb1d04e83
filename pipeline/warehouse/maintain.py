"""`maintain`: what has been kept long enough goes, the store is compacted, backed up, and the backup tried.

Every step is a transaction or may be begun again, so that it can be killed at any moment and run beside the stages.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from pathlib import Path

from pipeline.context import Context, Report, reporting
from pipeline.errors import BarographError
from pipeline.warehouse import backup as backups
from pipeline.warehouse.compact import compact
from pipeline.warehouse.retention import apply, limits

__all__ = ["maintain"]

logger = logging.getLogger(__name__)


def maintain(context: Context, *, backup: bool = True) -> Report:
    """Apply `[maintain]`: retention, compaction, then (where it names a folder, unless not `backup`) a backup, restored
    into a scratch folder to prove it.

    Counts: `rows_removed` and `rows_removed_KIND`; what compaction did; `backup_rows`, `backups_removed`.

    Raises:
        StoreBusy: another process held the store for longer than `[store] lock_timeout_s`; what was done stays done.
    """
    settings, now = context.settings.maintain, context.clock()
    with reporting("maintain") as report:
        for limit in limits(settings, now):
            rows = context.warehouse.transact(limit.guards[0], partial(apply, limit=limit))
            report.add("rows_removed", rows)
            if rows:
                report.add(f"rows_removed_{limit.name}", rows)
        for name, n in compact(context.warehouse, now - timedelta(days=settings.snapshots_days)):
            report.add(name, n)
        if backup and settings.backups:
            made = backups.back_up(context.warehouse, settings.backups, context.progress)
            proven = _proven(made, context)
            report.add("backup_rows", proven.rows)
            report.add("backups_removed", backups.retire(settings.backups, settings.backups_kept, now))
            report.notes.append(f"{made}: restored into a scratch folder, {len(proven.tables)} tables equal")
        elif backup:
            report.notes.append("no backup: name a folder with `[maintain] backups`")
        logger.info("maintain: %s", report.counts)
    return report


def _proven(made: Path, context: Context) -> backups.Manifest:
    try:
        return backups.prove(made, context.progress)
    except (BarographError, OSError):
        # One every day would fill the disk, and in time put those that were proved out of the folder.
        backups.remove(made)
        raise
