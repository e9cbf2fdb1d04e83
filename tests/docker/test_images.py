"""The images, as far as they can be checked without a container engine: linters and our own promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docker.described import DOCKER, dockerfile

BIN = Path(sys.executable).parent


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_made_of_nothing_that_is_ignored() -> None:
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", dockerfile(), re.MULTILINE)
    sources = {word for line in copied for word in line.split()}
    let_in = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))
    assert sources == let_in
    assert all((ROOT / source).exists() for source in sources)


def test_a_change_of_the_code_installs_no_package_again() -> None:
    """The stages that install copy nothing but what says which packages; the code comes as a wheel without any."""
    stages = re.split(r"^FROM ", dockerfile(), flags=re.MULTILINE)
    packages = [stage for stage in stages if re.match(r"\S+ AS packages", stage)]
    assert len(packages) == 3
    assert re.findall(r"^COPY .*", "".join(packages), re.MULTILINE) == ["COPY pyproject.toml constraints.txt ./"]
    rest = [line for stage in stages if stage not in packages for line in re.findall(r"pip (?:install|wheel).*", stage)]
    assert rest
    assert all("--no-deps" in line for line in rest)


@pytest.mark.parametrize(("image", "mended"), [("redis", (7, 4, 6)), ("postgres", (16, 14)), ("python", (3, 11, 14))])
def test_an_image_is_past_the_weaknesses_we_know_of(image: str, mended: tuple[int, ...]) -> None:
    text = (DOCKER / "compose.yaml").read_text("utf-8") + dockerfile()
    found = re.findall(rf"(?:image: |FROM ){image}:([\d.]+)-", text)
    assert found
    assert all(tuple(map(int, version.split("."))) >= mended for version in found)
