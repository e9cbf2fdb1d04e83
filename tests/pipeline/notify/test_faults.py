"""What may happen to a run of notify, for real: SIGKILL around each commit and send, a full disk, a held lock."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.context import Context
from pipeline.errors import DeliveryFailed, StoreBusy, StoreError
from pipeline.notify import run
from pipeline.notify.channels import FileChannel, WebhookChannel
from pipeline.notify.records import Outgoing
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.support.holder import held
from tests.support.hooks import hook
from tests.support.killed import DyingWarehouse

from .world import NOW, detection, fired, outgoing, put, routed, rows

_COUNTING = threading.Lock()
SPAWN = multiprocessing.get_context("spawn")
BOTH = (
    '[[route]]\nreceiver = "a"\ncontinue = true\n[[route]]\nreceiver = "b"\n'
    '[receivers.a]\nurls = ["file:a.jsonl"]\n[receivers.b]\nurls = ["file:b.jsonl"]\n'
)


def context_of(settings: Settings, warehouse: type[Warehouse] = Warehouse, timeout_s: float = 30.0) -> Context:
    return Context(settings, warehouse(settings.store.warehouse, lambda: NOW, timeout_s), lambda: NOW)


class DyingChannel(FileChannel):
    """A file whose process ends by SIGKILL before or after its n-th message."""

    left, when = 0, ""

    def send(self, message: Outgoing) -> None:
        # The other receiver is served at the same time.
        with _COUNTING:
            DyingChannel.left -= 1
            mine = DyingChannel.left == 0
        if mine and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().send(message)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)


def _die_at_commit(settings: Settings, nth: int, when: str) -> None:
    context = context_of(settings, DyingWarehouse)
    assert isinstance(context.warehouse, DyingWarehouse)
    context.warehouse.die(nth, when)
    run(context)


def _die_at_send(settings: Settings, nth: int, when: str) -> None:
    DyingChannel.left, DyingChannel.when = nth, when
    folder = settings.store.published.parent
    run(context_of(settings), {name: DyingChannel(folder / f"{name}.jsonl") for name in ("a", "b")})


def killed(target: Callable[..., None], *arguments: Any) -> bool:
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == -signal.SIGKILL


def delivered(settings: Settings) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for name in ("a", "b"):
        path = settings.store.published.parent / f"{name}.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            found[name, json.loads(line)["notification_id"]] += 1
    return found


@pytest.mark.parametrize("target", [_die_at_commit, _die_at_send])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_each_commit_and_each_send_nothing_is_lost(
    context: Context, tmp_path: Path, target: Callable[..., None], when: str
) -> None:
    routed(context, BOTH)
    found = [detection(f"k{n}", rule=f"rule-{n}") for n in range(2)]
    put(context.warehouse, [fired(f) for f in found])
    kept = tmp_path.parent / f"{tmp_path.name}-kept"
    shutil.copytree(tmp_path, kept)
    kills, repeats = 0, 0
    for nth in range(1, 9):
        shutil.rmtree(tmp_path)
        shutil.copytree(kept, tmp_path)
        if not killed(target, context.settings, nth, when):
            break
        kills += 1
        run(context_of(context.settings))
        told = delivered(context.settings)
        assert len(told) == 4, f"{when} {nth}"
        assert max(told.values()) <= 2
        repeats += sum(told.values()) - 4
        ends = rows(context, "SELECT DISTINCT status FROM notifications WHERE receiver <> ''")
        assert ends == [{"status": "sent"}]
    assert kills >= (3 if target is _die_at_commit else 4)
    if (target, when) == (_die_at_commit, "after"):
        assert repeats == 0, "what is recorded is not sent again"


def _full_disk(settings: Settings) -> None:
    # No file may be written beyond this: to a program that is a disk without room.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, 1 << 15))
    try:
        run(context_of(settings, timeout_s=2.0))
    except StoreError:
        os._exit(7)
    os._exit(0)


def test_a_store_that_cannot_grow_fails_aloud_and_loses_nothing(context: Context) -> None:
    routed(context, BOTH)
    found = [detection(f"k{n}", rule=f"rule-{n}", summary=os.urandom(100).hex()) for n in range(40)]
    put(context.warehouse, [fired(f) for f in found])
    process = SPAWN.Process(target=_full_disk, args=(context.settings,))
    process.start()
    process.join(120)
    assert process.exitcode == 7
    while run(context).counts["sent"]:
        pass
    told = delivered(context.settings)
    assert len(told) == 80
    assert max(told.values()) <= 2


def test_a_file_on_a_full_disk_is_a_failure_that_is_tried_again() -> None:
    with pytest.raises(DeliveryFailed, match="No space left on device"):
        FileChannel(Path("/dev/full")).send(outgoing())


def test_a_lock_that_is_held_says_who_holds_it_and_loses_nothing(context: Context) -> None:
    routed(context, BOTH)
    put(context.warehouse, [fired(detection())])
    path = Path(context.settings.store.warehouse.removeprefix("duckdb:"))
    with held(path) as pid, pytest.raises(StoreBusy, match=str(pid)):
        run(context_of(context.settings, timeout_s=0.5))
    assert run(context).counts["sent"] == 2


def test_a_message_of_two_megabytes_passes_a_file_and_a_webhook(tmp_path: Path) -> None:
    long = "é\u2028" * 500_000
    message = outgoing(long, created_at=datetime.now(NOW.tzinfo))
    FileChannel(tmp_path / "a.jsonl").send(message)
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8").split("\n")[0])["body"] == long
    with hook() as end:
        WebhookChannel(end.url, "secret").send(message)
        assert json.loads(end.taken[0].body)["text"] == long
