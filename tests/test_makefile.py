"""The Makefile takes a variable from where people give one, and keeps its tools out of our environment."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("target", "given", "argument", "minutes"),
    [
        ("load", None, "", "2"),
        ("load", "30", "", "30"),
        ("load", "30", "MINUTES=7", "7"),
        ("soak", None, "", "30"),
        ("soak", "3", "", "3"),
    ],
)
def test_minutes_come_from_the_environment_or_the_command(
    target: str, given: str | None, argument: str, minutes: str
) -> None:
    # What make itself put there when it is what runs the tests is not ours to hand on.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MINUTES")}
    environment |= {"MINUTES": given} if given else {}
    command = ["make", "--dry-run", "--no-print-directory", target, *argument.split()]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=30)
    assert re.findall(r"--minutes (\S+)", said.stdout) == [minutes]


def test_no_package_is_here_that_would_guess_the_encoding_of_a_feed() -> None:
    assert not [name for name in ("chardet", "cchardet") if importlib.util.find_spec(name)]
    assert importlib.util.find_spec("feedparser")
