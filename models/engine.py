"""Which device and number format to score with: bf16 only where it is faster here and was shown to answer the same."""

import logging
import time
from dataclasses import dataclass

import torch

from models.errors import DeviceMissing

logger = logging.getLogger(__name__)
AGREEMENT_NEEDED = 0.995


@dataclass(frozen=True)
class Engine:
    """Device, number format, and why it was chosen. `token_budget`: padded tokens per batch."""

    device: str
    dtype: torch.dtype
    token_budget: int
    reason: str


def seconds_per_product(dtype: torch.dtype) -> float:
    """Return the best of three times of a product the size of one feed-forward layer, on the CPU."""
    states, weights = torch.ones((128, 384), dtype=dtype), torch.ones((384, 1536), dtype=dtype)
    torch.mm(states, weights)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        torch.mm(states, weights)
        times.append(time.perf_counter() - began)
    return min(times)


def choose(device: str, bf16_agreement: float | None, bf16_gain: float | None = None) -> Engine:
    """Return the engine for `device` (auto, cpu, cuda).

    `bf16_gain`: how many times faster bf16 products are on this CPU; measured here (milliseconds) where not given.
    Raises DeviceMissing where cuda is asked for and there is none.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    agrees = bf16_agreement is not None and bf16_agreement >= AGREEMENT_NEEDED
    if device == "cuda":
        if not torch.cuda.is_available():
            raise DeviceMissing("no CUDA device is there; set the device to cpu or auto")
        if agrees:
            engine = Engine(device, torch.bfloat16, 65_536, "bf16 on GPU: answers agree")
        else:
            engine = Engine(device, torch.float32, 65_536, "fp32 on GPU: bf16 was not shown to agree")
    elif device != "cpu":
        raise DeviceMissing(f"the device {device!r} is unknown; use auto, cpu or cuda")
    elif not agrees:
        engine = Engine(device, torch.float32, 2_048, "fp32 on CPU: bf16 was not shown to agree")
    else:
        gain = bf16_gain or seconds_per_product(torch.float32) / seconds_per_product(torch.bfloat16)
        if gain > 1.2:
            engine = Engine(device, torch.bfloat16, 2_048, f"bf16 on CPU: {gain:.1f} times faster here, answers agree")
        else:
            engine = Engine(device, torch.float32, 2_048, f"fp32 on CPU: bf16 is {gain:.2f} times as fast here")
    logger.info("scoring engine: %s", engine.reason)
    return engine
