"""The network: one encoder, mean pooling over the real tokens, a sentiment head and a topic head."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from models.errors import WeightsCorrupt
from models.methods import wrap

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Network(nn.Module):
    """Sentiment and topic logits of a batch of token ids.

    The encoder may be the plain one or wrapped by peft; `merged()` folds the adapter into it for scoring. `method`: the
    form its trained weights are kept in (models.methods). `token_types`: the encoder tells the two segments apart.
    """

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        sentiments: int,
        topics: int,
        dropout: float = 0.0,
        *,
        method: str = "lora",
        token_types: bool = True,
    ) -> None:
        super().__init__()
        self.method, self.token_types = method, token_types
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.sentiment = nn.Linear(width, sentiments)
        self.topic = nn.Linear(width, topics)

    def pooled(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """Return the mean of the last hidden states over the real tokens: (batch, width)."""
        types = {"token_type_ids": segments} if self.token_types else {}
        states = self.encoder(input_ids=ids, attention_mask=mask, **types).last_hidden_state
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
            raise TypeError("there is no adapter, or it is merged already")
        config: Any = self.encoder.peft_config["default"]
        pattern = getattr(config, "rank_pattern", None)
        if self.method == "adalora":
            # With it peft would cut what is zero anyway, and a network of the full rank could not read it back.
            config.rank_pattern = None
        # Otherwise peft asks the Hugging Face hub whether the vocabulary grew.
        state: dict[str, Tensor] = get_peft_model_state_dict(self.encoder, save_embedding_layers=False)
        if self.method == "adalora":
            config.rank_pattern = pattern
        return state

    def body(self) -> dict[str, Tensor]:
        """Return what must be kept of the encoder: its adapter, all of it after full fine-tuning, or nothing."""
        if self.method == "full":
            return dict(self.encoder.state_dict())
        return self.adapter() if isinstance(self.encoder, PeftModel) else {}

    def restore(self, body: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        """Put kept tensors in place; raise WeightsCorrupt where names or shapes are not those of this network."""
        form = "encoder" if self.method == "full" else "adapter"
        for kind, kept, own in ((form, body, self.body()), ("heads", heads, self.heads())):
            if {n: tuple(t.shape) for n, t in kept.items()} != {n: tuple(t.shape) for n, t in own.items()}:
                raise WeightsCorrupt(
                    f"the {kind} do not fit the network that config.json describes; restore the artifact"
                )
        if isinstance(self.encoder, PeftModel):
            set_peft_model_state_dict(self.encoder, dict(body))
        elif body:
            self.encoder.load_state_dict(dict(body))
        self.load_state_dict(dict(heads), strict=False)

    def merged(self) -> "Network":
        """Fold the adapter into the encoder, for scoring: the same function, fewer and larger products."""
        if isinstance(self.encoder, PeftModel):
            self.encoder = self.encoder.merge_and_unload()
        return self.eval()


def build(
    encoder: "PreTrainedModel",
    adapter: Mapping[str, Any],
    sentiments: int,
    topics: int,
    dropout: float = 0.0,
    method: str = "lora",
) -> Network:
    """Return a network with fresh heads, and a fresh adapter of these settings where the method has one."""
    width = int(encoder.config.hidden_size)
    # RoBERTa has a table of one type only; DistilBERT and MPNet have none.
    takes = "token_type_ids" in inspect.signature(encoder.forward).parameters
    types = takes and getattr(encoder.config, "type_vocab_size", 0) > 1
    wrapped = wrap(encoder, method, adapter)
    return Network(wrapped, width, sentiments, topics, dropout, method=method, token_types=types)


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
