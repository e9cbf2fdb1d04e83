"""What tests of whole steps share: a settings file that BAROGRAPH_CONFIG names."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "barograph.toml"
    file.write_text('[store]\nwarehouse = "duckdb:b.duckdb"\n')
    monkeypatch.setenv("BAROGRAPH_CONFIG", str(file))
    return file
