"""A training that is killed goes on as if it had not been: the same artifact, to the byte; anything else is refused."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from models.artifacts import open_artifact
from models.data import Example, Source, read
from models.encoder import locate
from models.errors import ResumeImpossible
from models.finish import train_and_write
from models.recipe import Recipe, Settings
from models.resume import FILE, State, load, save, steps_done
from models.start import Start
from models.train import Outcome, Watch, train

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = Settings(
    epochs=3, batch_size=8, accumulate=2, max_length=32, dev_share=0.15, patience=1, label_smoothing=0.1, lora={"r": 4}
)
SPAWN = multiprocessing.get_context("spawn")


class Stopped(Exception):
    """Stands for whatever ends a process."""


@dataclass(frozen=True)
class Stop:
    """Ends a training after a step, by an exception or by a real SIGKILL."""

    after: int
    kill: bool = False

    def __call__(self, done: int, steps: int, loss: float) -> None:
        if done == self.after:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Stopped


def run(rows: list[Example], encoder: Path, settings: Settings, watch: Watch) -> Outcome:
    return train(rows, settings, start=Start(locate(str(encoder))), watch=watch)


@pytest.fixture(scope="module")
def rows(sample: Path) -> list[Example]:
    return read(Source(sample))


def recipe(data: Path, encoder: Path) -> Recipe:
    return Recipe("killed", SETTINGS, (Source(data),), encoder=str(encoder))


def killed_training(data: Path, encoder: Path, folder: Path, after: int) -> None:
    torch.set_num_threads(1)
    watch = Watch(Stop(after, kill=True), runs=folder / "runs", save_every=0)
    train_and_write(recipe(data, encoder), folder, "barograph train …", watch=watch)


def test_killed_in_the_middle_of_a_pass(sample: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    data = tmp_path / "sentiment.csv"
    pd.read_csv(sample).drop(columns=["topic"]).to_csv(data, index=False)
    whole = train_and_write(recipe(data, tiny_encoder), tmp_path / "whole", "barograph train …")
    folder = tmp_path / "killed"
    # Three steps are a pass: the fifth is in the middle of the second.
    process = SPAWN.Process(target=killed_training, args=(data, tiny_encoder, folder, 5))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert steps_done(folder / "runs" / FILE) == 4
    again = train_and_write(
        recipe(data, tiny_encoder),
        folder,
        "barograph train …",
        watch=Watch(runs=folder / "runs", save_every=0, resume=True),
    )
    assert again.model_version == whole.model_version
    assert not (folder / "runs" / FILE).exists()
    assert open_artifact(str(folder)).model_version == whole.model_version


@pytest.mark.parametrize("settings", [
    SETTINGS,
    replace(SETTINGS, method="adalora", lora={"target_r": 2, "init_r": 4}, swap_names=0.5, generated=8),
    replace(SETTINGS, method="full", lora={}, patience=0),
], ids=lambda settings: settings.method)  # fmt: skip
@pytest.mark.parametrize("after", [2, 3, 5])
def test_stopped_anywhere(
    settings: Settings, after: int, rows: list[Example], tiny_encoder: Path, tmp_path: Path
) -> None:
    expected = run(rows, tiny_encoder, settings, Watch())
    watch = Watch(runs=tmp_path, save_every=0)
    with pytest.raises(Stopped):
        run(rows, tiny_encoder, settings, replace(watch, progress=Stop(after)))
    again = run(rows, tiny_encoder, settings, replace(watch, resume=True))
    assert (again.losses, again.passes, again.best) == (expected.losses, expected.passes, expected.best)
    mine, other = again.network.state_dict(), expected.network.state_dict()
    assert all(torch.equal(value, mine[name]) for name, value in other.items())


def test_a_finished_training_is_only_finished_again(rows: list[Example], tiny_encoder: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    watch = Watch(lambda done, steps, loss: seen.append(done), runs=tmp_path)
    first = run(rows, tiny_encoder, SETTINGS, watch)
    steps = len(seen)
    again = run(rows, tiny_encoder, SETTINGS, replace(watch, resume=True))
    assert len(seen) == steps == len(again.losses)
    assert torch.equal(again.network.sentiment.weight, first.network.sentiment.weight)


def test_states_are_written_as_often_as_asked(rows: list[Example], tiny_encoder: Path, tmp_path: Path) -> None:
    seconds = iter(range(10_000))
    # Every look at the clock is a second later, and each step looks once.
    watch = Watch(Stop(4), runs=tmp_path, save_every=3.0, clock=lambda: float(next(seconds)))
    with pytest.raises(Stopped):
        run(rows, tiny_encoder, replace(SETTINGS, batch_size=2), watch)
    assert steps_done(tmp_path / FILE) == 2


def test_another_training_is_not_gone_on_with(rows: list[Example], tiny_encoder: Path, tmp_path: Path) -> None:
    watch = Watch(runs=tmp_path, save_every=0)
    with pytest.raises(Stopped):
        run(rows, tiny_encoder, SETTINGS, replace(watch, progress=Stop(3)))
    changes: list[tuple[Any, Settings, str]] = [
        (rows[1:], SETTINGS, "data"),
        (rows, replace(SETTINGS, learning_rate=1e-3), "settings"),
    ]
    for other, settings, says in changes:
        with pytest.raises(ResumeImpossible, match=says):
            run(other, tiny_encoder, settings, replace(watch, resume=True))
    (tmp_path / FILE).write_bytes(b"cut")
    with pytest.raises(ResumeImpossible, match="no state of a training"):
        run(rows, tiny_encoder, SETTINGS, replace(watch, resume=True))
    (tmp_path / FILE).unlink()
    with pytest.raises(ResumeImpossible, match="nothing to go on with"):
        run(rows, tiny_encoder, SETTINGS, replace(watch, resume=True))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    rng = random.Random(3)
    rng.random()
    state = State(2, 5, losses=[0.1 + 0.2, 1e-17], passes=[{"score": 1 / 3}], best=1)
    state.remember(rng)
    expected = rng.random()
    groups = {"weights": {"a|b/c": torch.arange(3.0)}, "random": {"cpu": torch.get_rng_state()}}
    save(tmp_path / "runs" / FILE, state, groups, {"data": "x"})
    found, kept = load(tmp_path / "runs" / FILE, {"data": "x"})
    assert found == state
    assert torch.equal(kept["weights"]["a|b/c"], torch.arange(3.0))
    assert torch.equal(kept["random"]["cpu"], groups["random"]["cpu"])
    found.recall(rng)
    assert rng.random() == expected
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [FILE]
