"""Calibration: the temperature undoes over-confidence, limits follow from held-out rows, bad files are refused."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibrate import (
    NEWS_FIRST,
    Calibration,
    HeldOut,
    Kind,
    Scaling,
    abstain_below,
    coverage_curve,
    fit,
    held_back,
    negative_limit,
    probabilities,
    scaling,
    temperature,
    weights_of,
)
from models.errors import WeightsCorrupt
from models.measure import calibration_error


def test_temperature_finds_what_the_logits_were_multiplied_with() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(6000, 3)) * 1.5
    p = probabilities(logits, 1.0)
    truth = np.array([rng.choice(3, p=row / row.sum()) for row in p.astype(float)])
    found = temperature(logits * 2.5, truth)
    assert found == pytest.approx(2.5, rel=0.08)
    before = calibration_error(truth, probabilities(logits * 2.5, 1.0))
    after = calibration_error(truth, probabilities(logits * 2.5, found))
    assert after < before / 4


def test_temperature_of_few_rows_is_one() -> None:
    assert temperature(np.ones((3, 3)), np.zeros(3, int)) == 1.0


def test_negative_limit_lies_between_the_two_groups() -> None:
    p = np.array([0.1, 0.2, 0.46] * 30 + [0.52, 0.6, 0.9] * 30)
    negative = np.array([False] * 90 + [True] * 90)
    assert 0.46 < negative_limit(p, negative) <= 0.52
    assert negative_limit(p[:90], negative[:90]) == 0.5


def test_abstain_where_answers_are_no_better_than_chance() -> None:
    sure = np.tile([0.9, 0.05, 0.05], (50, 1))
    unsure = np.tile([0.45, 0.35, 0.2], (50, 1))
    p = np.vstack([sure, unsure])
    right = np.zeros(100, int)
    assert abstain_below(p, right) == 0.4
    wrong_when_unsure = np.array([0] * 50 + [1] * 50)
    assert abstain_below(p, wrong_when_unsure) == 0.5


def test_round_trip_and_refusals() -> None:
    kept = Calibration(1.2, 0.9, 0.41, 0.44, 0.999)
    assert Calibration.from_json(kept.to_json()) == kept
    for change in (
        {"temperature_topic": 0.0},
        {"negative_limit": 1.5},
        {"surprise": 1.0},
        {"temperature_sentiment": None},
    ):
        with pytest.raises(WeightsCorrupt, match="out of range"):
            Calibration.from_json({**kept.to_json(), **change})


def drawn(logits: np.ndarray, seed: int = 9) -> np.ndarray:
    """True labels as the logits would have them."""
    rng = np.random.default_rng(seed)
    return np.array([rng.choice(3, p=row / row.sum()) for row in probabilities(logits, 1.0).astype(float)])


def test_scaling_finds_temperature_and_bias() -> None:
    logits = np.random.default_rng(8).normal(size=(6000, 3)) * 1.5
    truth = drawn(logits)
    # What the network says: twice as sure, and fond of neutral.
    said = (logits + np.array([0.0, 0.8, 0.0])) * 2
    found = scaling(said, truth)
    assert found.temperature == pytest.approx(2, rel=0.08)
    assert np.array(found.bias) - np.mean(found.bias) == pytest.approx([0.267, -0.533, 0.267], abs=0.08)
    kept = Calibration(by_kind={Kind.NEWS: found})
    assert calibration_error(truth, kept.sentiment(said)) < 0.25 * calibration_error(truth, probabilities(said, 1.0))
    assert scaling(said[:10], truth[:10]) == Scaling(1.0)


def test_the_prior_holds_a_bias_of_few_rows_small() -> None:
    logits, truth = np.zeros((30, 3)), np.zeros(30, int)
    free, held = scaling(logits, truth, prior=0.01), scaling(logits, truth, prior=50.0)
    assert np.ptp(held.bias) < 0.5 * np.ptp(free.bias)


def test_each_kind_has_its_own_scaling_and_others_the_temperature() -> None:
    logits = np.tile([1.0, 0.0, -1.0], (3, 1))
    kept = Calibration(2.0, by_kind={"news": Scaling(1.0, (0.0, 5.0, 0.0))})
    p = kept.sentiment(logits, ["news", "posts", "entity"])
    assert p.argmax(1).tolist() == [1, 0, 0]
    assert p[1] == pytest.approx(probabilities(logits, 2.0)[1])
    assert kept.sentiment(logits).argmax(1).tolist() == [1, 1, 1]
    assert kept.topic(logits) == pytest.approx(probabilities(logits, 1.0))
    assert kept.sentiment(np.empty((0, 3))).shape == (0, 3)


def test_a_scaling_by_kind_is_kept_readable() -> None:
    kept = Calibration(1.2, 0.9, 0.41, 0.44, 0.999, {"news": Scaling(1.1, (0.1, -0.2, 0.1))})
    raw = kept.to_json()
    assert raw["by_kind"] == {"news": {"temperature": 1.1, "bias": {"negative": 0.1, "neutral": -0.2, "positive": 0.1}}}
    assert Calibration.from_json(raw) == kept
    assert "by_kind" not in Calibration().to_json()
    for strange in (
        {"blogs": {}},
        {"news": {"temperature": 0, "bias": raw["by_kind"]["news"]["bias"]}},
        {"news": {}},
        3,
    ):
        with pytest.raises(WeightsCorrupt, match="out of range"):
            Calibration.from_json({**raw, "by_kind": strange})


def test_the_topic_of_each_kind_has_its_own_temperature() -> None:
    logits = np.tile([1.0, 0.0, -1.0], (3, 1))
    kept = Calibration(temperature_topic=2.0, topic_by_kind={"posts": 0.5})
    p = kept.topic(logits, ["news", "posts", "entity"])
    assert p[[0, 2]] == pytest.approx(probabilities(logits[:2], 2.0))
    assert p[1] == pytest.approx(probabilities(logits, 0.5)[1])
    assert kept.topic(logits) == pytest.approx(probabilities(logits, 2.0)), "news, where nothing is said"
    assert Calibration.from_json(kept.to_json()) == kept
    assert "topic_by_kind" not in Calibration().to_json()
    for strange in ({"posts": 0.0}, {"blogs": 1.0}, {"posts": "cold"}, 3):
        with pytest.raises(WeightsCorrupt, match="out of range"):
            Calibration.from_json({**kept.to_json(), "topic_by_kind": strange})


def test_harder_texts_do_not_make_the_answers_to_others_modest() -> None:
    """Half of the rows are posts that the network is as sure of as it should be, half are news on which it boasts."""
    logits = np.random.default_rng(4).normal(size=(4000, 3)) * 1.5
    truth = drawn(logits)
    said = np.where(np.arange(4000)[:, None] < 2000, logits, logits * 2.5)
    kinds = ("posts",) * 2000 + ("news",) * 2000
    found = fit(HeldOut(np.empty((0, 3)), np.empty(0, int)), HeldOut(said, truth, kinds))
    assert found.topic_by_kind["posts"] == pytest.approx(1.0, rel=0.1)
    assert found.topic_by_kind["news"] == pytest.approx(2.5, rel=0.1)
    assert 1.1 < found.temperature_topic < 2.4
    few = fit(HeldOut(np.empty((0, 3)), np.empty(0, int)), HeldOut(said[:99], truth[:99], kinds[:99]))
    assert few.topic_by_kind == {}


def test_rows_held_back_hardly_move_the_scaling_of_their_kind() -> None:
    """On the second half the network boasts."""
    plain = np.random.default_rng(4).normal(size=(4_000, 3)) * 1.5
    truth = drawn(plain)
    logits = np.where(np.arange(4_000)[:, None] < 2_000, plain, plain * 3)
    kinds = ("posts",) * 4_000
    alike = fit(HeldOut(logits, truth, kinds), HeldOut(logits, truth, kinds))
    weights = held_back(kinds, [False] * 2_000 + [True] * 2_000, 0.05)
    found = fit(HeldOut(logits, truth, kinds, weights), HeldOut(logits, truth, kinds, weights))
    assert alike.by_kind["posts"].temperature > 1.4 > 1.2 > found.by_kind["posts"].temperature > 0.95
    assert found.topic_by_kind["posts"] < alike.topic_by_kind["posts"]
    assert found.temperature_topic < alike.temperature_topic


def test_some_rows_make_no_more_than_their_share_of_a_kind() -> None:
    kinds = ["posts"] * 4 + ["news"] * 5 + ["entity"] * 2
    some = [True, True, True, False, True, False, False, False, False, True, True]
    weights = held_back(kinds, some, 0.25)
    assert weights[:3].sum() == pytest.approx(0.25 * weights[:4].sum())
    assert weights[4:].tolist() == [1.0] * 7, "fewer than their share, or alone in their kind: as they are"
    assert held_back([], [], 0.25).tolist() == []


def test_weights_give_each_kind_its_share() -> None:
    kinds = ["news"] * 10 + ["posts"] * 90
    weights = weights_of(kinds)
    assert weights.mean() == pytest.approx(1)
    share = NEWS_FIRST[Kind.NEWS] / (NEWS_FIRST[Kind.NEWS] + NEWS_FIRST[Kind.POSTS])
    assert weights[:10].sum() / weights.sum() == pytest.approx(share)


def test_the_negative_limit_listens_to_the_weights() -> None:
    p = np.array([0.45] * 40 + [0.65] * 40)
    # The first forty say that .45 is negative already, the others that only more is.
    negative = np.array([True] * 40 + [True] * 25 + [False] * 15)
    other = np.array([False] * 40 + [True] * 40)
    both, truth = np.concatenate([p, p]), np.concatenate([negative, other])
    first = np.repeat([1.0, 0.0], 80)
    assert negative_limit(both, truth, first) < 0.45
    assert negative_limit(both, truth, 1 - first) >= 0.45


def test_the_curve_keeps_equally_sure_answers_together() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    curve = coverage_curve(p, np.array([0, 0, 1, 1]))
    assert curve.threshold == pytest.approx([0.9, 0.8, 0.6])
    assert curve.coverage == pytest.approx([0.25, 0.75, 1.0])
    assert curve.accuracy == pytest.approx([1.0, 2 / 3, 0.5])
    assert curve.at(0.7) == pytest.approx((0.75, 2 / 3))
    kept, accuracy = curve.at(0.95)
    assert kept == 0
    assert np.isnan(accuracy)


def test_abstaining_keeps_the_stated_error() -> None:
    rng = np.random.default_rng(2)
    sure = rng.uniform(0.4, 1.0, 4000)
    p = np.stack([sure, (1 - sure) / 2, (1 - sure) / 2], 1)
    truth = (rng.random(4000) > sure).astype(int)
    for rate in (0.05, 0.15, 0.25):
        limit = abstain_below(p, truth, rate)
        kept = p.max(1) >= limit
        assert (truth[kept] != 0).mean() <= rate
        # Of answers as sure as these, (1 − c) are wrong: half the rate on average, between rate and nothing.
        assert limit == pytest.approx(1 - 2 * rate, abs=0.06)
    assert abstain_below(p, truth, 0.9) == pytest.approx(sure.min(), abs=1e-3)


def test_an_error_rate_out_of_reach_gives_the_least_error() -> None:
    p = np.tile([0.9, 0.05, 0.05], (40, 1))
    assert abstain_below(p, np.array([0, 1] * 20), 0.1) == pytest.approx(0.9, abs=1e-3)
    assert abstain_below(p[:5], np.zeros(5, int), 0.1) == 0.4


def test_all_at_once() -> None:
    logits = np.random.default_rng(11).normal(size=(2050, 3)) * 2
    truth = drawn(logits)
    kinds = ("news",) * 1000 + ("posts",) * 1000 + ("entity",) * 50
    # Posts lean to neutral here; news is only twice too sure.
    said = 2 * (logits + np.where(np.arange(2050)[:, None] // 1000 == 1, [0, 1.0, 0], 0.0))
    topic = HeldOut(logits * 3, truth)
    found = fit(HeldOut(said, truth, kinds), topic, error_rate=0.1)
    assert set(found.by_kind) == {"news", "posts"}, "fifty rows are too few for a scaling of their own"
    assert found.by_kind["posts"].bias[1] < found.by_kind["news"].bias[1] - 0.2
    assert found.temperature_topic == pytest.approx(3, rel=0.15)
    p = found.sentiment(said, kinds)
    assert calibration_error(truth, p) < 0.04
    assert coverage_curve(p, truth, weights_of(kinds)).at(found.abstain_below)[1] >= 0.9
    assert Calibration.from_json(found.to_json()) == found
    nothing = HeldOut(np.empty((0, 3)), np.empty(0, int))
    assert fit(nothing, nothing) == Calibration()
