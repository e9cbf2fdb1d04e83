"""Adapts the upper layers of the encoder to tell events apart, on events.txt, the tuning half of the labelled pairs,
and pairs of sentences that have nothing to do with each other (tests/pipeline/fold/unrelated.py).

python -m tests.benchmarks.tune_folding FOLDER [--fold N]: writes `all.safetensors`, or `N.safetensors` of an adapter
that saw nothing of the N-th third of the events (`fit_folding` needs those three). `all` is what ships as
models/weights/fold-1; its sha256 stands in models/embed.py. Low-rank factors of every linear layer above the third, by
the logistic loss of a pair's likeness; the weights of the likeness are learned along with them.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from models.embed import ADAPTED_FROM, MAX_TOKENS, through
from models.encoder import load_encoder, load_tokenizer
from models.net import pad
from models.tokens import encode
from models.train import repeatable
from pipeline.fold.compare import compare, left_open
from pipeline.fold.records import Candidate
from tests.pipeline.fold.events import MATTERS, Told, told
from tests.pipeline.fold.unrelated import FOR_ADAPTER, about_one_company

__all__ = ["FOLDS", "fold_of"]

FOLDS = 3
RANK, EPOCHS, RATE, HEAD_RATE = 8, 5, 1.5e-3, 2e-2
TOGETHER = 6  # matters a step
PART = 16  # texts padded to one length
OTHER_EVENTS, LABELLED = 0.35, 2.0  # what a pair weighs in the loss
UNRELATED, A_GROUP = 400, 8


class Group(NamedTuple):
    """Texts, and pairs of them by place, with whether they are one event and what the pair weighs."""

    texts: list[str]
    pairs: list[tuple[int, int, bool, float]]


class _Factors(torch.nn.Module):
    """A linear layer with a low-rank sum; nothing is added at first."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.a = torch.nn.Parameter(torch.randn(RANK, linear.in_features) / linear.in_features**0.5)
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = 2.0 * ((states @ self.a.T) @ self.b.T)
        return self.linear(states) + added  # type: ignore[no-any-return]


def fold_of(event: str) -> int:
    """The third that an event belongs to."""
    return zlib.crc32(event.encode()) % FOLDS


def groups(fold: int | None) -> tuple[list[Group], list[Group]]:
    """Matters and labelled events that are not in the fold."""
    by_event: dict[str, list[Told]] = {}
    for pair in told():
        reason, _ = compare(pair.later, Candidate(pair.earlier, "", pair.earlier.companies))
        asked = not pair.labelled or left_open(pair.later, pair.earlier, reason)
        if asked and (fold is None or fold_of(pair.event) != fold):
            by_event.setdefault(pair.event, []).append(pair)
    grouped = {event: _group(pairs) for event, pairs in by_event.items()}
    matters = [grouped.pop(matter.name) for matter in MATTERS if matter.name in grouped]
    return matters, [*grouped.values(), *_unrelated()]


def _unrelated() -> list[Group]:
    found = islice(about_one_company(FOR_ADAPTER, random.Random(0)), UNRELATED)
    told = [Told(later, earlier, False, "", labelled=False) for later, earlier in found]
    return [_group(told[start : start + A_GROUP]) for start in range(0, len(told), A_GROUP)]


def _group(pairs: Sequence[Told]) -> Group:
    texts = sorted({one.gist.text for pair in pairs for one in (pair.later, pair.earlier)})
    place = {text: at for at, text in enumerate(texts)}
    weighed = []
    for pair in pairs:
        weight = LABELLED if pair.labelled else 1.0 if pair.same else OTHER_EVENTS
        weighed.append((place[pair.later.gist.text], place[pair.earlier.gist.text], pair.same, weight))
    return Group(texts, weighed)


