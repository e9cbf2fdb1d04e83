"""Tiny encoders with random weights, saved as Hugging Face saves them: a folder with safetensors and a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

__all__ = ["KINDS", "LONGEST", "tiny"]

LONGEST = 64
_SHAPE = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
KINDS = ("bert", "roberta", "distilbert", "mpnet")


def tiny(folder: Path, kind: str, texts: Sequence[str], seed: int = 0) -> Path:
    """Write an encoder of `kind`, its vocabulary learned from `texts`, and return its folder."""
    tokenizer = _byte_pairs(texts) if kind in ("roberta", "mpnet") else _word_pieces(texts)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _model(kind, tokenizer.get_vocab_size()).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _model(kind: str, words: int) -> transformers.PreTrainedModel:
    if kind == "bert":
        # With a language head and a pooler, which an encoder has no use for.
        return transformers.BertForPreTraining(
            transformers.BertConfig(vocab_size=words, max_position_embeddings=LONGEST, **_SHAPE)
        )
    if kind == "roberta":
        return transformers.RobertaForMaskedLM(
            transformers.RobertaConfig(
                vocab_size=words, max_position_embeddings=LONGEST + 2, type_vocab_size=1, **_SHAPE
            )
        )
    if kind == "mpnet":
        return transformers.MPNetModel(
            transformers.MPNetConfig(vocab_size=words, max_position_embeddings=LONGEST + 2, **_SHAPE)
        )
    return transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=words, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=LONGEST
        )
    )


def _word_pieces(texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _byte_pairs(texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer
