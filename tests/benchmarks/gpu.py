"""The model on a GPU, in one command: `python -m tests.benchmarks.gpu --root DATA`; with `--device cpu` a smoke test.

Prints, in one run: the tokeniser alone; the network alone, plain and compiled to CUDA graphs, with its share of the
chip's peak; from texts to probabilities; and the training of the shipped recipe.

Work per token, in floating point operations: 2 for each weight of the linear layers, and per layer 4 × width × length
for attention (scores and mean, a multiplication and an addition each). Embeddings, norms and softmax are left out, as
in Kaplan et al., Scaling Laws for Neural Language Models, 2020, section 2.1.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from models import DEFAULT, SENTIMENTS, Item
from models.artifacts import network_of, open_artifact
from models.data import Example, read
from models.engine import choose
from models.engines import padded
from models.engines.run import batches
from models.engines.threads import one_core_each
from models.recipe import Settings
from models.recipe import load as load_recipe
from models.scorer import Scorer, load
from models.taxonomy import taxonomy
from models.tokens import Encoded, encode
from models.train import train
from tests.benchmarks.bench_score import headlines

PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "A10": 125, "T4": 65, "4090": 165, "B200": 2250}
"""Dense bf16 (T4: fp16) TFLOP/s of the makers' data sheets, by what the device's name contains."""
Row = tuple[str, float, str]


def flops_per_token(network: nn.Module, length: float) -> float:
    """Return the work of one token in texts of `length` tokens."""
    linear = sum(part.weight.numel() for part in network.modules() if isinstance(part, nn.Linear))
    encoder: Any = network.encoder
    config = encoder.config
    return float(2 * linear + 4 * config.num_hidden_layers * config.hidden_size * length)


def peak(device: str, dtype: torch.dtype) -> float | None:
    """Return the chip's peak in FLOP/s; of a CPU what a large product reaches on it, None for an unknown GPU."""
    if device != "cpu":
        name = torch.cuda.get_device_name()
        return next((tera * 1e12 for part, tera in PEAKS.items() if part in name), None)
    side = torch.randn(1_024, 1_024, dtype=dtype)
    torch.mm(side, side)
    return 2 * 1_024**3 / seconds(lambda: torch.mm(side, side), device)


def seconds(work: Callable[[], object], device: str, times: int = 3) -> float:
    """Return the seconds of the fastest of a few runs, the device's own work waited for; on a CPU of a single one."""
    if device != "cpu":
        work()
    best = math.inf
    for _ in range(times if device != "cpu" else 1):
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return best


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def tokeniser(texts: Sequence[str]) -> list[Row]:
    """Cleaning and tokenising alone, as the scorer does it."""
    tokenizer = network_of(open_artifact(DEFAULT))[1]
    took = seconds(lambda: encode(tokenizer, [(text, None) for text in texts], 128), "cpu")
    return [("tokeniser alone", len(texts) / took, "texts/s")]


def network_alone(rows: Sequence[Encoded], device: str, compiled: bool) -> list[Row]:
    """The network on batches that lie on the device already."""
    engine = choose(device, 1.0)
    network = network_of(open_artifact(DEFAULT))[0].merged().to(device=device, dtype=engine.dtype)
    parts = [padded(rows[a:b], 8) for a, b in batches([len(row) for row in rows], engine.token_budget)]
    ready = [tuple(torch.from_numpy(array).to(device) for array in part) for part in parts]
    ways: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {"network alone": network}
    if compiled:
        # Every width is a graph of its own: they are few, as widths are multiples of eight.
        ways["network alone, compiled to CUDA graphs"] = torch.compile(network, mode="reduce-overhead", dynamic=False)
    tokens, real = sum(part[0].numel() for part in ready), sum(map(len, rows))
    top = peak(device, engine.dtype)
    out: list[Row] = [("padding", 1 - real / tokens, "share")]
    for name, way in ways.items():

        def run(way: Callable[..., tuple[Tensor, Tensor]] = way) -> None:
            with torch.inference_mode():
                for batch in ready:
                    way(*batch)

        took = seconds(run, device)
        work = sum(len(row) * flops_per_token(network, len(row)) for row in rows) / took
        out += [(name, len(rows) / took, "texts/s"), (name, real / took, "tokens/s"), (name, work / 1e12, "TFLOP/s")]
        out += [(f"{name}: share of peak", work / top, "share")] if top else []
    return out


def end_to_end(texts: Sequence[str], device: str) -> list[Row]:
    """From texts to probabilities."""
    scorer: Scorer = load(DEFAULT, device)
    items = [Item(text) for text in texts]
    took = seconds(lambda: scorer.score(items), device, 2)
    return [(f"end to end ({scorer.engine.reason})", len(texts) / took, "texts/s")]


def training(device: str, root: Path | None, steps: int) -> list[Row]:
    """The shipped recipe: the whole of it where its data are, else some steps on written rows, multiplied."""
    trained = open_artifact(DEFAULT).config["training"]
    if root is not None:
        recipe = load_recipe(DEFAULT, root)
        settings, rows = recipe.settings, [row for source in recipe.data for row in read(source)]
    else:
        settings, rows = Settings(epochs=1, dev_share=0.0), _written(max(steps, 1) * Settings.batch_size)
    began = time.perf_counter()
    done = len(train(rows, replace(settings, max_steps=steps), device=device).losses)
    took = time.perf_counter() - began
    whole = math.ceil(trained["rows"]["train"] / trained["settings"]["batch_size"]) * trained["settings"]["epochs"]
    out: list[Row] = [("training", done / took, "steps/s")]
    if root is not None and not steps:
        return [*out, ("training of the shipped recipe, whole", took, "s")]
    return [*out, (f"training of the shipped recipe ({whole} steps), reckoned", took / done * whole, "s")]


def _written(n: int) -> list[Example]:
    topics = len(taxonomy().labels)
    return [Example(text, None, at % len(SENTIMENTS), at % topics) for at, text in enumerate(headlines(n))]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Run all parts and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--root", type=Path, help="the folder of the recipe's data: train on it")
    parser.add_argument("--steps", type=int, help="training steps (default: all with --root, else 200; 0: all)")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled network out (it takes minutes)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device is there; try --device cpu --texts 200")
    steps = given.steps if given.steps is not None else (0 if given.root else 200)
    texts = headlines(given.texts)

    def measure() -> list[Row]:
        rows = sorted(encode(network_of(open_artifact(DEFAULT))[1], [(text, None) for text in texts], 128), key=len)
        return [
            *tokeniser(texts),
            *network_alone(rows, given.device, given.device != "cpu" and not given.no_compile),
            *end_to_end(texts, given.device),
            *training(given.device, given.root, steps),
        ]

    if given.device == "cuda":
        found = measure()
    else:
        # A smoke test on a machine with other work: see there.
        with one_core_each(1) as pool:
            found = pool.submit(measure).result()
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    if given.json:
        sys.stdout.write(json.dumps({"device": name, "texts": len(texts), "rows": found}, indent=2) + "\n")
        return found
    table = Table("what", "measured", "unit", box=None, title=f"{name}, {len(texts):,} texts")
    for what, value, unit in found:
        table.add_row(what, f"{value:,.3g}" if value < 1_000 else f"{value:,.0f}", unit)
    Console().print(table)
    return found


if __name__ == "__main__":
    main()
