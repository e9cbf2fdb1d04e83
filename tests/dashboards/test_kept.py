"""Answers made once: by one of many who ask, again after a failure, and not for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboards.kept import Kept


def test_of_many_who_ask_at_once_one_makes_the_answer() -> None:
    kept, made, asked = Kept(10), [], threading.Barrier(8)

    def make() -> str:
        made.append(threading.get_ident())
        return "answer"

    def ask(_: int) -> str:
        asked.wait()
        answer: str = kept.once("key", make)
        return answer

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"answer"}
    assert len(made) == 1


def test_a_failure_is_told_and_tried_again() -> None:
    kept = Kept(10)
    with pytest.raises(ZeroDivisionError):
        kept.once("key", lambda: 1 // 0)
    assert kept.once("key", lambda: 2) == 2


def test_the_least_asked_for_is_forgotten() -> None:
    kept = Kept(2)
    for key in ("a", "b", "a", "c"):
        kept.once(key, lambda key=key: [key])  # type: ignore[misc]
    assert kept.once("a", lambda: "anew") == ["a"]
    assert kept.once("b", lambda: "anew") == "anew"
