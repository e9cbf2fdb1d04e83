"""The network by CTranslate2, for encoders of BERT's kind on a CPU: fp32 too, fused and with less memory traffic.

The weights are handed over in memory and nothing is kept on disk: a file that does not exist cannot be stale, cut or
swapped. Mean pooling and heads are numpy; the network's answers are those of torch but for the last bits, which is
checked at every load (`agrees`).
"""

import importlib.util
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.engines import Backend, Logits, padded
from models.net import Network
from models.tokens import Encoded

__all__ = ["CTranslate", "agrees", "fits", "installed"]

logger = logging.getLogger(__name__)
TOLERANCE = 1e-3
"""Largest difference of a logit from torch's: a hundredth of what bf16 does. Measured: 2e-5."""


def installed() -> bool:
    """Tell whether the optional package is there."""
    return importlib.util.find_spec("ctranslate2") is not None


def fits(network: nn.Module) -> bool:
    """Tell whether this engine knows the network's encoder: BERT with absolute positions and the exact GELU."""
    config = getattr(getattr(network, "encoder", None), "config", None)
    return (
        isinstance(network, Network)
        and type(network.encoder).__name__ == "BertModel"
        and network.token_types
        and getattr(config, "hidden_act", None) == "gelu"
        and getattr(config, "position_embedding_type", None) in (None, "absolute")
    )


class CTranslate:
    """A merged network on the CPU. `streams`: batches at once, one core each."""

    def __init__(self, network: Network, streams: int) -> None:
        # Its own choice would be Intel's library, which is slow on other makers' chips.
        os.environ.setdefault("CT2_USE_MKL", "0")
        import ctranslate2

        self._storage = ctranslate2.StorageView
        with tempfile.TemporaryDirectory() as folder:
            _specification(network.encoder).save(folder)
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        self._encoder = ctranslate2.Encoder(
            "in memory", device="cpu", compute_type="float32", inter_threads=streams, intra_threads=1, files=files
        )
        self._heads = [(_array(head.weight).T, _array(head.bias)) for head in (network.sentiment, network.topic)]

    def logits(self, rows: Sequence[Encoded]) -> Logits:
        """Return sentiment and topic logits."""
        ids, mask, segments = padded(rows)
        answer = self._encoder.forward_batch(
            self._storage.from_array(ids.astype(np.int32)),
            self._storage.from_array(mask.sum(1).astype(np.int32)),
            token_type_ids=segments.tolist(),
        )
        states = np.asarray(answer.last_hidden_state)
        weights = mask[..., None].astype(np.float32)
        pooled = (states * weights).sum(1) / weights.sum(1)
        sentiment, topic = (np.asarray(pooled @ weight + bias, dtype=np.float32) for weight, bias in self._heads)
        return sentiment, topic


def agrees(backend: Backend, reference: Backend, rows: Sequence[Encoded]) -> bool:
    """Tell whether both give the same logits of rows, to TOLERANCE."""
    pairs = zip(backend.logits(rows), reference.logits(rows), strict=True)
    worst = max(float(np.abs(mine - theirs).max()) for mine, theirs in pairs)
    logger.info("the engine ctranslate2 differs from torch by %.1e at most", worst)
    # Not `worst > TOLERANCE`: NaN does not agree with anything.
    return worst <= TOLERANCE


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().numpy())


def _specification(bert: Any) -> Any:
    """Describe a BertModel in CTranslate2's terms. Layout: its own loader for BERT, less the pooler."""
    from ctranslate2.converters import utils
    from ctranslate2.specs import common_spec, transformer_spec

    def linear(spec: Any, layer: Any) -> Any:
        spec.weight, spec.bias = _array(layer.weight), _array(layer.bias)
        return spec

    def norm(spec: Any, layer: Any) -> None:
        spec.gamma, spec.beta = _array(layer.weight), _array(layer.bias)

    config = bert.config
    encoder = transformer_spec.TransformerEncoderSpec(
        config.num_hidden_layers,
        config.num_attention_heads,
        pre_norm=False,
        activation=common_spec.Activation.GELU,
        layernorm_embedding=True,
        num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    spec = transformer_spec.TransformerEncoderModelSpec(encoder, pooling_layer=False)
    encoder.scale_embeddings = False
    tables = bert.embeddings
    encoder.embeddings[0].weight = _array(tables.word_embeddings.weight)
    encoder.embeddings[1].weight = _array(tables.token_type_embeddings.weight)
    encoder.position_encodings.encodings = _array(tables.position_embeddings.weight)
    norm(encoder.layernorm_embedding, tables.LayerNorm)
    for ours, layer in zip(encoder.layer, bert.encoder.layer, strict=True):
        attention, own = ours.self_attention, layer.attention.self
        parts = [linear(common_spec.LinearSpec(), part) for part in (own.query, own.key, own.value)]
        utils.fuse_linear(attention.linear[0], parts)
        linear(attention.linear[1], layer.attention.output.dense)
        norm(attention.layer_norm, layer.attention.output.LayerNorm)
        linear(ours.ffn.linear_0, layer.intermediate.dense)
        linear(ours.ffn.linear_1, layer.output.dense)
        norm(ours.ffn.layer_norm, layer.output.LayerNorm)
    # We pass ids, never words; a vocabulary must be there all the same.
    spec.register_vocabulary([str(number) for number in range(config.vocab_size)])
    spec.config.layer_norm_epsilon = config.layer_norm_eps
    spec.validate()
    spec.optimize()
    return spec
