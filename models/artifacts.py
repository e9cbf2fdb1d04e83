"""The artifact: a folder with config, safetensors, calibration, measures and card; found, verified, written here.

config.json holds the sha256 of every other file, and the model's version is the sha256 of config.json.
Nothing pickled is read.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import SENTIMENTS
from models.calibrate import Calibration
from models.data import file_sha256
from models.encoder import ENCODER_SHA256, EncoderFiles, bare, load_encoder, load_tokenizer, rebuilt, relocate, shipped
from models.errors import LabelsUnknown, WeightsCorrupt, WeightsMissing
from models.reading import Reading
from models.taxonomy import taxonomy

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from models.net import Network

CONFIG, ADAPTER, HEADS = "config.json", "adapter.safetensors", "heads.safetensors"
ENCODER, ENCODER_CONFIG, TOKENIZER = "encoder.safetensors", "encoder.json", "tokenizer.json"
CALIBRATION, METRICS, CARD = "calibration.json", "metrics.json", "MODEL_CARD.md"
BESIDE = ("report", "runs")
"""Folders that may stand in an artifact and are no part of it: pictures, and the log of its training."""
FORMAT = 2
"""1 knew LoRA on the shipped encoder only, and is read as such."""
_SHIPPED = Path(__file__).with_name("weights")
_ALWAYS = {HEADS, CALIBRATION, METRICS, CARD}

CANARIES: tuple[tuple[str, str], ...] = (
    ("Company files for bankruptcy after defaulting on its bonds", "negative"),
    ("Shares plunge as profit warning rattles investors", "negative"),
    ("Profit jumps and the company raises its full-year guidance", "positive"),
    ("Shares surge to a record high after strong quarterly results", "positive"),
    ("The company will hold its annual meeting on Tuesday", "neutral"),
)
"""Sentences about which there is nothing to argue, checked at every load."""


@dataclass(frozen=True)
class Artifact:
    """A verified artifact. `topics`: the topic head's labels in its order; `canaries`: (sentence, sentiment).

    `reading`: how it was trained to read texts; artifacts from before there were two say nothing of it.
    """

    folder: Path
    config: Mapping[str, Any]
    calibration: Calibration
    model_version: str
    topics: tuple[str, ...]
    sentiments: tuple[str, ...]
    max_length: int
    canaries: tuple[tuple[str, str], ...]
    reading: Reading


def find(name_or_path: str) -> Path:
    """Return the folder of an artifact, by path or shipped name; raise WeightsMissing where there is none."""
    for folder in (_SHIPPED / name_or_path, Path(name_or_path)):
        if (folder / CONFIG).is_file():
            return folder
    shipped = ", ".join(sorted(path.parent.name for path in _SHIPPED.glob(f"*/{CONFIG}"))) or "none"
    raise WeightsMissing(
        f"there is no model {name_or_path!r}; give the folder of an artifact, or one of those shipped: {shipped}"
    )


def open_artifact(name_or_path: str) -> Artifact:
    """Read and verify an artifact; raise WeightsMissing, WeightsCorrupt or LabelsUnknown before any weight is read."""
    folder = find(name_or_path)
    raw = (folder / CONFIG).read_bytes()
    config = _json(raw, CONFIG)
    _verify_files(folder, config)
    calibration = Calibration.from_json(_json((folder / CALIBRATION).read_bytes(), CALIBRATION))
    try:
        sentiments, topics = (_labels(config["id2label"][head], head) for head in ("sentiment", "topic"))
        if config["format"] not in (1, FORMAT) or not _encoder_known(config["encoder"]):
            raise WeightsCorrupt(
                f"{folder.name} is of another format or encoder; update barograph, or use another model"
            )
        return Artifact(
            folder,
            config,
            calibration,
            f"{config['name']}@{hashlib.sha256(raw).hexdigest()[:12]}",
            topics,
            sentiments,
            int(config["max_length"]),
            tuple((str(row["text"]), str(row["sentiment"])) for row in config["canaries"]),
            Reading(config.get("reading", Reading.CLEAN)),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise WeightsCorrupt(
            f"{CONFIG} of {folder.name} is incomplete ({problem!r}); restore the artifact"
        ) from problem


def _encoder_known(kept: Mapping[str, Any]) -> bool:
    """The package's encoder has one hash; any other is held to its own when it is loaded."""
    return kept.get("origin", "package") != "package" or bool(kept["sha256"] == ENCODER_SHA256)


