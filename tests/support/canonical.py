"""Comparing stores as the design defines "the same tables": wall-clock columns, `fetches` and attempts left out."""

from __future__ import annotations

from pipeline.warehouse import Warehouse

__all__ = ["LEFT_OUT", "canonical"]

# Whole tables and single columns that tell how the work went, not what is known.
LEFT_OUT: dict[str, set[str]] = {
    "fetches": {"*"},
    "guards": {"*"},
    "rebuilds": {"*"},
    "runs": {"*"},
    "tallies": {"*"},
    "schema_version": {"applied_at"},
    "feeds": {"last_outcome", "last_fetch_at", "next_fetch_at", "last_error"},
    "notifications": {"attempt", "claimed_by", "claim_expires_at", "not_before"},
}


def canonical(warehouse: Warehouse) -> dict[str, list[tuple[object, ...]]]:
    """Every table's rows, sorted, without what `LEFT_OUT` names. The clock must have been injected."""
    found: dict[str, list[tuple[object, ...]]] = {}
    with warehouse.read() as con:
        names = con.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database() ORDER BY 1"
        ).fetchall()
        for (table,) in names:
            hidden = LEFT_OUT.get(table, set())
            if "*" in hidden:
                continue
            columns = [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall() if row[0] not in hidden]
            chosen = ", ".join(f'"{c}"' for c in columns)
            found[table] = sorted(con.execute(f"SELECT {chosen} FROM {table}").fetchall(), key=repr)
    return found
