"""Answers made once and kept: who asks for one that is being made waits for it; the least asked for is forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

__all__ = ["Kept"]


class Kept:
    """At most so many answers; safe for threads. What it hands out is shared, and not to be changed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` answered when this key was first asked for. A failure is told to all who wait, and not kept."""
        with self._lock:
            answer = self._answers.get(key)
            ours = answer is None
            if answer is None:
                answer = self._answers[key] = Future()
                if len(self._answers) > self._most:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(key)
        if ours:
            try:
                answer.set_result(make())
            except BaseException as error:
                with self._lock:
                    # Forgotten meanwhile and made anew by another, it is theirs.
                    if self._answers.get(key) is answer:
                        del self._answers[key]
                answer.set_exception(error)
                raise
        return answer.result()
