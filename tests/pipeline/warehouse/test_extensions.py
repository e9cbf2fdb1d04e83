"""DuckDB checks the signature of each extension once per process and file; other bytes are never taken as known."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from pipeline.warehouse.engines import _CHECKED, DuckLake, _extension, _stamp


def lake(folder: Path) -> DuckLake:
    return DuckLake(f"duckdb:{folder / 'catalogue.duckdb'}", str(folder / "parquet"))


def unsigned_pass(engine: DuckLake) -> bool:
    with engine.connect(read_only=False) as con:
        found = con.execute("SELECT current_setting('allow_unsigned_extensions')").fetchone()
    assert found is not None
    return bool(found[0])


def test_the_first_instance_has_the_file_checked_and_the_next_ones_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.warehouse.engines._CHECKED", set())
    assert [unsigned_pass(lake(tmp_path)) for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize("known_before", [False, True])
def test_a_file_with_other_bytes_is_refused(
    known_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = _extension("ducklake")
    other = tmp_path / "duckdb_extension_ducklake" / "extensions" / shipped.parent.name / shipped.name
    other.parent.mkdir(parents=True)
    (tmp_path / "duckdb_extension_ducklake" / "__init__.py").touch()
    shutil.copyfile(shipped, other)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert _extension("ducklake") == other
    if known_before:
        unsigned_pass(lake(tmp_path))
    content = bytearray(other.read_bytes())
    content[len(content) // 2] ^= 1
    # Another file of that name: the one before may be in use by this process.
    other.with_suffix(".new").write_bytes(content)
    other.with_suffix(".new").replace(other)
    with pytest.raises(duckdb.IOException, match="signature"):
        lake(tmp_path).connect(read_only=False)
    assert _stamp(other) not in _CHECKED
