"""Makes words.tsv: logistic regression over the encoder's frozen word vectors, finance headlines against off_topic.txt.

    python -m models.status.fit --root DATA

The mean of word vectors is linear, so that the fitted plane is the same thing as one weight per word: words never seen
in training get theirs from their neighbours in the vectors, and scoring needs a table and no network. Train files only
(those of the shipped recipe); the limit is set on one half of the rows held out, the false rate told on the other.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import DEFAULT
from models.status import off_topic
from models.status.lists import lines_in
from models.text import clean, share

_HERE = Path(__file__).parent
HELD_OUT = 0.2
FALSE_RATE = 0.0035
"""Share of held-out finance texts that may pass the limit. Most of those that do are posts about anything else."""
FEWEST_WORDS = 3


def _vectors() -> tuple[dict[str, int], NDArray[np.float32]]:
    """The whole words of the encoder's vocabulary and their input vectors."""
    from safetensors import safe_open

    from models.encoder import load_tokenizer, verified_dir

    with safe_open(verified_dir() / "model.safetensors", "np") as weights:
        name = next(name for name in weights.keys() if name.endswith("word_embeddings.weight"))  # noqa: SIM118
        table: NDArray[np.float32] = weights.get_tensor(name)
    vocabulary = {word: at for word, at in load_tokenizer().get_vocab().items() if off_topic.words_of(word) == [word]}
    return vocabulary, table


def _means(texts: Sequence[str], vocabulary: dict[str, int], table: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = np.zeros((len(texts), table.shape[1]), np.float32)
    for row, text in enumerate(texts):
        known = [vocabulary[word] for word in off_topic.words_of(text) if word in vocabulary]
        if known:
            rows[row] = table[known].mean(0)
    return rows


def fit(finance: Sequence[str], others: Sequence[str]) -> dict[str, float]:
    """Return a weight per word, shifted so that FALSE_RATE of the held-out finance texts have a mean above 0."""
    from sklearn.linear_model import LogisticRegression

    vocabulary, table = _vectors()
    cleaned = sorted({clean(text) for text in finance})
    train = [text for text in cleaned if share(text, "status") >= HELD_OUT]
    held = [text for text in cleaned if share(text, "status") < HELD_OUT / 2]
    rows = _means([*train, *others], vocabulary, table)
    labels = np.array([0] * len(train) + [1] * len(others))
    # The classes get weights of 10 to 3: there are a hundred times as many finance texts.
    balance = np.where(labels == 1, 0.3 * len(train) / len(others), 1.0)
    # The vectors are short; scaled by 5 the usual strength of the regularisation fits them.
    model = LogisticRegression(C=0.3, max_iter=500).fit(rows * 5, labels, sample_weight=balance)
    plane = 5 * model.coef_[0]
    answers = _means(held, vocabulary, table) @ plane
    answers[
        [off_topic._FINANCE.search(text) is not None or len(off_topic.words_of(text)) < FEWEST_WORDS for text in held]
    ] = -np.inf
    limit = float(np.quantile(answers, 1 - FALSE_RATE))
    return {word: float(table[at] @ plane) - limit for word, at in sorted(vocabulary.items())}


def main() -> None:
    """Fit on the shipped recipe's train files under --root, write words.tsv, and tell the false rate on unseen rows."""
    from models.data import read
    from models.recipe import load

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="where the recipe's data files lie")
    recipe = load(DEFAULT, parser.parse_args().root)
    finance = sorted({clean(row.text) for source in recipe.data for row in read(source)})
    others = lines_in("off_topic.txt")
    weights = fit(finance, others)
    with (_HERE / "words.tsv").open("w", encoding="utf-8") as out:
        out.writelines(f"{word}\t{weight:.1f}\n" for word, weight in weights.items())
    off_topic.forget_weights()
    unseen = [text for text in finance if HELD_OUT / 2 <= share(text, "status") < HELD_OUT]
    called = [text for text in unseen if off_topic.is_off_topic(text)]
    sys.stdout.write(
        f"{len(weights)} words; {len(called)} of {len(unseen)} unseen finance texts are called off topic\n"
    )


if __name__ == "__main__":
    main()
