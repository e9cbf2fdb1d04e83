"""Lines of a TOML file: over values of several lines, and what only looks like a header."""

from __future__ import annotations

import tomllib

import pytest

from pipeline.toml_lines import place, tables

TEXT = '''\
a = """
[[rule]]
"""
b.c = [
  1,
  "]",  # ]
]

# of the rule
[[rule]]
x = { y = 1 }
[rule.labels]
"a b" = 2 # hm [
[[rule]]
'''


def test_every_header_and_key_has_its_line() -> None:
    found = tables(TEXT)
    assert [(one.path, one.line, one.array) for one in found] == [
        ((), 1, False), (("rule",), 10, True), (("rule", "labels"), 12, False), (("rule",), 14, True),
    ]  # fmt: skip
    assert found[0].keys == {("a",): 1, ("b",): 4, ("b", "c"): 4}
    assert found[1].keys[("x",)] == 11
    assert found[2].keys == {("a b",): 13}
    assert found[1].text == "[[rule]]\nx = { y = 1 }\n"


def test_each_part_reads_as_toml_by_itself_and_together_as_the_file() -> None:
    whole = tomllib.loads("".join(one.text for one in tables(TEXT)))
    assert whole == tomllib.loads(TEXT)


@pytest.mark.parametrize(
    ("path", "line"),
    [(("a",), 1), (("b", "c"), 4), (("rule",), 10), (("rule", "labels", "a b"), 13), (("rule", "z"), 10), (("q",), 1)],
)
def test_a_path_from_the_top_has_a_place(path: tuple[str, ...], line: int) -> None:
    assert place(tables(TEXT), *path) == line


def test_a_list_of_thousands_of_lines_is_read_in_no_time() -> None:
    ids = "\n".join(f'  "co:{n}",' for n in range(20_000))
    assert tables(f"ids = [\n{ids}\n]\nlast = 1\n")[0].keys[("last",)] == 20_003
