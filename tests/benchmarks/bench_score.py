"""How fast texts are scored: our way beside the naive one (batches of 8 padded to 128, fp32) in the same run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from models import DEFAULT, Item
from models.artifacts import network_of, open_artifact
from models.net import Network, pad
from models.scorer import load
from models.tokens import encode

TEXTS = 1_500
NAIVE_TEXTS = 96
NAIVE_BATCH, NAIVE_LENGTH = 8, 128
LIMIT = 5.0

_WHO = ("Velmont", "Orrin Foods", "Brightwater Bank", "Holt & Maar", "Tidewell", "Kestrel Air", "Norsand Oil")
_WHAT = (
    "shares fall {n}% after a profit warning",
    "raises its full-year guidance as quarterly sales climb {n}%",
    "to cut {n} jobs in its home market, the chief executive told reporters on Tuesday",
    "agrees to buy a smaller rival for {n} million in cash and stock, in the largest deal of the year in its sector",
    "names a new finance chief",
    "faces a fine of {n} million over weak controls",
)


def headlines(n: int) -> list[str]:
    """Return n different headlines of the length of real ones, the same at every run."""
    draw = random.Random(7)
    return [f"{draw.choice(_WHO)} {draw.choice(_WHAT).format(n=k + 1)}" for k in range(n)]


def best(work: Callable[[], object], times: int = 2) -> float:
    """Return the seconds of the fastest of a few runs: the machine is shared."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def naive(network: Network, tokenizer: object, texts: Sequence[str]) -> None:
    """Score as a first script would: in the order of arrival, eight at a time, every row padded to 128 tokens."""
    import torch

    for start in range(0, len(texts), NAIVE_BATCH):
        rows = encode(tokenizer, [(text, None) for text in texts[start : start + NAIVE_BATCH]], NAIVE_LENGTH)  # type: ignore[arg-type]
        ids, mask, segments = pad([(row.ids, row.segments) for row in rows])
        wide = [torch.nn.functional.pad(part, (0, NAIVE_LENGTH - part.shape[1])) for part in (ids, mask, segments)]
        with torch.inference_mode():
            network(wide[0], wide[1], wide[2])


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """Texts per second of both ways, and their ratio."""
    texts = headlines(TEXTS)
    began = time.perf_counter()
    scorer = load(DEFAULT, "cpu")
    loading = time.perf_counter() - began
    network, tokenizer = network_of(open_artifact(DEFAULT))
    plain = network.merged()
    items = [Item(text) for text in texts]
    naive(plain, tokenizer, texts[:NAIVE_BATCH])
    ours = len(texts) / best(lambda: scorer.score(items))
    theirs = NAIVE_TEXTS / best(lambda: naive(plain, tokenizer, texts[:NAIVE_TEXTS]))
    return [
        ("loading the model", loading, "s", None, None),
        (f"ours ({scorer.engine.reason})", ours, "texts/s", None, None),
        ("naive: batches of 8 padded to 128, fp32", theirs, "texts/s", None, None),
        ("ours over naive", ours / theirs, "times", f"at least {LIMIT:g}", ours / theirs >= LIMIT),
    ]


if __name__ == "__main__":
    for row in main():
        print(*row, sep="\t")
