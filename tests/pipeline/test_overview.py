"""What `status` says of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.context import Context, open_context
from pipeline.overview import checks, standing
from tests.pipeline.seeds import activate_model, insert


@pytest.mark.parametrize(
    ("status", "waiting"),
    [("pending", "1"), ("sending", "1"), ("failed", "1"), ("sent", "0"), ("dead", "0"), ("skipped", "0")],
)
def test_a_message_waits_until_it_is_at_its_end(context: Context, status: str, waiting: str) -> None:
    row = {"notification_id": "n", "receiver": "log", "status": status}
    insert(context.warehouse, "notifications", "notifications", [row], ["notification_id"])
    assert {line.what: line.value for line in standing(context)}["messages waiting"] == waiting


def test_a_check_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = {check.name: check for check in checks(None)}
    assert found["warehouse"].ok
    assert "the first run makes it" in found["warehouse"].detail
    assert list(tmp_path.iterdir()) == []


def test_an_active_model_that_is_not_there_any_more_is_told(tmp_path: Path) -> None:
    config = tmp_path / "barograph.toml"
    config.write_text(f'[store]\nwarehouse = "duckdb:{tmp_path}/barograph.duckdb"\n', "utf-8")
    activate_model(open_context(config).warehouse, "words@1")
    (model,) = (check for check in checks(config) if check.name == "model")
    assert not model.ok
    assert "words@1 is the active model" in model.detail
    assert "barograph models promote" in model.detail
