"""Bodies parsed in processes of their own: one that hangs, dies or eats memory costs its own feed, and no other.

feedparser is pure Python over text of strangers; no time limit can stop it in our process. A worker that is over its
time is killed and replaced (pebble), and what it was reading has an outcome like every other fault.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from pipeline.errors import WorkError
from pipeline.ingest.outcomes import Outcome
from pipeline.ingest.parse import Body, ParsedFeed, nothing, parse_here, read_body

__all__ = ["ParserPool", "default_workers"]

logger = logging.getLogger(__name__)

LIMIT_S = 20.0
MEMORY_MB = 1_000
# Beyond its own time and that of those before it, so long may a body wait for a process to start.
_START_S = 60.0
_NO_START = (
    "The processes that parse feeds do not start. A script that runs Barograph must do so under"
    " `if __name__ == '__main__':`; else see the log, then run again: nothing is lost."
)
# The server that workers are forked from holds what they import; it is started once per process of ours.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["pipeline.ingest.parse"])


def default_workers() -> int:
    """One per core that we may use, at most four: parsing is soon faster than the network."""
    return min(4, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class ParserPool:
    """`Parser` with `workers` processes (0: as many as suit this machine), which start with the first body.

    `limit_s` seconds and `memory_mb` beyond what an idle worker has are allowed per body. `read` is what a worker
    does with one; it must be found by name in another process.
    """

    workers: int = 0
    limit_s: float = LIMIT_S
    memory_mb: int = MEMORY_MB
    read: Callable[[Body], ParsedFeed] = read_body

    def __call__(self, bodies: Iterable[Body]) -> Iterator[ParsedFeed]:
        """One result per body, in their order; holds a few bodies at a time, however many there are.

        Raises:
            WorkError: the processes do not start.
        """
        left = iter(bodies)
        first = next(left, None)
        if first is None:
            return
        if multiprocessing.current_process().daemon:
            logger.warning("parsing in this process: a scheduler's daemon may have no children of its own")
            yield self.read(first)
            yield from parse_here(left)
            return
        workers = self.workers or default_workers()
        with ProcessPool(workers, initializer=_confined, initargs=(self.memory_mb,), context=_CONTEXT) as pool:
            try:
                waiting = deque([self._submitted(pool, first)])
                waiting.extend(self._submitted(pool, body) for body in islice(left, 2 * workers))
                while waiting:
                    yield self._result(waiting.popleft())
                    waiting.extend(self._submitted(pool, body) for body in islice(left, 1))
            except BaseException:
                pool.stop()  # type: ignore[no-untyped-call]
                raise

    def _submitted(self, pool: ProcessPool, body: Body) -> Future[ParsedFeed]:
        future: Future[ParsedFeed] = pool.schedule(_timed, args=(self.read, body, self.limit_s), timeout=self.limit_s)
        return future

    def _result(self, future: Future[ParsedFeed]) -> ParsedFeed:
        try:
            return future.result(3 * self.limit_s + _START_S)
        except TimeoutError:
            if not future.done():
                raise WorkError(_NO_START) from None
            return nothing(Outcome.MALFORMED, f"Reading it took over {self.limit_s:g} seconds and was stopped")
        except MemoryError:
            return nothing(Outcome.MALFORMED, f"Reading it took over {self.memory_mb:,} MB and was stopped")
        except ProcessExpired as error:
            logger.warning("a parsing process died (exit code %s)", error.exitcode)
            return nothing(Outcome.MALFORMED, f"Reading it ended the process (exit code {error.exitcode})")
        except BrokenProcessPool as error:
            raise WorkError(_NO_START) from error
        except Exception as error:
            logger.exception("a body could not be read")
            return nothing(Outcome.MALFORMED, f"Reading it failed ({type(error).__name__})")


def _timed(read: Callable[[Body], ParsedFeed], body: Body, limit_s: float) -> ParsedFeed:
    """In the worker. Should we be killed, nobody is left to stop it: then the alarm does."""
    signal.alarm(math.ceil(limit_s) + 10)
    try:
        return read(body)
    finally:
        signal.alarm(0)


def _confined(memory_mb: int) -> None:
    """Let this process grow by so much and no more; where the system cannot say how large it is, it is not confined."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        if hard == resource.RLIM_INFINITY or now + memory_mb * 1_000_000 < hard:
            hard = now + memory_mb * 1_000_000
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
