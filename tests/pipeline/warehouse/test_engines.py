"""How an engine calls itself: no password of its address ever reaches a message."""

from __future__ import annotations

import pytest

from pipeline.errors import StoreError
from pipeline.warehouse.engines import DuckLake, engine_for

ADDRESSES = [
    "dbname=news user=me password=hunter2",
    "dbname=news password = 'hunter2 and\\' more' user=me",
    "postgresql://me:hunter2@db.example/news",
    "postgresql://db.example/news?user=me&password=hunter2",
]


@pytest.mark.parametrize("dsn", ADDRESSES)
def test_the_password_is_starred_out(dsn: str) -> None:
    said = str(DuckLake(f"postgres:{dsn}", "/shared"))
    assert "hunter2" not in said
    assert " more'" not in said
    assert "news" in said


@pytest.mark.parametrize("dsn", ADDRESSES)
def test_an_address_without_a_data_path_is_refused_without_its_password(dsn: str) -> None:
    with pytest.raises(StoreError, match="data_path") as refused:
        engine_for(f"ducklake:postgres:{dsn}")
    assert "hunter2" not in str(refused.value)
