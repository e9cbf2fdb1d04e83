"""What `status` says of the store."""

from __future__ import annotations

import pytest

from pipeline.context import Context
from pipeline.overview import standing
from tests.pipeline.seeds import insert


@pytest.mark.parametrize(
    ("status", "waiting"),
    [("pending", "1"), ("sending", "1"), ("failed", "1"), ("sent", "0"), ("dead", "0"), ("skipped", "0")],
)
def test_a_message_waits_until_it_is_at_its_end(context: Context, status: str, waiting: str) -> None:
    row = {"notification_id": "n", "receiver": "log", "status": status}
    insert(context.warehouse, "notifications", "notifications", [row], ["notification_id"])
    assert {line.what: line.value for line in standing(context)}["messages waiting"] == waiting
