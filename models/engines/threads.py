"""Threads that each use one core: what torch computes in them is not spread over others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def one_core_each(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that use one core each; what the calling thread uses stays as it is.

    Threads that share a product spin while they wait for each other: with other work on the machine, ten times as long
    as they compute (docs/speed.md).
    """
    before = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield pool
        finally:
            # The default for threads yet to start is one number for the whole process.
            torch.set_num_threads(before)
