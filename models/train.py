"""Fine-tuning: adapter or encoder and both heads on all labelled texts together, each loss where its label is known."""

import hashlib
import json
import logging
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.artifacts import save_weights
from models.batching import Prepared, accuracies, batch_of, batches, logits, prepare
from models.data import Example, Source, split, unique
from models.errors import BadLogits, DataInvalid, DeviceMissing, RecipeInvalid
from models.losses import loss_of
from models.methods import after_step, budget_state, penalty, restore_budget
from models.mixture import added, held_out, mixture
from models.net import Network, pad
from models.recipe import Settings
from models.resume import FILE, State, blend, load, put_back, restore_optimizer, restore_random, save, trained
from models.resume import optimizer_tensors as moments_of
from models.resume import random_tensors as randomness_of
from models.runs import Nothing, Recorder
from models.start import Start, network_from, settled, start_of, tokenizer_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Outcome", "Prepared", "Progress", "Watch", "accuracies", "batches", "logits", "prepare", "rate", "train"]

logger = logging.getLogger(__name__)
Progress = Callable[[int, int, float], None]
"""Called after each step with (steps done, all steps, loss)."""
MakeLoss = Callable[[Settings, Sequence[Example]], torch.nn.Module]


@dataclass(frozen=True)
class Watch:
    """What goes on beside a training.

    `checkpoints`: keeps the weights of each pass; `runs`: keeps its state every `save_every` seconds (0: at every
    step); `resume`: go on from that state; `clock`: seconds.
    """

    progress: Progress | None = None
    recorder: Recorder = field(default_factory=Nothing)
    checkpoints: Path | None = None
    runs: Path | None = None
    resume: bool = False
    save_every: float = 60.0
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Outcome:
    """A finished training: the network, the loss of every step, and the dev measures after each pass.

    `settings`: with everything settled; `best`: the pass kept; `precision`: fp32 or bf16; `dev`: the rows held out;
    `teacher`: the version of the model whose answers were learned too.
    """

    network: Network
    losses: list[float]
    passes: list[dict[str, float]]
    settings: Settings
    start: Start
    tokenizer: "Tokenizer"
    train_rows: Sequence[Example]
    dev_rows: Sequence[Example]
    best: int
    precision: str
    teacher: str = ""


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Make a training repeatable on one machine; what it sets for the whole process is set back at the end."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    # cuBLAS asks for it before its first product.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    # Repeatability does not need it, and it costs a pass over every new tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # Left on, it would flush the small probabilities of everybody else in this process to zero.
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.use_deterministic_algorithms(deterministic)


def rate(step: int, steps: int, warmup: float) -> float:
    """Return the factor on the learning rate: linear warm-up, then half a cosine to a fiftieth."""
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def train(
    rows: Sequence[Example],
    settings: Settings,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    start_from: str | Path = "none",
    *,
    start: Start | None = None,
    dev: Sequence[Example] | None = None,
    device: str = "cpu",
    loss: MakeLoss = loss_of,
    avoid: Sequence[Source] = (),
    watch: Watch | None = None,
) -> Outcome:
    """Fine-tune on rows, leaving out the dev share (or with the rows of `dev` held out), and keep the best pass.

    `start` or `start_from`: models.start; `device`: auto, cpu or cuda; `loss`: models.losses; `avoid`: sets that no
    generated text may come near. Equal calls give equal weights on one machine.

    Raises DataInvalid where nothing is left to train on, BadLogits where the loss is no longer a number, RecipeInvalid
    where the settings do not fit the start, ResumeImpossible.
    """
    seen = watch or Watch(progress, checkpoints=checkpoints)
    with repeatable(settings.seed):
        distinct = unique(rows)
        train_rows, dev_rows = split(distinct, settings.dev_share) if dev is None else (distinct, unique(dev))
        dev_rows = [*dev_rows, *held_out(settings)]
        if not train_rows:
            raise DataInvalid("no labelled row is left to train on; give more data or a smaller dev share")
        found = start or start_of(start_from)
        run = _Training(train_rows, dev_rows, settings, found, _device(device), loss, avoid, seen)
        return run.all()


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise DeviceMissing(f"the device {name!r} is not there; use auto or cpu")
    return name


