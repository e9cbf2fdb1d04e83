"""Any run of detections, kills and retries: nothing is sent that was not saved, and all that is said can be shown."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline import detect, notify
from pipeline.audit import Verdict, replay
from pipeline.context import Context
from pipeline.errors import DeliveryFailed
from pipeline.notify.records import Outgoing
from tests.pipeline.audit.world import MINUTE, RULES, bankruptcy, cases, store
from tests.pipeline.detect.world import NOON
from tests.pipeline.seeds import activate_model, put

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["news", "detect", "twice", "killed", "notify", "notify", "down", "day"]),
        st.integers(1, 6),
        st.booleans(),
    ),
    min_size=3,
    max_size=6,
)


class Watching:
    """A channel that looks into the store at each message: it must stand there, word for word, as being sent."""

    def __init__(self, context: Context) -> None:
        self.context, self.down = context, False
        self.accepted: dict[str, str] = {}

    def send(self, message: Outgoing) -> None:
        with self.context.warehouse.read() as con:
            found = con.execute(
                "SELECT status, title, body FROM notifications WHERE notification_id = ?", [message.notification_id]
            ).fetchall()
        assert found == [("sending", message.title, message.body)], "sent without being saved"
        if self.down:
            raise DeliveryFailed("refused for the test")
        assert self.accepted.setdefault(message.notification_id, message.body) == message.body

    def describe(self) -> str:
        return "watching:"


class Killed(BaseException):
    """What a kill looks like from inside the process."""


def seeded(at: Path) -> tuple[Context, Any]:
    context, clock = store(at)
    context.settings.detect.rules.write_text(RULES, encoding="utf-8")
    context.settings.detect.watchlists.write_text('[watchlists.core]\nowner = "d"\ntier1 = ["co:small"]\n')
    activate_model(context.warehouse)
    return context, clock


def dying(context: Context) -> Context:
    """The same store, whose next commit never comes."""

    class Dying(type(context.warehouse)):  # type: ignore[misc]
        def _commit(self, con: Any, group: str) -> None:
            raise Killed

    warehouse = Dying(context.settings.store.warehouse, context.clock, 10)
    return replace(context, warehouse=warehouse)


@settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
@given(steps=STEPS)
def test_nothing_is_sent_that_was_not_saved_and_everything_said_comes_out_again(
    steps: list[tuple[str, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context, clock = seeded(Path(folder))
        channel = Watching(context)
        told = 0
        for what, number, same_story in [("news", 1, True), *steps, ("notify", 1, True)]:
            clock.now += 5 * MINUTE
            if what == "news":
                told += 1
                at = (NOON - clock.now) / timedelta(minutes=1) + 2
                story = "story-1" if same_story else f"story-{told}"
                put(context.warehouse, [bankruptcy(told, f"Paper {number}", int(at), story_id=story)])
            elif what == "day":
                clock.now += timedelta(hours=25)
            elif what in ("detect", "twice"):
                for _ in range(2 if what == "twice" else 1):
                    detect.run(context)
            elif what == "killed":
                try:
                    detect.run(dying(context))
                except Killed:
                    detect.run(context)
            else:
                channel.down = what == "down"
                detect.run(context)
                notify.run(context, {"log": channel})
        for case in cases(context):
            checked = replay(case)
            assert not [one for one in checked if one.verdict is not Verdict.SAME], checked
        with context.warehouse.read() as con:
            (open_,) = con.execute("SELECT count(*) FROM incidents WHERE state <> 'resolved'").fetchall()[0]
            saved = {row[0] for row in con.execute("SELECT notification_id FROM notifications").fetchall()}
        assert open_ <= 1
        assert channel.accepted.keys() <= saved
