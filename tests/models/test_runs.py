"""The course of a training is written where TensorBoard reads it; what is not installed is said."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from models.data import Source, read
from models.encoder import locate
from models.errors import PackageMissing
from models.recipe import Settings
from models.runs import Several, TensorBoard, WandB
from models.start import Start
from models.train import Watch, train

pytestmark = pytest.mark.usefixtures("one_thread")


def events(folder: Path) -> Iterator[tuple[str, int, float]]:
    """What event files hold, in TensorFlow's record format: length, checksum, event, checksum."""
    for path in sorted(folder.glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            yield from ((value.tag, event.step, value.simple_value) for value in event.summary.value)
            at += length + 16


class Kept:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.closed = False

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self.steps.append(step)

    def close(self) -> None:
        self.closed = True


def test_loss_rate_and_dev_figures_are_recorded(sample: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    kept = Kept()
    settings = Settings(epochs=2, batch_size=16, max_length=32, dev_share=0.2, lora={"r": 2})
    watch = Watch(recorder=Several(TensorBoard(tmp_path), kept))
    outcome = train(read(Source(sample)), settings, start=Start(locate(str(tiny_encoder))), watch=watch)
    found = list(events(tmp_path))
    losses = {step: value for tag, step, value in found if tag == "train/loss"}
    assert losses == pytest.approx(dict(enumerate(outcome.losses, 1)))
    assert [step for tag, step, _ in found if tag == "dev/score"] == [len(losses) // 2, len(losses)]
    assert max(value for tag, _, value in found if tag == "train/rate") <= outcome.settings.learning_rate
    assert kept.closed
    assert len(kept.steps) == len(losses) + 2


def test_what_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wandb", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PackageMissing, match="pip install 'wandb'"):
        WandB(tmp_path, "x", {})
    with pytest.raises(PackageMissing, match=r"barograph\[train\]"):
        TensorBoard(tmp_path)
