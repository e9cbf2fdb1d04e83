"""What `status` says of the store."""

from __future__ import annotations

import pytest

from pipeline.context import Context
from pipeline.overview import standing
from tests.pipeline.seeds import insert


def test_feeds_that_left_the_list_are_not_counted(context: Context) -> None:
    feeds = [
        {"feed_id": name, "kind": "wire", "removed_at": left} for name, left in (("a", None), ("b", context.clock()))
    ]
    insert(context.warehouse, "catalogue", "feeds", feeds, ["feed_id"])
    assert {line.what: line.value for line in standing(context)}["feeds"] == "1"


@pytest.mark.parametrize(
    ("status", "waiting"),
    [("pending", "1"), ("sending", "1"), ("failed", "1"), ("sent", "0"), ("dead", "0"), ("skipped", "0")],
)
def test_a_message_waits_until_it_is_at_its_end(context: Context, status: str, waiting: str) -> None:
    row = {"notification_id": "n", "receiver": "log", "status": status}
    insert(context.warehouse, "notifications", "notifications", [row], ["notification_id"])
    assert {line.what: line.value for line in standing(context)}["messages waiting"] == waiting
