"""Fits `pipeline/fold/weights.json` on the tuning half of the labelled pairs, on events.txt, and on pairs of strangers.

python -m tests.benchmarks.fit_folding ADAPTERS: prints what cross-validation says of every limit, and writes the
weights. ADAPTERS is where `tune_folding` left adapters that have not seen a third of the events each, for evidence must
come from an encoder that knows as little of the pair as it will of tomorrow's news; events of a third without one are
left out. Strangers are what a stream is full of and labelled pairs have too little of: two events about one company or
market in one day, from a demo's store (`--strangers STORE` draws them anew, such as duckdb:demo/data/barograph.duckdb)
and from sentences in the register of newspapers (tests/pipeline/fold/unrelated.py).
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from threadpoolctl import threadpool_limits

from models.embed import SentenceEncoder
from models.encoder import load_encoder, load_tokenizer
from pipeline.context import utc_now
from pipeline.fold import tables, weigh
from pipeline.fold.compare import compare, left_open
from pipeline.fold.meaning import meanings, ready
from pipeline.fold.neighbours import neighbours
from pipeline.fold.records import Article, Candidate, Reason
from pipeline.fold.text import gist
from pipeline.fold.weigh import Evidence, evidence, shared_names
from pipeline.link import open_linker
from pipeline.warehouse import Warehouse
from tests.benchmarks.tune_folding import FOLDS, fold_of
from tests.pipeline.fold import events
from tests.pipeline.fold import unrelated as unrelated_pairs
from tests.pipeline.fold.events import told
from tests.pipeline.fold.unrelated import FOR_WEIGHTS

# The penalty by the cross-validated figures that this prints. The limit by a stream: labelled pairs are as often one
# event as two, and of the pairs that a stream leaves open very few are (docs/fold.md).
C, LIMIT = 0.001, 0.75
NEWEST, DRAWN, WITHIN = 1_600, 600, timedelta(days=1)
# What a labelled pair weighs, and two events of a matter; and all strangers together.
LABELLED, OTHER_EVENTS, STRANGERS = 10.0, 0.25, 2400.0
LIMITS = np.arange(0, 2.51, 0.25)
OF_ONE_COMPANY, OF_ONE_DAY = 1_500, 1_000
STRANGE = Path(events.__file__).with_name("strangers.csv")
_NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
_SETTLED = (Reason.SAME_TEXT, Reason.SAME_TITLE, Reason.CORRECTED, Reason.ALIKE)


class Case(NamedTuple):
    """A pair that the encoder is asked about. `source`: labelled, event or stranger."""

    later: Article
    earlier: Article
    alike: float
    same: bool
    event: str
    source: str


def strangers() -> Iterator[Case]:
    """The pairs of strangers.csv."""
    with STRANGE.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            earlier, later = (
                Article(
                    title,
                    "news",
                    gist(title, row[f"summary_{side}"]),
                    frozenset(filter(None, row[f"companies_{side}"].split("|"))),
                    when,
                    when,
                    frozenset(filter(None, row[f"entities_{side}"].split("|"))),
                )
                for side, when in (("a", _NOON), ("b", _NOON + timedelta(hours=float(row["hours"]))))
                for title in [row[side]]
            )
            reason, alike = compare(later, _alone(earlier))
            if left_open(later, earlier, reason):
                yield Case(later, earlier, alike, False, f"stranger {number}", "stranger")


def unrelated() -> Iterator[Case]:
    """Pairs of sentences of one topic under one company's name, and of one day."""
    dice = random.Random(0)
    pairs = list(islice(unrelated_pairs.about_one_company(FOR_WEIGHTS, dice), OF_ONE_COMPANY))
    of_one_day = list(unrelated_pairs.of_one_day(FOR_WEIGHTS, open_linker(), dice))
    pairs += dice.sample(of_one_day, min(OF_ONE_DAY, len(of_one_day)))
    for number, (later, earlier) in enumerate(pairs):
        _, alike = compare(later, _alone(earlier))
        yield Case(later, earlier, alike, False, f"unrelated {number}", "stranger")


def draw(store: str) -> None:
    """Write strangers.csv: pairs of a demo's store that only an encoder could join, at most a day apart.

    The demo prints copies and no rewrites, so these are pairs of different events, as a stream has them.
    """
    with Warehouse(store, utc_now).read() as con:
        stream = tables.newest(con, NEWEST)
    found = neighbours([], stream, kin=True)
    pairs = []
    for n, article in enumerate(stream):
        judged = [(at, compare(article, _alone(stream[at]))[0]) for at in (*found.alike[n], *found.kin[n])]
        if any(reason in (Reason.SAME_TEXT, Reason.SAME_TITLE) for _, reason in judged):
            continue
        for at, reason in judged:
            near = abs(article.happened_at - stream[at].happened_at) < WITHIN
            if near and left_open(article, stream[at], reason):
                pairs.append((article, stream[at]))
    random.Random(1).shuffle(pairs)
    with Warehouse(store, utc_now).read() as con:
        texts = {
            row[0]: row[1:]
            for row in con.execute(
                "SELECT article_id, title, coalesce(summary, '') FROM articles"
                " QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY revision DESC) = 1"
            ).fetchall()
        }
    with STRANGE.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        sides = [f"{name}{side}" for side in ("_a", "_b") for name in ("companies", "entities", "summary")]
        out.writerow(["hours", "a", "b", *sides])
        for later, earlier in pairs[:DRAWN]:
            hours = round(abs(later.happened_at - earlier.happened_at).total_seconds() / 3600, 2)
            known = [
                ("|".join(sorted(one.companies)), "|".join(sorted(one.entities)), texts[one.article_id][1])
                for one in (earlier, later)
            ]
            titles = [texts[one.article_id][0] for one in (earlier, later)]
            out.writerow([hours, *titles, *known[0], *known[1]])