def _files(method: object) -> set[str]:
    """The files of an artifact, config.json aside: after full fine-tuning it carries its whole encoder."""
    if method == "full":
        return _ALWAYS | {ENCODER, ENCODER_CONFIG, TOKENIZER}
    return _ALWAYS if method == "head" else _ALWAYS | {ADAPTER}


def _json(raw: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError as problem:
        raise WeightsCorrupt(f"{name} is not JSON; restore the artifact or train it again") from problem
    if not isinstance(found, dict):
        raise WeightsCorrupt(f"{name} is not a JSON object; restore the artifact or train it again")
    return found


def _verify_files(folder: Path, config: Mapping[str, Any]) -> None:
    expected, known = config.get("files"), _files(config.get("method", "lora"))
    if not isinstance(expected, dict) or set(expected) != known:
        raise WeightsCorrupt(
            f"{CONFIG} of {folder.name} does not list exactly {', '.join(sorted(known))}; restore the artifact"
        )
    strange = sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in known | {CONFIG} and not (path.name in BESIDE and path.is_dir())
    )
    if strange:
        raise WeightsCorrupt(
            f"{folder.name} contains {strange[0]}, which no artifact has (nothing pickled is loaded); remove it"
        )
    for name, sha256 in expected.items():
        path = folder / name
        if not path.is_file():
            raise WeightsMissing(f"{folder.name} has no {name}; restore the artifact or train it again")
        if file_sha256(path) != sha256:
            raise WeightsCorrupt(
                f"{name} of {folder.name} is cut or altered (its sha256 differs); restore the artifact"
            )


def _labels(id2label: Mapping[str, str], head: str) -> tuple[str, ...]:
    labels = tuple(id2label[str(at)] for at in range(len(id2label)))
    wanted = SENTIMENTS if head == "sentiment" else taxonomy().labels
    if sorted(labels) != sorted(wanted):
        raise LabelsUnknown(f"the {head} labels of {CONFIG} are not those of this version; restore the artifact")
    return labels


