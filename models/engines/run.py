"""Running rows of tokens through a backend: batches by budget, one thread per core, trouble of the hardware outlived.

Batches are cut from the content alone, then each is computed by one core: threads that share one product wait for each
other after every layer, and on a machine with other work they mostly wait.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from models.engine import Engine, exact
from models.engines import Backend, Logits
from models.engines.threads import one_core_each
from models.errors import BadLogits, DeviceMissing, TextTooLarge
from models.tokens import Encoded

__all__ = ["Runner", "batches"]

logger = logging.getLogger(__name__)


def batches(lengths: Sequence[int], budget: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) over ascending lengths with rows × longest row within the budget, one row at least."""
    start = 0
    for at in range(1, len(lengths) + 1):
        if at == len(lengths) or (at + 1 - start) * lengths[at] > budget:
            yield start, at
            start = at


class Runner:
    """A backend, and what takes its place should its GPU be lost.

    `spare`: makes a backend of the engine given; None: a lost GPU is an error. `fell_back`: it has taken over.
    """

    def __init__(
        self, backend: Backend, engine: Engine, model_version: str, spare: Callable[[Engine], Backend] | None = None
    ) -> None:
        self.engine = engine
        self.fell_back = False
        self._backend = backend
        self._model_version = model_version
        self._spare = spare
        self._budget = engine.token_budget
        self._lock = threading.Lock()

    def run(self, rows: Sequence[Encoded]) -> Iterator[tuple[int, int, Logits]]:
        """Yield (start, end, logits) over rows sorted by length, the longest first.

        Raises BadLogits, TextTooLarge or DeviceMissing.
        """
        # The longest first, so that no core is left alone with one at the end.
        cut = list(batches([len(row) for row in rows], self._budget))[::-1]
        if self.engine.streams == 1:
            for start, end in cut:
                yield start, end, self._logits(rows[start:end])
            return
        with one_core_each(self.engine.streams) as pool:
            waiting = [pool.submit(self._logits, rows[start:end]) for start, end in cut]
            try:
                for (start, end), answer in zip(cut, waiting, strict=True):
                    yield start, end, answer.result()
            finally:
                for answer in waiting:
                    answer.cancel()

    def _logits(self, rows: Sequence[Encoded]) -> Logits:
        backend, budget = self._backend, self._budget
        try:
            answers = backend.logits(rows)
        except (MemoryError, RuntimeError) as problem:
            if _is_out_of_memory(problem):
                self._shrink(len(rows), budget)
            elif self.engine.device != "cpu" and _is_lost(problem):
                self._fall_back(backend, problem)
            else:
                raise
            smaller = batches([len(row) for row in rows], self._budget)
            parts = [self._logits(rows[start:end]) for start, end in smaller]
            return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        if not all(np.isfinite(answer).all() for answer in answers):
            raise BadLogits(
                f"the model {self._model_version} answered NaN or infinity; restore its artifact, or use device = cpu"
            )
        return answers

    def _shrink(self, rows: int, budget: int) -> None:
        if rows == 1:
            raise TextTooLarge(
                "a single text does not fit into memory; free some memory, or score on the CPU"
            ) from None
        with self._lock:
            # Several threads may have run out at once: that is one reason to halve, not several.
            if self._budget == budget:
                self._budget = budget // 2
                logger.warning("out of memory with %d texts; going on with %d tokens at once", rows, self._budget)
        if self.engine.device == "cuda":
            torch.cuda.empty_cache()

    def _fall_back(self, failed: Backend, problem: Exception) -> None:
        said = str(problem).strip().splitlines()[0]
        if self._spare is None:
            raise DeviceMissing(
                f"the GPU stopped answering ({said}); run again once it is back, or use device = cpu"
            ) from problem
        with self._lock:
            if self._backend is not failed:
                return
            engine = exact()
            self._backend = self._spare(engine)
            self.engine, self.fell_back = engine, True
            self._budget = engine.token_budget
        logger.warning("the GPU stopped answering (%s); going on with %s", said, engine.reason)


def _is_out_of_memory(problem: Exception) -> bool:
    # torch raises a plain RuntimeError where its CPU allocator or a library on the GPU fails.
    signs = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")
    return isinstance(problem, MemoryError | torch.OutOfMemoryError) or any(sign in str(problem) for sign in signs)


def _is_lost(problem: Exception) -> bool:
    signs = ("CUDA error", "CUDA driver", "CUBLAS_STATUS", "CUDNN_STATUS", "device-side assert")
    return isinstance(problem, torch.AcceleratorError) or any(sign in str(problem) for sign in signs)
