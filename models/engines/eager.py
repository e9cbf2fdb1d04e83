"""The network by torch: any encoder, any device, fp32 or bf16."""

from collections.abc import Sequence

import torch
from torch import nn

from models.engine import Engine
from models.engines import Logits, padded
from models.tokens import Encoded

# Few widths instead of all: kernels and memory blocks are found again, and tensor cores like multiples of eight.
_GPU_MULTIPLE = 8


class Eager:
    """A network on its device. `network` takes (ids, mask, segments) tensors and gives two logits tensors."""

    def __init__(self, network: nn.Module, engine: Engine) -> None:
        self.network = network.to(device=engine.device, dtype=engine.dtype).eval()
        self._device = engine.device

    @torch.inference_mode()
    def logits(self, rows: Sequence[Encoded]) -> Logits:
        """Return sentiment and topic logits."""
        gpu = self._device != "cpu"
        arrays = padded(rows, _GPU_MULTIPLE if gpu else 1)
        tensors = [torch.from_numpy(array) for array in arrays]
        if gpu:
            tensors = [tensor.pin_memory().to(self._device, non_blocking=True) for tensor in tensors]
        sentiment, topic = (answer.float().cpu().numpy() for answer in self.network(*tensors))
        return sentiment, topic
