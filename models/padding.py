"""Rows of tokens made into one batch. Apart from the network, whose library of adapters takes seconds to import."""

import torch
from torch import Tensor

__all__ = ["pad"]


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