def _likeness(states: torch.Tensor, mask: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(pairs, 3): the cosine of the wholes, and how near each word's nearest comes on average, less and more."""
    wholes = normalize((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=1)
    words = normalize(states, dim=2)
    inner = mask.clone()
    inner[:, 0] = 0
    inner[torch.arange(len(mask)), mask.sum(1).long() - 1] = 0
    nearness = torch.einsum("pld,pmd->plm", words[one], words[other])
    mine = nearness.masked_fill(inner[other][:, None, :] == 0, -1).max(2).values * inner[one]
    theirs = nearness.masked_fill(inner[one][:, :, None] == 0, -1).max(1).values * inner[other]
    a, b = mine.sum(1) / inner[one].sum(1).clamp(min=1), theirs.sum(1) / inner[other].sum(1).clamp(min=1)
    return torch.stack([(wholes[one] * wholes[other]).sum(1), torch.minimum(a, b), torch.maximum(a, b)], 1)


class _Learner:
    """The encoder with factors in its upper layers, and the weights of a pair's likeness."""

    def __init__(self) -> None:
        self.encoder = cast("Any", load_encoder())
        self.encoder.requires_grad_(False)
        self.tokenizer = load_tokenizer()
        self.layers = self.encoder.encoder.layer[ADAPTED_FROM:]
        self.factors: dict[str, _Factors] = {}
        for number, layer in enumerate(self.layers, ADAPTED_FROM):
            for name, module in list(layer.named_modules()):
                if isinstance(module, torch.nn.Linear):
                    self.factors[f"{number}.{name}"] = _Factors(module)
                    layer.set_submodule(name, self.factors[f"{number}.{name}"])
        self.head = torch.nn.Parameter(torch.tensor([8.0, 5.0, 3.0, -10.5]))
        self.below: dict[str, torch.Tensor] = {}
        learned = [p for one in self.factors.values() for p in (one.a, one.b)]
        self.optimizer = torch.optim.AdamW([{"params": learned}, {"params": [self.head]}], weight_decay=0.01)

    def step(self, chosen: Sequence[Group], rate: float) -> float:
        """One step on these groups, at this share of the full rate; answers the loss."""
        self.optimizer.param_groups[0]["lr"], self.optimizer.param_groups[1]["lr"] = RATE * rate, HEAD_RATE * rate
        states, mask = self._read([text for group in chosen for text in group.texts])
        one, other, same, weight = _joined(chosen)
        likeness = _likeness(states, mask.float(), one, other)
        said = likeness @ self.head[:3] + self.head[3]
        loss = (binary_cross_entropy_with_logits(said, same, reduction="none") * weight).sum() / weight.sum()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(loss.detach())

    def _read(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """The last hidden states (texts, tokens, width), and 1 where a token stands."""
        below = [self._below(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda at: len(below[at]))
        longest = len(below[order[-1]])
        parts, masks = [], []
        # In parts of like length: half of the work would go into padding otherwise.
        for start in range(0, len(order), PART):
            part = [below[at] for at in order[start : start + PART]]
            padded = torch.nn.utils.rnn.pad_sequence(part, batch_first=True)
            mask = (torch.arange(padded.shape[1]) < torch.tensor([len(one) for one in part])[:, None]).long()
            missing = longest - padded.shape[1]
            parts.append(torch.nn.functional.pad(through(self.layers, padded, mask), (0, 0, 0, missing)))
            masks.append(torch.nn.functional.pad(mask, (0, missing)))
        back = torch.tensor(order).argsort()
        return torch.cat(parts)[back], torch.cat(masks)[back]

    def _below(self, text: str) -> torch.Tensor:
        """The hidden states (tokens, width) under the first adapted layer, which no step changes."""
        if text not in self.below:
            row = encode(self.tokenizer, [(text, None)], MAX_TOKENS)[0]
            ids, mask, segments = pad([(row.ids, row.segments)], "cpu")
            with torch.no_grad():
                states = self.encoder.embeddings(input_ids=ids, token_type_ids=segments)
                self.below[text] = through(self.encoder.encoder.layer[:ADAPTED_FROM], states, mask)[0]
        return self.below[text]

    def save(self, path: Path) -> None:
        """Write the factors as models/embed.py reads them."""
        kept = {f"{name}.A": one.a.detach().half() for name, one in self.factors.items()}
        kept |= {f"{name}.B": (2.0 * one.b.detach()).half() for name, one in self.factors.items()}
        save_file({key: value.contiguous() for key, value in kept.items()}, path)


def _joined(chosen: Sequence[Group]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The pairs of several groups: places of both texts in all texts, whether they are one event, and weights."""
    pairs, start = [], 0
    for group in chosen:
        pairs += [(start + a, start + b, float(same), weight) for a, b, same, weight in group.pairs]
        start += len(group.texts)
    one, other, same, weight = zip(*pairs, strict=True)
    return torch.tensor(one), torch.tensor(other), torch.tensor(same), torch.tensor(weight)


def main() -> None:
    """Train and write one adapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fold", type=int, choices=range(FOLDS))
    arguments = parser.parse_args()
    # One thread, so that sums are added up in one order on every number of cores.
    torch.set_num_threads(1)
    with repeatable(0):
        _tune(arguments.folder, arguments.fold)


def _tune(folder: Path, fold: int | None) -> None:
    dice = random.Random(0)
    learner = _Learner()
    matters, labelled = groups(fold)
    parts = max(1, len(matters) // TOGETHER)
    steps = EPOCHS * parts
    for epoch in range(EPOCHS):
        dice.shuffle(matters)
        dice.shuffle(labelled)
        lost = 0.0
        for part in range(parts):
            done = epoch * parts + part + 1
            rate = min(1.0, done / (0.1 * steps)) * max(0.05, 1 - done / steps)
            lost += learner.step([*matters[part::parts], *labelled[part::parts]], rate)
        print(f"epoch {epoch + 1}: loss {lost / parts:.4f}", flush=True)
    learner.save(folder / f"{'all' if fold is None else fold}.safetensors")


if __name__ == "__main__":
    main()
