"""The network: one encoder with LoRA, mean pooling over the real tokens, a sentiment head and a topic head."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn
from transformers import BertModel

from models.errors import WeightsCorrupt


class Network(nn.Module):
    """Sentiment and topic logits of a batch of token ids.

    The encoder may be the plain one or wrapped by peft; `merged()` folds the adapter into it for scoring.
    """

    def __init__(self, encoder: nn.Module, width: int, sentiments: int, topics: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.sentiment = nn.Linear(width, sentiments)
        self.topic = nn.Linear(width, topics)

    def pooled(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """Return the mean of the last hidden states over the real tokens: (batch, width)."""
        states = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        mean: Tensor = (states * weights).sum(1) / weights.sum(1)
        return mean

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Return (sentiment logits, topic logits), each (batch, labels); inputs are (batch, tokens), mask 1 or 0."""
        pooled = self.dropout(self.pooled(ids, mask, segments))
        return self.sentiment(pooled), self.topic(pooled)

    def heads(self) -> dict[str, Tensor]:
        """Return the heads' tensors by name."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("encoder.")}

    def adapter(self) -> dict[str, Tensor]:
        """Return the adapter's tensors by name."""
        if not isinstance(self.encoder, PeftModel):
            raise TypeError("the adapter is merged already")
        # Otherwise peft asks the Hugging Face hub whether the vocabulary grew.
        state: dict[str, Tensor] = get_peft_model_state_dict(self.encoder, save_embedding_layers=False)
        return state

    def restore(self, adapter: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        """Put kept tensors in place; raise WeightsCorrupt where names or shapes are not those of this network."""
        if not isinstance(self.encoder, PeftModel):
            raise TypeError("the adapter is merged already")
        for kind, kept, own in (("adapter", adapter, self.adapter()), ("heads", heads, self.heads())):
            if {n: tuple(t.shape) for n, t in kept.items()} != {n: tuple(t.shape) for n, t in own.items()}:
                raise WeightsCorrupt(
                    f"the {kind} do not fit the network that config.json describes; restore the artifact"
                )
        set_peft_model_state_dict(self.encoder, dict(adapter))
        self.load_state_dict(dict(heads), strict=False)

    def merged(self) -> "Network":
        """Fold the adapter into the encoder, for scoring: the same function, fewer and larger products."""
        if isinstance(self.encoder, PeftModel):
            self.encoder = self.encoder.merge_and_unload()
        return self.eval()


def build(encoder: BertModel, lora: Mapping[str, Any], sentiments: int, topics: int, dropout: float = 0.0) -> Network:
    """Return a network with fresh LoRA adapters and heads; only these are trained."""
    width = int(encoder.config.hidden_size)
    with warnings.catch_warnings():
        # peft asks transformers under an old name; nothing a user could do about it.
        warnings.simplefilter("ignore", FutureWarning)
        wrapped = get_peft_model(encoder, LoraConfig(**{**lora, "target_modules": list(lora["target_modules"])}))
    return Network(wrapped, width, sentiments, topics, dropout)


def pad(rows: list[tuple[list[int], list[int]]], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Return (ids, mask, segments) of one batch, padded to its longest row. A row is (token ids, segment ids)."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    segments = torch.zeros_like(ids)
    for at, (tokens, parts) in enumerate(rows):
        ids[at, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        segments[at, : len(parts)] = torch.tensor(parts, dtype=torch.long)
        mask[at, : len(tokens)] = 1
    return ids.to(device), mask.to(device), segments.to(device)