class _Training:
    """One training from its first step, or from where it was interrupted, to its last."""

    def __init__(
        self,
        train_rows: Sequence[Example],
        dev_rows: Sequence[Example],
        settings: Settings,
        start: Start,
        device: str,
        loss: MakeLoss,
        avoid: Sequence[Source],
        watch: Watch,
    ) -> None:
        self.train_rows, self.dev_rows, self.start, self.device, self.watch = train_rows, dev_rows, start, device, watch
        self.avoid = avoid
        self.tokenizer = tokenizer_of(start)
        self.per_step = settings.batch_size * settings.accumulate
        steps = math.ceil((len(train_rows) + added(settings)) / self.per_step) * settings.epochs
        self.steps = min(steps, settings.max_steps or steps)
        self.settings = settled(settings, start, self.steps)
        self.network = network_from(start, self.settings)
        _must_read(self.network, self.settings.max_length)
        self.network.to(device)
        self.loss = loss(self.settings, train_rows).to(device)
        self.dev = self._prepared(dev_rows)
        self.bf16 = settings.precision == "bf16" or (
            settings.precision == "auto" and device == "cuda" and torch.cuda.is_bf16_supported()
        )
        self.modules = torch.nn.ModuleDict({"network": self.network, "loss": self.loss})
        self.weights = [value for value in self.modules.parameters() if value.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=self.settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.rng = random.Random(settings.seed)  # noqa: S311 - it shuffles, it guards nothing
        self.state = State()
        self.kept: dict[str, Tensor] = {}
        if self.settings.start_share and start.artifact is None:
            raise RecipeInvalid("start_share averages with the model gone on from; name one (`from`), or leave it at 0")
        self.begun = trained(self.network) if self.settings.start_share else {}
        self.saved_at, self.saving_took = watch.clock(), 0.0

    def all(self) -> Outcome:
        """Train to the end."""
        logger.info("%d rows to train on, %d held out, %d steps", len(self.train_rows), len(self.dev), self.steps)
        if self.watch.resume:
            self._go_on()
        while not self.state.finished:
            self._pass()
        if self.kept:
            put_back(self.network, self.kept)
        blend(self.network, self.begun, self.settings.start_share)
        self.watch.recorder.close()
        best = self.state.best or len(self.state.passes)
        return Outcome(
            self.network.eval().cpu(), self.state.losses, self.state.passes, self.settings, self.start, self.tokenizer,
            self.train_rows, self.dev_rows, best, "bf16" if self.bf16 else "fp32",
        )  # fmt: skip

    def _prepared(self, rows: Sequence[Example]) -> list[Prepared]:
        return prepare(rows, self.settings.max_length, self.tokenizer, self.settings.reading)

    def _pass(self) -> None:
        state, began = self.state, self.watch.clock()
        self.network.train()
        if not state.done:
            state.remember(self.rng)
        left = self.steps - (len(state.losses) - state.done)
        rows = mixture(self.train_rows, self.settings, state.number, self.avoid)
        for group in batches(self._prepared(rows), self.per_step, self.rng)[:left][state.done :]:
            self._step(group)
            state.done += 1
            self._keep(force=False)
        state.passes.append(accuracies(self.network, self.dev))
        self.watch.recorder.add(len(state.losses), {f"dev/{key}": value for key, value in state.passes[-1].items()})
        seconds = self.watch.clock() - began
        logger.info("pass %d: %.0f s, dev %s", state.number, seconds, json.dumps(state.passes[-1]))
        self._compare()
        if self.watch.checkpoints is not None:
            save_weights(self.network, self.watch.checkpoints / f"pass-{state.number}")
            (self.watch.checkpoints / "passes.json").write_text(json.dumps(state.passes, indent=1), "utf-8")
        stopped = bool(self.settings.patience) and state.stale >= self.settings.patience
        stopped = stopped or state.number == self.settings.stop_after
        state.finished = stopped or state.number >= self.settings.epochs or len(state.losses) >= self.steps
        state.number, state.done = state.number + 1, 0
        if not state.finished:
            # What is kept now begins the next pass.
            state.remember(self.rng)
        self._keep(force=True)

    def _compare(self) -> None:
        """Keep the weights of the pass where it is the best so far."""
        state, score = self.state, self.state.passes[-1].get("score")
        if not self.settings.patience or score is None:
            return
        if not state.best or score > state.passes[state.best - 1]["score"]:
            state.best, state.stale, self.kept = state.number, 0, trained(self.network)
        else:
            state.stale += 1

    def _step(self, group: Sequence[Prepared]) -> None:
        number, size = len(self.state.losses), self.settings.batch_size
        factor = rate(number, self.steps, self.settings.warmup)
        for part in self.optimizer.param_groups:
            part["lr"] = self.settings.learning_rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for at in range(0, len(group), size):
            with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
                batch = batch_of(group[at : at + size], len(group), self.device)
                parts = self.loss(self.network(batch.ids, batch.mask, batch.segments), batch)
            value = sum(parts.values(), torch.zeros((), device=self.device))
            if (extra := penalty(self.network.encoder)) is not None:
                value = value + extra * (len(batch.rows) / len(group))
            # The rows of a batch may be without any label that the loss asks for.
            if value.requires_grad:
                value.backward()
            total += float(value.item())
        if not math.isfinite(total):
            raise BadLogits(f"the loss is {total} at step {number + 1}; train again with a lower learning rate")
        torch.nn.utils.clip_grad_norm_(self.weights, self.settings.clip_norm)
        self.optimizer.step()
        after_step(self.network.encoder, number)
        self.state.losses.append(total)
        self.watch.recorder.add(number + 1, {"train/loss": total, "train/rate": self.settings.learning_rate * factor})
        if self.watch.progress is not None:
            self.watch.progress(number + 1, self.steps, total)

    def _keep(self, *, force: bool) -> None:
        """Write the state where it is time: not so often that writing takes more than a twentieth of the training."""
        if self.watch.runs is None:
            return
        now = self.watch.clock()
        if not force and now - self.saved_at < max(self.watch.save_every, 20 * self.saving_took):
            return
        tensors, self.state.budget = budget_state(self.network.encoder)
        groups = {
            "weights": trained(self.modules),
            "best": self.kept,
            "optimizer": moments_of(self.optimizer),
            "random": randomness_of(self.device),
            "budget": tensors,
        }
        save(self.watch.runs / FILE, self.state, groups, self._fingerprint)
        self.saved_at = self.watch.clock()
        self.saving_took = self.saved_at - now if self.watch.save_every else 0.0

    def _go_on(self) -> None:
        assert self.watch.runs is not None
        self.state, groups = load(self.watch.runs / FILE, self._fingerprint)
        put_back(self.modules, groups["weights"])
        restore_optimizer(self.optimizer, groups.get("optimizer", {}))
        restore_budget(self.network.encoder, groups.get("budget", {}), self.state.budget)
        self.kept = groups.get("best", {})
        self.state.recall(self.rng)
        restore_random(groups["random"])
        logger.info("going on at step %d of %d", len(self.state.losses) + 1, self.steps)

    @cached_property
    def _fingerprint(self) -> dict[str, str]:
        """What must be the same for a training to go on."""
        rows = json.dumps([asdict(row) for row in (*self.train_rows, *self.dev_rows)], sort_keys=True)
        return {
            "settings": json.dumps(asdict(self.settings), sort_keys=True),
            "data": hashlib.sha256(rows.encode()).hexdigest(),
            "encoder": self.start.encoder.sha256 if self.start.encoder else "",
            "model to go on from": self.start.version,
            "device": self.device,
            "torch": torch.__version__,
        }


def _must_read(network: Network, max_length: int) -> None:
    """Try a text of the greatest length; raise RecipeInvalid where the encoder has no place for so many tokens."""
    # Not 1, which pads in RoBERTa's kind, and padding has no place of its own.
    row = ([2] * max_length, [0] * max_length)
    try:
        with torch.inference_mode():
            network.eval()(*pad([row]))
    except (IndexError, RuntimeError) as problem:
        raise RecipeInvalid(
            f"max_length {max_length} is more than the encoder reads at once; choose a smaller --max-length"
        ) from problem
