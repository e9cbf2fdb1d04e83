"""How fast texts are scored, in one run: every engine that is here, beside torch sorted by length and the naive way.

Shares and ratios are what counts: the machine may be busy. The rounds take turns, and the best of each is kept.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from models import DEFAULT, Item, Prediction
from models.artifacts import network_of, open_artifact
from models.engine import EngineName
from models.engines.ctranslate import installed
from models.engines.run import batches
from models.errors import PackageMissing
from models.net import pad
from models.scorer import Scorer, load
from models.tokens import Encoded, encode

TEXTS = 600
NAIVE_TEXTS, NAIVE_BATCH, NAIVE_LENGTH = 48, 8, 128
SINGLE = 100
ROUNDS = 3
BF16 = {"the reference": 1.7, "naive": 10.0, "a FinBERT-sized model, naive": 25.0}
FP32 = {"the reference": 1.1, "naive": 7.0, "a FinBERT-sized model, naive": 25.0}
"""Without bf16 instructions the work is bound by the multiplications themselves (docs/speed.md)."""
AGREEMENT = 0.995

_WHO = ("Velmont", "Orrin Foods", "Brightwater Bank", "Holt & Maar", "Tidewell", "Kestrel Air", "Norsand Oil")
_WHAT = (
    "shares fall {n}% after a profit warning",
    "raises its full-year guidance as quarterly sales climb {n}%",
    "to cut {n} jobs in its home market, the chief executive told reporters on Tuesday",
    "agrees to buy a smaller rival for {n} million in cash and stock, in the largest deal of the year in its sector",
    "names a new finance chief",
    "faces a fine of {n} million over weak controls",
)
Row = tuple[str, float, str, str | None, bool | None]


def headlines(n: int) -> list[str]:
    """Return n different headlines of the length of real ones, the same at every run."""
    draw = random.Random(7)
    return [f"{draw.choice(_WHO)} {draw.choice(_WHAT).format(n=k + 1)}" for k in range(n)]


def in_turns(ways: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the seconds of the fastest of a few runs of each way, run in turns: the machine is shared."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, work in ways.items():
            began = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def sorted_torch(network: nn.Module, rows: Sequence[Encoded], budget: int) -> None:
    """Score as a careful script does: sorted by length, padded to the batch, in fp32, with all of torch's threads."""
    for start, end in batches([len(row) for row in rows], budget):
        with torch.inference_mode():
            network(*pad([(row.ids, row.segments) for row in rows[start:end]]))


def naive(network: Callable[..., object], tokenizer: Any, texts: Sequence[str]) -> None:
    """Score as a first script does: in the order of arrival, eight at a time, every row padded to 128 tokens."""
    for start in range(0, len(texts), NAIVE_BATCH):
        rows = encode(tokenizer, [(text, None) for text in texts[start : start + NAIVE_BATCH]], NAIVE_LENGTH)
        ids, mask, segments = pad([(row.ids, row.segments) for row in rows])
        wide = [nn.functional.pad(part, (0, NAIVE_LENGTH - part.shape[1])) for part in (ids, mask, segments)]
        with torch.inference_mode():
            network(*wide)


def finbert_sized() -> Callable[..., object]:
    """A network of the size of FinBERT (BERT base, 110 million parameters), its weights random."""
    from transformers import BertConfig, BertModel

    bert = BertModel(BertConfig(), add_pooling_layer=False).train(False)
    return lambda ids, mask, segments: bert(input_ids=ids, attention_mask=mask, token_type_ids=segments)


def agreement(mine: Prediction, theirs: Prediction) -> float:
    """Return the smaller share of equal labels, of sentiment and topic."""
    pairs = ((mine.sentiment, theirs.sentiment), (mine.topic, theirs.topic))
    return min(float((one.argmax(1) == other.argmax(1)).mean()) for one, other in pairs)