def network_of(artifact: Artifact) -> "tuple[Network, Tokenizer]":
    """Build the network and put the verified weights in place, sentiment rows in the order of SENTIMENTS."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models.net import build

    method = str(artifact.config.get("method", "lora"))
    encoder, tokenizer = _encoder_of(artifact, method)
    network = build(encoder, artifact.config["lora"], len(artifact.sentiments), len(artifact.topics), method=method)
    try:
        heads = load_file(artifact.folder / HEADS)
        order = [artifact.sentiments.index(label) for label in SENTIMENTS]
        heads |= {name: value[order] for name, value in heads.items() if name.startswith("sentiment.")}
        body = ENCODER if method == "full" else ADAPTER
        network.restore(load_file(artifact.folder / body) if method != "head" else {}, heads)
    except (SafetensorError, IndexError) as problem:
        raise WeightsCorrupt(
            f"the weights of {artifact.folder.name} are not safetensors ({problem}); restore it"
        ) from problem
    return network, tokenizer


def _encoder_of(artifact: Artifact, method: str) -> "tuple[PreTrainedModel, Tokenizer]":
    if method != "full":
        files = relocate(artifact.config["encoder"], artifact.folder)
        return load_encoder(files), load_tokenizer(files)
    from tokenizers import Tokenizer

    config = _json((artifact.folder / ENCODER_CONFIG).read_bytes(), ENCODER_CONFIG)
    tokenizer = bare(Tokenizer.from_file(str(artifact.folder / TOKENIZER)))
    return rebuilt(config, artifact.folder.name), tokenizer


def write(
    folder: Path,
    network: "Network",
    calibration: Calibration,
    *,
    name: str,
    lora: Mapping[str, Any],
    max_length: int,
    reading: Reading = Reading.CLEAN,
    training: Mapping[str, Any],
    canaries: Sequence[tuple[str, str]],
    metrics: Mapping[str, Any],
    card: str,
    encoder: EncoderFiles | None = None,
    base: Mapping[str, Any] | None = None,
    tokenizer: "Tokenizer | None" = None,
) -> str:
    """Write an artifact into `folder` and return its version. config.json comes last: before it, there is none.

    `encoder`: what the training started from (None: the shipped one), or `base`: what the model gone on from says of
    its own; `tokenizer`: kept after full training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    origin = dict(base) if base and encoder is None else (encoder or shipped()).to_json()
    save_weights(network, folder)
    outside = network.method != "full"
    if not outside:
        (folder / ENCODER_CONFIG).write_text(_dump(_architecture(network)), "utf-8")
        (folder / TOKENIZER).write_text(bare(tokenizer or load_tokenizer(encoder)).to_str(), "utf-8")
    (folder / CALIBRATION).write_text(_dump(calibration.to_json()), "utf-8")
    (folder / METRICS).write_text(_dump(metrics), "utf-8")
    (folder / CARD).write_text(card, "utf-8")
    config = {
        "format": FORMAT,
        "name": name,
        "architecture": "mean pooling over the last layer, linear heads sentiment and topic",
        "method": network.method,
        "encoder": {key: value for key, value in origin.items() if key != "folder" or outside},
        "lora": dict(lora),
        "max_length": max_length,
        "reading": str(reading),
        "id2label": {
            "sentiment": {str(at): label for at, label in enumerate(SENTIMENTS)},
            "topic": {str(at): label for at, label in enumerate(taxonomy().labels)},
        },
        "training": dict(training),
        "canaries": [{"text": text, "sentiment": sentiment} for text, sentiment in canaries],
        "files": {file: file_sha256(folder / file) for file in sorted(_files(network.method))},
    }
    (folder / CONFIG).write_text(_dump(config), "utf-8")
    return open_artifact(str(folder)).model_version


def _architecture(network: "Network") -> dict[str, Any]:
    """The encoder's own configuration, without where it was found and who wrote it."""
    kept: dict[str, Any] = json.loads(network.encoder.config.to_json_string(use_diff=False))  # type: ignore[operator, union-attr]
    return {key: value for key, value in kept.items() if key not in ("_name_or_path", "transformers_version")}


def save_weights(network: "Network", folder: Path) -> None:
    """Write heads and adapter (or the whole encoder) as safetensors: what an artifact's weights are made of."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    body = ENCODER if network.method == "full" else ADAPTER
    for name, tensors in ((body, network.body()), (HEADS, network.heads())):
        if tensors:
            save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, folder / name)
            # They are written for their owner alone, and then could not be shipped.
            (folder / name).chmod(0o644)


def load_weights(network: "Network", folder: Path) -> None:
    """Put in place what `save_weights` wrote; raise WeightsMissing or WeightsCorrupt."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    body = ENCODER if network.method == "full" else ADAPTER
    wanted = [HEADS] if network.method == "head" else [body, HEADS]
    for name in wanted:
        if not (folder / name).is_file():
            raise WeightsMissing(f"{folder.name} has no {name}; name the folder of an artifact or of one pass")
    try:
        network.restore({} if network.method == "head" else load_file(folder / body), load_file(folder / HEADS))
    except SafetensorError as problem:
        raise WeightsCorrupt(f"the weights in {folder.name} are not safetensors ({problem})") from problem


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