def main() -> None:
    """Cross-validated precision and recall of the whole decision by limit, then weights fitted on everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adapters", type=Path, nargs="?", help="the folder that tune_folding wrote to")
    parser.add_argument("--strangers", metavar="STORE", help="draw the pairs of strangers anew, and stop")
    arguments = parser.parse_args()
    if arguments.strangers:
        draw(arguments.strangers)
        return
    if not arguments.adapters:
        parser.error("give the folder of the adapters")
    # One thread, so that sums are added up in one order on every number of cores.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        fit(arguments.adapters)


def fit(adapters: Path) -> None:
    """Fit on the pairs of the thirds whose adapters are there."""
    found = [fold for fold in range(FOLDS) if (adapters / f"{fold}.safetensors").is_file()]
    settled: dict[str, dict[bool, int]] = {"labelled": {True: 0, False: 0}, "event": {True: 0, False: 0}}
    everything = {"labelled": 0, "event": 0}
    cases = []
    for pair in told():
        if fold_of(pair.event) not in found:
            continue
        name = "labelled" if pair.labelled else "event"
        everything[name] += pair.same
        reason, alike = compare(pair.later, _alone(pair.earlier))
        if left_open(pair.later, pair.earlier, reason):
            cases.append(Case(pair.later, pair.earlier, alike, pair.same, pair.event, name))
        elif reason in _SETTLED:
            settled[name][pair.same] += 1
    cases += [case for case in (*strangers(), *unrelated()) if fold_of(case.event) in found]
    x = np.array(_evidence(cases, adapters, found))
    y = np.array([case.same for case in cases])
    source = np.array([case.source for case in cases])
    drawn = max(1, int((source == "stranger").sum()))
    weights = np.select(
        [source == "labelled", source == "stranger", ~y], [LABELLED, STRANGERS / drawn, OTHER_EVENTS], 1.0
    )
    groups = np.unique([case.event for case in cases], return_inverse=True)[1]
    model = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), LogisticRegression(C=C, max_iter=1000)
    )
    scores = cross_val_predict(
        model, x, y, cv=GroupKFold(10, shuffle=True, random_state=0), groups=groups, method="decision_function",
        params={"logisticregression__sample_weight": weights},
    )  # fmt: skip
    for limit in LIMITS:
        said = [f"limit {limit:.2f}"]
        for name, apart in settled.items():
            joined = (scores >= limit) & (source == name)
            right = apart[True] + int((joined & y).sum())
            # Matters have far more pairs of two events than any stream's articles about one company.
            wrong = apart[False] + (1.0 if name == "labelled" else OTHER_EVENTS) * int((joined & ~y).sum())
            said.append(f"{name}: precision {right / (right + wrong):.3f}, recall {right / everything[name]:.3f}")
        said.append(f"strangers {float((scores[source == 'stranger'] >= limit).mean()):.4f}")
        print("; ".join(said))
    model.fit(x, y, logisticregression__sample_weight=weights)
    _write(model[0], model[1], model[2])


def _evidence(cases: Sequence[Case], adapters: Path, folds: Sequence[int]) -> list[Evidence]:
    found: dict[int, Evidence] = {}
    for fold in folds:
        encoder = SentenceEncoder(load_encoder(), load_tokenizer(), load_file(adapters / f"{fold}.safetensors"))
        mine = [at for at, case in enumerate(cases) if fold_of(case.event) == fold]
        texts = sorted({one.gist.text for at in mine for one in cases[at][:2]})
        readings = dict(zip(texts, map(ready, encoder.read(texts)), strict=True))
        for at in mine:
            a, b = cases[at].later, cases[at].earlier
            [seen] = meanings(readings[a.gist.text], [readings[b.gist.text]], [shared_names(a.gist, b.gist)])
            found[at] = evidence(a, b, cases[at].alike, seen)
    return [found[at] for at in range(len(cases))]


def _write(scaler: StandardScaler, squares: PolynomialFeatures, fitted: LogisticRegression) -> None:
    names = Evidence._fields
    pairs = np.zeros((len(names), len(names)))
    single = np.zeros(len(names))
    for powers, weight in zip(squares.powers_, fitted.coef_[0], strict=True):
        which = np.repeat(np.arange(len(names)), powers)
        if len(which) == 1:
            single[which[0]] = weight
        else:
            pairs[which[0], which[1]] = weight
    rows = ",\n".join(
        f'"{name}": {json.dumps([round(float(w), 4) for w in pairs[i, i:]])}' for i, name in enumerate(names)
    )
    kept = {
        "limit": round(float(LIMIT - fitted.intercept_[0]), 4),
        "mean": _by_name(scaler.mean_),
        "deviation": _by_name(scaler.scale_),
        "single": _by_name(single),
    }
    lines = [f'"{key}": {json.dumps(value)}' for key, value in kept.items()]
    lines.append(f'"pairs": {{\n{rows}\n}}')
    Path(weigh.__file__).with_name("weights.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _by_name(values: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(Evidence._fields, values, strict=True)}


def _alone(article: Article) -> Candidate:
    return Candidate(article, "", article.companies)


if __name__ == "__main__":
    main()