def loaded_alone() -> dict[str, float]:
    """Load and score one text in a process of its own: seconds (imports too, and without them) and memory."""
    code = (
        "import json, re, time; began = time.perf_counter(); from models.scorer import Item, load; "
        "imported = time.perf_counter(); load(device='cpu').score([Item('Oil')]); done = time.perf_counter(); "
        # getrusage would tell the memory of the process that started this one.
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024; "
        "print(json.dumps({'imports': imported - began, 'load': done - imported, 'memory': peak}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one_at_a_time(scorer: Scorer, texts: Sequence[str]) -> tuple[float, float]:
    """Return the median and the 99th percentile of milliseconds for one text alone."""
    times = []
    for text in texts:
        began = time.perf_counter()
        scorer.score([Item(text)])
        times.append((time.perf_counter() - began) * 1_000)
    return float(np.median(times)), float(np.percentile(times, 99))


def engines() -> dict[str, Scorer]:
    """Every engine that is here, by name; `auto` is the one of them that scores."""
    names = [EngineName.EXACT, EngineName.TORCH, *([EngineName.CTRANSLATE2] if installed() else []), EngineName.AUTO]
    found: dict[str, Scorer] = {}
    for name in names:
        try:
            found[name] = load(DEFAULT, "cpu", name)
        except PackageMissing:
            continue
    return found


def main() -> list[Row]:
    """Texts per second of every way, and the ratios."""
    texts = headlines(TEXTS)
    items = [Item(text) for text in texts]
    scorers = engines()
    network, tokenizer = network_of(open_artifact(DEFAULT))
    plain = network.merged()
    rows = sorted(encode(tokenizer, [(text, None) for text in texts], 128), key=len)
    few, large = texts[:NAIVE_TEXTS], finbert_sized()
    ways: dict[str, Callable[[], object]] = {
        "sorted 512": lambda: sorted_torch(plain, rows, 512),
        "sorted 2048": lambda: sorted_torch(plain, rows, 2_048),
        **{name: lambda scorer=scorer: scorer.score(items) for name, scorer in scorers.items()},  # type: ignore[misc]
        "naive": lambda: naive(plain, tokenizer, few),
    }
    seconds = in_turns(ways)
    large_seconds = in_turns({"large": lambda: naive(large, tokenizer, few[:NAIVE_BATCH])})["large"]
    per_s = {name: (NAIVE_TEXTS if name == "naive" else TEXTS) / took for name, took in seconds.items()}
    reference = max(per_s["sorted 512"], per_s["sorted 2048"])
    truth = scorers[EngineName.EXACT].score(items)
    out: list[Row] = [
        ("torch fp32, sorted, its own threads (the reference)", reference, "texts/s", None, None),
        ("naive: batches of 8 padded to 128, fp32", per_s["naive"], "texts/s", None, None),
    ]
    for name, scorer in scorers.items():
        share = agreement(scorer.score(items), truth)
        out += [
            (f"{name}: {scorer.engine.reason}", per_s[name], "texts/s", None, None),
            (f"{name}: labels as exact", share, "share", f"at least {AGREEMENT:g}", share >= AGREEMENT),
        ]
    ours = scorers[EngineName.AUTO]
    needed = BF16 if ours.engine.dtype is torch.bfloat16 else FP32
    others = (reference, per_s["naive"], NAIVE_BATCH / large_seconds)
    for (name, limit), other in zip(needed.items(), others, strict=True):
        ratio = per_s["auto"] / other
        out.append((f"auto over {name}", ratio, "times", f"at least {limit:g}", ratio >= limit))
    median, slow = one_at_a_time(ours, texts[:SINGLE])
    alone = loaded_alone()
    return [
        *out,
        ("one text alone, median", median, "ms", None, None),
        ("one text alone, 99th percentile", slow, "ms", None, None),
        ("loading and one text", alone["load"], "s", None, None),
        ("imports before that", alone["imports"], "s", None, None),
        ("memory of that process", alone["memory"], "MiB", None, None),
    ]


if __name__ == "__main__":
    for row in main():
        print(row)
