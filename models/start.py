"""What a training starts from: an encoder alone, a model to go on from, or the weights of an earlier pass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import SENTIMENTS, artifacts
from models.artifacts import Artifact, load_weights, network_of, open_artifact
from models.encoder import EncoderFiles, bare, load_encoder, load_tokenizer, locate, relocate
from models.errors import RecipeInvalid
from models.methods import METHODS, adapter_settings, freeze
from models.net import Network, build
from models.recipe import Settings
from models.taxonomy import taxonomy

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NONE = "none"


@dataclass(frozen=True)
class Start:
    """`encoder`: of the new model; `artifact`: the model gone on from; `weights`: the folder of an earlier pass."""

    encoder: EncoderFiles | None = None
    artifact: Artifact | None = None
    weights: Path | None = None

    @property
    def version(self) -> str:
        """The version of the model gone on from, or empty."""
        return self.artifact.model_version if self.artifact else ""


def start_of(start_from: str | Path = NONE, encoder: str | None = None, revision: str | None = None) -> Start:
    """Return the start that names and folders stand for; raise RecipeInvalid where they exclude each other.

    `start_from`: none, the name or folder of an artifact, or a folder of weights that `checkpoints` keeps.
    """
    if str(start_from) == NONE:
        return Start(locate(encoder, revision))
    if (folder := Path(start_from)).is_dir() and not (folder / artifacts.CONFIG).is_file():
        return Start(locate(encoder, revision), weights=folder)
    if encoder is not None:
        raise RecipeInvalid(f"{start_from} has its own encoder; leave --encoder out, or give --from {NONE}")
    artifact = open_artifact(str(start_from))
    own = artifact.config.get("method", "lora") == "full"
    return Start(None if own else relocate(artifact.config["encoder"], artifact.folder), artifact)


def can_go_on(artifact: Artifact, settings: Settings) -> str | None:
    """Return None where a training of these settings can go on from a model, else why not."""
    method = artifact.config.get("method", "lora")
    if settings.method in ("head", "full"):
        return None
    if settings.method != method:
        return f"{artifact.config['name']} was made by {method}; {settings.method} would need an adapter on an adapter"
    kept = artifact.config["lora"]
    other = [key for key, value in settings.lora.items() if kept.get(key) != value]
    return f"{other[0]} of its adapter is {kept.get(other[0])}" if other else None


def settled(settings: Settings, start: Start, steps: int) -> Settings:
    """Return the settings with everything said: the adapter's, the learning rate, the length of the model gone on from.

    Raises RecipeInvalid where the method cannot go on from the model.
    """
    rate = settings.learning_rate or METHODS[settings.method].learning_rate
    if start.artifact is None:
        lora = adapter_settings(settings.method, settings.lora, steps)
        return replace(settings, learning_rate=rate, lora=lora)
    if why := can_go_on(start.artifact, settings):
        raise RecipeInvalid(f"--method {settings.method} cannot go on from this model ({why}); give --from {NONE}")
    kept: Mapping[str, Any] = {} if settings.method == "full" else start.artifact.config["lora"]
    if settings.method == "adalora":
        kept = {key: value for key, value in kept.items() if key not in ("total_step", "tinit", "tfinal", "deltaT")}
        kept = adapter_settings("adalora", kept, steps)
    # What was learned from scratch at one rate is polished at a smaller one.
    return replace(
        settings,
        learning_rate=settings.learning_rate or rate / 4,
        lora=kept,
        max_length=start.artifact.max_length,
        reading=start.artifact.reading,
    )


def network_from(start: Start, settings: Settings) -> Network:
    """Return the network that training begins with, its trainable parameters free; `settings` are settled ones."""
    if start.artifact is None:
        encoder = load_encoder(start.encoder)
        network = build(
            encoder, settings.lora, len(SENTIMENTS), len(taxonomy().labels), settings.dropout, settings.method
        )
        if settings.method == "full":
            freeze(network.encoder, settings.frozen_layers)
        if start.weights is not None:
            load_weights(network, start.weights)
        return network
    config = {**start.artifact.config, "lora": settings.lora} if settings.method == "adalora" else start.artifact.config
    network, _ = network_of(replace(start.artifact, config=config))
    network.dropout.p = settings.dropout
    if settings.method == "full":
        network = network.merged()
        network.method = "full"
        network.encoder.requires_grad_(True)
    elif settings.method == "head":
        network.encoder.requires_grad_(False)
    return network


def tokenizer_of(start: Start) -> "Tokenizer":
    """Return the tokenizer of the start's encoder."""
    if start.encoder is not None:
        return load_tokenizer(start.encoder)
    from tokenizers import Tokenizer

    assert start.artifact is not None
    return bare(Tokenizer.from_file(str(start.artifact.folder / artifacts.TOKENIZER)))
