"""The soak for two minutes: every entry once, memory flat, the spool empty. In CI, or where BAROGRAPH_SOAK is set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.soak.ingest import soak

# Read at import: the environment of a test has no variables of ours.
WANTED = bool(os.environ.get("CI") or os.environ.get("BAROGRAPH_SOAK"))


@pytest.mark.skipif(not WANTED, reason="takes three minutes; set BAROGRAPH_SOAK=1, or run `make soak`")
@pytest.mark.timeout(900)
def test_two_minutes_of_faults_and_kills_lose_nothing(tmp_path: Path) -> None:
    result = soak(2, 1, tmp_path)
    assert result.problems() == [], result.markdown()
    assert result.kills == 2
    assert result.story.ingests > 2
    assert len(result.story.died) >= 1
    assert len(result.served.entries) > 3_000
