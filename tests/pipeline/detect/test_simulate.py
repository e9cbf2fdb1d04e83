"""The unusual days of the past: planted ones come first, and no day sees itself or what came after."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.detect.simulate import unusual_days
from tests.pipeline.detect.test_fits import START, series

PLANTED = [100, 150, 200]


@pytest.fixture
def past() -> pd.DataFrame:
    frame = series(np.random.default_rng(21), "banks", 250, 40, 0.2, 0.01).assign(model_version="m@1")
    for day in PLANTED:
        frame.loc[day, ["story_count", "negative_stories"]] = [40, 30]
    return frame


def test_planted_days_come_first_and_say_simulated(past: pd.DataFrame) -> None:
    found = unusual_days(past, "sector", most=3)
    assert sorted((found["bucket_start"] - pd.Timestamp(START)).dt.days) == PLANTED
    assert found["simulated"].all()
    assert set(found["model_version"]) == {"m@1"}
    assert (found["negative_stories"] > found["high"]).all()


def test_the_future_changes_no_judgement(past: pd.DataFrame) -> None:
    until = START + timedelta(days=160)
    whole = unusual_days(past, most=None, end=until).reset_index(drop=True)
    part = unusual_days(past[past["bucket_start"] < until], most=None)
    pd.testing.assert_frame_equal(whole, part)
    assert whole["bucket_start"].min() >= pd.Timestamp(START + timedelta(days=28)), "it warms up first"


def test_two_models_are_refused_and_no_rows_are_none(past: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="one model at a time"):
        unusual_days(pd.concat([past, past.assign(model_version="m@2")]))
    assert unusual_days(past, "topic").empty
