"""Encoders of Hugging Face: found, held to their hashes, read with their own pair format; the others are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import T5Config

from models.artifacts import network_of, open_artifact, write
from models.calibrate import Calibration
from models.data import file_sha256
from models.encoder import ENCODER_ID, ENCODER_REVISION, PLACES, load_encoder, load_tokenizer, locate
from models.errors import ModelError, RecipeInvalid, WeightsCorrupt, WeightsMissing
from models.net import build, pad
from models.tokens import encode
from tests.support.encoders import KINDS, LONGEST, tiny

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = ("Velmont falls after its profit warning", "Orrin rises", "Tidewell opens a new plant in the north")
RANK_2 = {"r": 2, "lora_alpha": 4, "target_modules": "all-linear"}


def refused(error: type[ModelError], says: str, name: str | Path, revision: str | None = None) -> None:
    with pytest.raises(error, match=says) as caught:
        load_encoder(locate(str(name), revision))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_pairs_its_own_way(kind: str, tmp_path: Path) -> None:
    files = locate(str(tiny(tmp_path / kind, kind, TEXTS)))
    assert (files.origin, files.id, files.sha256) == (
        "folder",
        kind,
        file_sha256(tmp_path / kind / "model.safetensors"),
    )
    network = build(load_encoder(files), RANK_2, 3, 20)
    assert network.token_types == (kind == "bert")
    tokenizer = load_tokenizer(files)
    alone, pair = encode(tokenizer, [(TEXTS[0], None), (TEXTS[0], "Velmont")], 32)
    between = pair.ids[len(alone.ids) - 1 :]
    separators = {"bert": [3], "distilbert": [3], "roberta": [2, 2], "mpnet": [2, 2]}[kind]
    assert between[: len(separators)] == separators
    assert set(pair.segments) == ({0, 1} if kind in ("bert", "distilbert") else {0})
    network.eval()
    together = network(*pad([(row.ids, row.segments) for row in (alone, pair)]))[0]
    by_itself = network(*pad([(alone.ids, alone.segments)]))[0]
    # Padding, whatever its token, changes nothing.
    torch.testing.assert_close(together[:1], by_itself, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-6)


def test_no_pooler_is_carried_along(tmp_path: Path) -> None:
    encoder = load_encoder(locate(str(tiny(tmp_path / "e", "bert", TEXTS))))
    assert not any("pooler" in name for name in encoder.state_dict())


def test_the_shipped_encoder_by_its_name_is_the_package() -> None:
    assert locate().origin == locate(ENCODER_ID).origin == locate(ENCODER_ID, ENCODER_REVISION).origin == "package"


def test_an_older_vocabulary_becomes_a_fast_tokenizer(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "e", "bert", TEXTS)
    new = load_tokenizer(locate(str(folder)))
    words = sorted(new.get_vocab(), key=lambda word: new.get_vocab()[word])
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}', "utf-8")
    files = locate(str(folder))
    assert len(files.tokenizer_sha256) == 64
    pairs = [(text, "Orrin") for text in TEXTS]
    assert [row.ids for row in encode(load_tokenizer(files), pairs, 32)] == [row.ids for row in encode(new, pairs, 32)]


def test_what_is_no_encoder_is_refused(tmp_path: Path) -> None:
    refused(WeightsMissing, "no network", "acme/no-such-encoder")
    refused(WeightsMissing, "no folder", "./no/such/folder")
    refused(WeightsMissing, "neither a local folder", "no such name!")
    folder = tiny(tmp_path / "e", "bert", TEXTS)
    refused(WeightsMissing, "no revision", folder, "main")
    pickled = Path(shutil.copytree(folder, tmp_path / "p"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    refused(WeightsMissing, "pickled weights are never loaded", pickled)
    cut = Path(shutil.copytree(folder, tmp_path / "c"))
    data = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(data[: len(data) // 2])
    refused(WeightsCorrupt, "cannot be loaded", cut)


def test_a_model_with_code_of_its_own_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    folder, proof = tiny(tmp_path / "e", "bert", TEXTS), tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(proof)!r}, 'w')\n", "utf-8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    for change, says in (
        ({"model_type": "their-own", "auto_map": {"AutoModel": "own.Model"}}, "never run"),
        ({"hidden_size": "wide"}, "not sound"),
        (T5Config().to_dict(), "no pure encoder"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change), "utf-8")
        refused(WeightsCorrupt, says, folder)
    assert not proof.exists()


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "e", "bert", TEXTS)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}), "utf-8")
    refused(WeightsCorrupt, "lacks encoder.layer.2", folder)


def test_an_artifact_holds_its_encoder_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny(tmp_path / "encoders" / "small", "distilbert", TEXTS)
    files = locate(str(folder))
    network = build(load_encoder(files), RANK_2, 3, 20)
    common = {"training": {}, "canaries": (), "metrics": {}, "card": "", "max_length": 32}
    write(tmp_path / "a", network, Calibration(), name="a", lora=RANK_2, encoder=files, **common)  # type: ignore[arg-type]
    network_of(open_artifact(str(tmp_path / "a")))
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole + b" ")
        with pytest.raises(WeightsCorrupt, match=f"{name} is not the one of the training"):
            network_of(open_artifact(str(tmp_path / "a")))
        (folder / name).write_bytes(whole)
    folder.parent.rename(tmp_path / "elsewhere")
    with pytest.raises(WeightsMissing, match=PLACES):
        network_of(open_artifact(str(tmp_path / "a")))
    monkeypatch.setenv(PLACES, str(tmp_path / "elsewhere"))
    network_of(open_artifact(str(tmp_path / "a")))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_length_that_the_encoder_cannot_read_is_refused(kind: str, tmp_path: Path) -> None:
    from models.data import Example
    from models.recipe import Settings
    from models.start import Start
    from models.train import train

    rows = [Example(f"{text} {n}", None, n % 3) for n in range(4) for text in TEXTS]
    start = Start(locate(str(tiny(tmp_path / "e", kind, TEXTS))))
    common = {"max_steps": 1, "dev_share": 0.0, "lora": {"r": 2}}
    train(rows, Settings(max_length=LONGEST, **common), start=start)  # type: ignore[arg-type]
    with pytest.raises(RecipeInvalid, match="max-length"):
        train(rows, Settings(max_length=LONGEST + 1, **common), start=start)  # type: ignore[arg-type]
