"""Fits the weights of `pipeline/fold/weigh.py` on the tuning half of the labelled pairs and on pairs of strangers.

python -m tests.benchmarks.fit_folding STORE: prints the lines to put there; nothing else is chosen here. STORE is a
demo's: what a stream is full of, two events about one company or market in one day, labelled pairs have too little of.
"""

from __future__ import annotations

import argparse
import random
from datetime import timedelta

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from models.embed import load
from pipeline.context import utc_now
from pipeline.fold import tables
from pipeline.fold.compare import Article, Candidate, Reason, compare
from pipeline.fold.folding import left_open
from pipeline.fold.neighbours import neighbours
from pipeline.fold.weigh import Evidence, evidence, meaning
from pipeline.warehouse import Warehouse
from tests.pipeline.fold.pairs import TUNING, articles

C = 4.0
NEWEST, DRAWN, WITHIN = 1_600, 600, timedelta(days=1)
# What all pairs of strangers weigh together, in labelled pairs.
STRANGERS = 300.0
LIMITS = np.arange(0, 1.01, 0.25)
_JOINS = (Reason.SAME_TEXT, Reason.SAME_TITLE, Reason.CORRECTED, Reason.ALIKE)


def strangers(store: str) -> list[tuple[Article, Article, float]]:
    """Pairs of a demo's store that only an encoder could join, at most a day apart, with how alike they are.

    The demo prints copies and no rewrites, so these are pairs of different events, as a stream has them.
    """
    with Warehouse(store, utc_now).read() as con:
        stream = tables.newest(con, NEWEST)
    found = neighbours([], stream, kin=True)
    pairs = []
    for n, article in enumerate(stream):
        judged = [(at, *compare(article, _alone(stream[at]))) for at in (*found.alike[n], *found.kin[n])]
        if any(reason in (Reason.SAME_TEXT, Reason.SAME_TITLE) for _, reason, _ in judged):
            continue
        for at, reason, alike in judged:
            near = abs(article.happened_at - stream[at].happened_at) < WITHIN
            if near and left_open(article, stream[at], reason, alike):
                pairs.append((article, stream[at], alike))
    random.Random(1).shuffle(pairs)
    return pairs[:DRAWN]


def main() -> None:
    """Cross-validated precision and recall of the whole decision by limit, then weights fitted on all of the half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", help="the store of `barograph demo`, such as duckdb:demo/data/barograph.duckdb")
    unrelated = strangers(parser.parse_args().store)
    asked, labels, events, settled = [], [], [], {True: 0, False: 0}
    for pair in TUNING:
        first, second = articles(pair)
        reason, alike = compare(second, _alone(first))
        if left_open(second, first, reason, alike):
            asked.append((second, first, alike))
            labels.append(pair.same)
            events.append(pair.event)
        elif reason in _JOINS:
            settled[pair.same] += 1
    both = [*asked, *unrelated]
    texts = sorted({one.gist.text for a, b, _ in both for one in (a, b)})
    readings = dict(zip(texts, load().read(texts), strict=True))
    x = np.array([evidence(a, b, alike, meaning(readings[a.gist.text], readings[b.gist.text])) for a, b, alike in both])
    own = np.arange(len(both)) < len(asked)
    y = np.array([*labels, *[False] * len(unrelated)])
    weights = np.where(own, 1.0, STRANGERS / max(1, len(unrelated)))
    groups = np.unique([*events, *(f"stranger {n}" for n in range(len(unrelated)))], return_inverse=True)[1]
    model = LogisticRegression(C=C, max_iter=5000)
    scores = cross_val_predict(
        model, x, y, cv=GroupKFold(10, shuffle=True, random_state=0), groups=groups, method="decision_function",
        params={"sample_weight": weights},
    )  # fmt: skip
    everything = sum(pair.same for pair in TUNING)
    print(f"{len(asked)} pairs left to the encoder, {sum(labels)} of them one story; settled without: {settled}")
    for limit in LIMITS:
        joined = (scores >= limit) & own
        right = settled[True] + int((joined & y).sum())
        precision = right / (settled[True] + settled[False] + int(joined.sum()))
        strange = float((scores[~own] >= limit).mean())
        print(f"limit {limit:.2f}: precision {precision:.3f}, recall {right / everything:.3f}, strangers {strange:.4f}")
    model.fit(x, y, sample_weight=weights)
    for name, weight in zip(Evidence._fields, model.coef_[0], strict=True):
        print(f"    {name}={weight:.2f},")
    print(f"limit 0 stands at {-model.intercept_[0]:.2f}")


def _alone(article: Article) -> Candidate:
    return Candidate(article, "", article.companies)


if __name__ == "__main__":
    main()
