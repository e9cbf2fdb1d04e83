"""Where the course of a training is written while it runs: TensorBoard's event files, and Weights & Biases if asked."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from models.errors import PackageMissing


class Recorder(Protocol):
    """Takes numbers by name at a step."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Record values at a step (from 1)."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class Nothing:
    """Records nothing."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Forget the values."""

    def close(self) -> None:
        """Do nothing."""


class TensorBoard:
    """Event files in a folder, for `tensorboard --logdir FOLDER`. `gone_on_at`: the step of a resumed training."""

    def __init__(self, folder: Path, gone_on_at: int | None = None) -> None:
        module = _package("tensorboardX", "train")
        self._writer = module.SummaryWriter(str(folder), purge_step=gone_on_at)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Record values at a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases; where its key and mode come from is its own business (WANDB_API_KEY, WANDB_MODE)."""

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        module = _package("wandb", None)
        folder.mkdir(parents=True, exist_ok=True)
        self._run = module.init(project="barograph", name=name, dir=str(folder), config=dict(settings))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Record values at a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


class Several:
    """Passes on to several recorders."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Record values with each."""
        for recorder in self._recorders:
            recorder.add(step, values)

    def close(self) -> None:
        """Close each."""
        for recorder in self._recorders:
            recorder.close()


def _package(name: str, extra: str | None) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        how = f"barograph[{extra}]" if extra else name
        raise PackageMissing(f"{name} is not installed; run: pip install '{how}'") from problem
