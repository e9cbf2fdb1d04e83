"""Which device, engine and number format to score with: whatever is faster here and was shown to answer the same."""

import logging
import time
from dataclasses import dataclass
from enum import StrEnum

import torch

from models.engines.threads import one_core_each
from models.errors import DeviceMissing, PackageMissing

__all__ = ["ENGINES", "Engine", "EngineName", "Kind", "bf16_gain", "choose", "exact"]

logger = logging.getLogger(__name__)
AGREEMENT_NEEDED = 0.995
CPU_BUDGET = 512
"""Padded tokens per batch and core: what a layer reads and writes then stays in the core's cache (docs/speed.md)."""
GPU_BUDGET = 65_536
_GPU_STREAMS = 2
_FASTER = 1.2


class EngineName(StrEnum):
    """What may be asked for. `exact`: the network as it was trained, in fp32 by torch, whatever is faster."""

    AUTO = "auto"
    EXACT = "exact"
    TORCH = "torch"
    CTRANSLATE2 = "ctranslate2"


ENGINES = ", ".join(EngineName)


class Kind(StrEnum):
    """What runs the network."""

    TORCH = "torch"
    CTRANSLATE2 = "ctranslate2"


@dataclass(frozen=True)
class Engine:
    """Device, number format, and why it was chosen.

    `token_budget`: padded tokens per batch; `streams`: batches at once, each on one core (on a GPU: one is computed
    while the next is put together); `kind`: what runs the network.
    """

    device: str
    dtype: torch.dtype
    token_budget: int
    reason: str
    streams: int = 1
    kind: Kind = Kind.TORCH


def bf16_gain() -> float:
    """Return how many times faster bf16 is than fp32 for a product the size of a feed-forward layer, on one core."""
    with one_core_each(1) as pool:
        plain, rounded = (pool.submit(_seconds, dtype).result() for dtype in (torch.float32, torch.bfloat16))
    return plain / rounded


def _seconds(dtype: torch.dtype) -> float:
    states, weights = torch.ones((128, 384), dtype=dtype), torch.ones((384, 1536), dtype=dtype)
    torch.mm(states, weights)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        torch.mm(states, weights)
        times.append(time.perf_counter() - began)
    return min(times)


def exact() -> Engine:
    """Return the engine that every other is held to: fp32 by torch on the CPU."""
    return Engine("cpu", torch.float32, CPU_BUDGET, "fp32 on CPU", _cores())


def choose(
    device: str,
    bf16_agreement: float | None,
    gain: float | None = None,
    engine: str = EngineName.AUTO,
    *,
    ctranslate2: bool = False,
) -> Engine:
    """Return the engine for `device` (auto, cpu, cuda) and `engine` (one of EngineName).

    `gain`: how many times faster bf16 products are on this CPU, measured here (milliseconds) where not given;
    `ctranslate2`: that package is there and can run this network.
    Raises DeviceMissing where cuda is asked for and there is none, PackageMissing for an engine that is not there.
    """
    if engine not in list(EngineName):
        raise PackageMissing(f"the engine {engine!r} is unknown; use {ENGINES}")
    if device not in ("auto", "cpu", "cuda"):
        raise DeviceMissing(f"the device {device!r} is unknown; use auto, cpu or cuda")
    if engine == EngineName.CTRANSLATE2 and not ctranslate2:
        raise PackageMissing(
            "the engine ctranslate2 is not installed, or cannot run this encoder; run: pip install 'barograph[fast]', "
            "or use the engine torch"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and engine != EngineName.CTRANSLATE2 else "cpu"
    agrees = bf16_agreement is not None and bf16_agreement >= AGREEMENT_NEEDED and engine != EngineName.EXACT
    found = _gpu(engine, agrees) if device == "cuda" else _cpu(engine, agrees, gain, ctranslate2)
    logger.info("scoring engine: %s", found.reason)
    return found


def _gpu(engine: str, agrees: bool) -> Engine:
    if not torch.cuda.is_available():
        raise DeviceMissing("no CUDA device is there; set the device to cpu or auto")
    if agrees:
        return Engine("cuda", torch.bfloat16, GPU_BUDGET, "bf16 on GPU: answers agree", _GPU_STREAMS)
    why = "asked for" if engine == EngineName.EXACT else "bf16 was not shown to agree"
    return Engine("cuda", torch.float32, GPU_BUDGET, f"fp32 on GPU: {why}", _GPU_STREAMS)


def _cpu(engine: str, agrees: bool, gain: float | None, ctranslate2: bool) -> Engine:
    cores = _cores()
    if engine == EngineName.EXACT:
        return exact()
    why = "bf16 was not shown to agree"
    if agrees and engine != EngineName.CTRANSLATE2:
        gain = gain or bf16_gain()
        if gain > _FASTER:
            why = f"bf16 on CPU: {gain:.1f} times faster here, answers agree"
            return Engine("cpu", torch.bfloat16, CPU_BUDGET, why, cores)
        why = f"bf16 is {gain:.2f} times as fast here"
    if ctranslate2 and engine != EngineName.TORCH:
        why = "asked for" if engine == EngineName.CTRANSLATE2 else why
        reason = f"fp32 on CPU by ctranslate2, whose answers are those of torch: {why}"
        return Engine("cpu", torch.float32, CPU_BUDGET, reason, cores, Kind.CTRANSLATE2)
    return Engine("cpu", torch.float32, CPU_BUDGET, f"fp32 on CPU: {why}", cores)


def _cores() -> int:
    # What torch would use: it knows of OMP_NUM_THREADS and of the cores that this process may use.
    return torch.get_num_threads()
