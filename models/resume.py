"""The state of a training, kept so that it can be killed at any moment and go on as if it had not been.

One safetensors file holds all tensors, and the rest as JSON in its header; it is replaced in one step. Nothing is
pickled.
"""

import json
import os
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.errors import ResumeImpossible

FILE = "resume.safetensors"


@dataclass
class State:
    """Where a training stands.

    `number`: the pass, from 1; `done`: its steps done; `shuffle`: the state of the shuffling before this pass;
    `losses`: of every step; `passes`: what was measured after each; `best`: the best pass, 0 none yet; `stale`: passes
    since then; `finished`: nothing is left to train; `budget`: models.methods.budget_state.
    """

    number: int = 1
    done: int = 0
    shuffle: list[Any] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    passes: list[dict[str, float]] = field(default_factory=list)
    best: int = 0
    stale: int = 0
    finished: bool = False
    budget: dict[str, Any] = field(default_factory=dict)

    def remember(self, rng: random.Random) -> None:
        """Keep the state of the shuffling."""
        version, numbers, gauss = rng.getstate()
        self.shuffle = [version, list(numbers), gauss]

    def recall(self, rng: random.Random) -> None:
        """Put the state of the shuffling back."""
        version, numbers, gauss = self.shuffle
        rng.setstate((version, tuple(numbers), gauss))


def save(path: Path, state: State, groups: Mapping[str, Mapping[str, Tensor]], fingerprint: Mapping[str, str]) -> None:
    """Write a state and named groups of tensors, all or nothing. `fingerprint`: what must be the same to go on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{group}|{name}": value.detach().cpu().contiguous().clone()
        for group, named in groups.items()
        for name, value in named.items()
    }
    draft = path.with_suffix(".part")
    save_file(tensors, draft, {"state": json.dumps(asdict(state)), "fingerprint": json.dumps(dict(fingerprint))})
    with draft.open("rb+") as stream:
        os.fsync(stream.fileno())
    draft.replace(path)


def load(path: Path, fingerprint: Mapping[str, str]) -> tuple[State, dict[str, dict[str, Tensor]]]:
    """Return what `save` wrote; raise ResumeImpossible where it is not there, unreadable, or of another training."""
    if not path.is_file():
        raise ResumeImpossible(f"there is nothing to go on with in {path.parent.parent.name}; leave --resume out")
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, "pt") as opened:
            header = opened.metadata() or {}
            state, kept = State(**json.loads(header["state"])), json.loads(header["fingerprint"])
            for key in opened.keys():  # noqa: SIM118 - it is no dict
                group, _, name = key.partition("|")
                groups.setdefault(group, {})[name] = opened.get_tensor(key)
    except (SafetensorError, KeyError, TypeError, ValueError) as problem:
        raise ResumeImpossible(
            f"{path.name} is no state of a training ({problem}); start without --resume"
        ) from problem
    if other := sorted(key for key in fingerprint if kept.get(key) != fingerprint[key]):
        raise ResumeImpossible(
            f"the interrupted training was another one (its {other[0]} differs); repeat its command, or start anew"
        )
    return state, groups


def steps_done(path: Path) -> int | None:
    """Return how many steps a kept state has behind it, None where there is none to read."""
    try:
        with safe_open(path, "pt") as opened:
            return len(json.loads((opened.metadata() or {})["state"])["losses"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's moments and step counts by parameter number and name."""
    state = optimizer.state_dict()["state"]
    return {f"{number}/{name}": value for number, kept in state.items() for name, value in kept.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def random_tensors(device: str) -> dict[str, Tensor]:
    """Return the state of torch's random numbers."""
    return {"cpu": torch.get_rng_state()} | ({"cuda": torch.cuda.get_rng_state()} if device == "cuda" else {})


def restore_random(tensors: Mapping[str, Tensor]) -> None:
    """Put back what `random_tensors` gave."""
    torch.set_rng_state(tensors["cpu"])
    if "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"])


def trained(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the parameters that training changes."""
    return {name: value.detach().clone() for name, value in network.named_parameters() if value.requires_grad}


def blend(network: nn.Module, begun: Mapping[str, Tensor], share: float) -> None:
    """Make each parameter of `begun` that share of what it was and the rest of what it is, in place."""
    own = dict(network.named_parameters())
    with torch.no_grad():
        for name, value in begun.items():
            own[name].mul_(1 - share).add_(value.to(own[name].device), alpha=share)


def put_back(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put such parameters in place."""
    own = dict(network.named_parameters())
    with torch.no_grad():
        for name, value in tensors.items():
            own[name].copy_(value)
