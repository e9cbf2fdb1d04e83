"""Networks in trouble: hardware that runs out of memory or vanishes, layers that break."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FakeNetwork(nn.Module):
    """Stands for hardware in trouble: fails with `error` above `fits` tokens at once, or answers `value`."""

    def __init__(self, fits: int = 1 << 30, value: float = 0.0, error: Exception | None = None) -> None:
        super().__init__()
        self.fits, self.value, self.seen = fits, value, list[int]()
        self.error = error or torch.OutOfMemoryError("no room")

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        if ids.numel() > self.fits:
            raise self.error
        self.seen.append(ids.numel())
        first = ids[:, 1].float() / 30_000
        sentiment = torch.stack([first, first * 0, -first], 1) + self.value
        return sentiment, torch.zeros((len(ids), 20))
