"""Answers made once: by one of many who ask, again after a failure, and not for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboards.kept import Kept


class _Key:
    """A key that knows when all have looked it up; none of them can then come too late for the answer being made."""

    def __init__(self, askers: int) -> None:
        self._askers, self._seen = askers, set[int]()
        self.asked_by_all = threading.Event()

    def __hash__(self) -> int:
        self._seen.add(threading.get_ident())
        if len(self._seen) == self._askers:
            self.asked_by_all.set()
        return 1


@pytest.mark.parametrize("answer", ["answer", None])
def test_of_many_who_ask_at_once_one_makes_the_answer_or_the_failure(answer: str | None) -> None:
    kept, made, key = Kept(10), [], _Key(8)

    def make() -> str:
        made.append(threading.get_ident())
        assert key.asked_by_all.wait(10)
        if answer is None:
            raise LookupError("not to be had")
        return answer

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(kept.once, key, make) for _ in range(8)]
        if answer is None:
            assert all(isinstance(one.exception(10), LookupError) for one in asked)
        else:
            assert {one.result(10) for one in asked} == {answer}
    assert len(made) == 1


def test_a_failure_is_tried_again() -> None:
    kept = Kept(10)
    with pytest.raises(ZeroDivisionError):
        kept.once("key", lambda: 1 // 0)
    assert kept.once("key", lambda: 2) == 2


def test_a_failure_takes_away_no_answer_but_its_own() -> None:
    kept = Kept(1)

    def late() -> str:
        kept.once("other", lambda: "in its place")
        assert kept.once("key", lambda: "newer") == "newer"
        raise LookupError("not to be had")

    with pytest.raises(LookupError):
        kept.once("key", late)
    assert kept.once("key", lambda: "made anew") == "newer"


def test_the_least_asked_for_is_forgotten() -> None:
    kept = Kept(2)
    for key in ("a", "b", "a", "c"):
        kept.once(key, lambda key=key: [key])  # type: ignore[misc]
    assert kept.once("a", lambda: "anew") == ["a"]
    assert kept.once("b", lambda: "anew") == "anew"
