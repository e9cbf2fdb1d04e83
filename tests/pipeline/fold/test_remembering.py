"""What was read a moment ago is not read again, whatever is asked in which order, and no more is kept than was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.embed import Reading, View
from pipeline.fold.remembering import Remembering

VIEW = View(np.zeros(1, np.float32), np.zeros((1, 1), np.float16))


@dataclass
class Reader:
    """An encoder that writes down what it was asked."""

    asked: list[str] = field(default_factory=list)

    def read(self, texts: Sequence[str]) -> Sequence[Reading]:
        self.asked += texts
        return [Reading((text,), VIEW, VIEW) for text in texts]


ASKED = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), max_size=12)


@given(ASKED, st.integers(1, 10))
def test_every_answer_is_that_of_its_text(asked: list[list[str]], kept: int) -> None:
    remembering = Remembering(Reader(), kept)
    for texts in asked:
        assert [one.tokens for one in remembering.read(texts)] == [(text,) for text in texts]
        assert len(remembering._read) <= kept


@given(ASKED)
def test_with_room_for_all_each_text_is_read_once(asked: list[list[str]]) -> None:
    reader = Reader()
    remembering = Remembering(reader, 8)
    for texts in asked:
        remembering.read(texts)
    assert sorted(reader.asked) == sorted({text for texts in asked for text in texts})


def test_those_asked_for_longest_ago_are_forgotten_first() -> None:
    reader = Reader()
    remembering = Remembering(reader, 2)
    for texts in ("a", "b", "a", "c", "a", "b"):
        remembering.read([texts])
    assert reader.asked == ["a", "b", "c", "b"]
