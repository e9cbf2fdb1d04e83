"""What all tests share: a store on a temporary file, a clock that only the test moves, and the shared data if any."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Two processes that share two cores: with two threads each, each waits for the other. Before torch is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from pipeline.context import Context
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class MovableClock:
    """A clock that stands still until a test moves it."""

    now: datetime = datetime(2026, 3, 3, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("BAROGRAPH_") and n != "BAROGRAPH_SHARED_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store={"warehouse": "duckdb:barograph.duckdb", "lock_timeout_s": 10}).anchored(tmp_path)


@pytest.fixture
def context(settings: Settings, clock: MovableClock) -> Context:
    warehouse = Warehouse(settings.store.warehouse, clock, settings.store.lock_timeout_s)
    warehouse.prepare()
    return Context(settings, warehouse, clock)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    path = Path(os.environ.get("BAROGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"the shared data is not at {path} (set BAROGRAPH_SHARED_DATA)")
    return path


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """The DSN of a real PostgreSQL, without a database name."""
    if postgres.bindir() is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed; CI must have it")
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgres.server() as dsn:
        yield dsn


@pytest.fixture
def lake_setting(request: pytest.FixtureRequest, postgres_dsn: str, tmp_path: Path) -> str:
    """A `[store] warehouse` setting for an empty DuckLake on its own PostgreSQL database."""
    assert request.node.get_closest_marker("postgres"), "who leaves PostgreSQL out must be able to: mark the test"
    name = "lake_" + uuid.uuid4().hex[:12]
    programs = postgres.bindir()
    assert programs is not None
    host, port, user = (part.partition("=")[2] for part in postgres_dsn.split())
    subprocess.run([programs / "createdb", "-h", host, "-p", port, "-U", user, name], check=True, timeout=60)
    return f"ducklake:postgres:dbname={name} {postgres_dsn}?data_path={tmp_path / 'lake'}"


@pytest.fixture(params=["duckdb", pytest.param("ducklake", marks=pytest.mark.postgres)])
def warehouse_setting(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each engine in turn, empty."""
    if request.param == "duckdb":
        return f"duckdb:{tmp_path / 'store.duckdb'}"
    setting: str = request.getfixturevalue("lake_setting")
    return setting
