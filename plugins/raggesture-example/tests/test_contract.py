"""The contract tests of raggesture, and what is particular to these parts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from raggesture_example import Ease, Emphasis, Reach

from raggesture.metrics.samples import sample_clips
from raggesture.testing import GuidanceScheduleContract, MetricContract, RetrieverContract, sample_cues, sample_speech


class TestEmphasis(RetrieverContract):
    part = Emphasis

    @pytest.mark.parametrize(("spacing_s", "words"), [(0.1, 7), (1.0, 5), (100.0, 1)])
    def test_spacing_is_kept_and_the_strongest_words_win(self, spacing_s: float, words: int) -> None:
        found = Emphasis(Emphasis.Options(spacing_s=spacing_s)).queries(sample_speech(), sample_cues())
        strokes = [query.stroke_s for query in found]
        assert all(b - a >= spacing_s for a, b in pairwise(strokes))
        assert "huge" in [query.word for query in found]
        assert len(found) == words

    def test_kind_and_weight_are_passed_on(self) -> None:
        found = Emphasis(Emphasis.Options(kind="iconic", weight=0.25)).queries(sample_speech(), sample_cues())
        assert {(query.kind, query.weight) for query in found} == {("iconic", 0.25)}


class TestEase(GuidanceScheduleContract):
    part = Ease

    def test_rates_fall_smoothly(self) -> None:
        rates = Ease(Ease.Options()).rates(100)
        steps = [a - b for a, b in pairwise(rates)]
        assert rates[0] == 1.0 and rates[-1] == 0.0
        assert all(step >= 0 for step in steps) and max(steps) < 0.06


class TestReach(MetricContract):
    part = Reach

    def test_a_higher_percentile_is_farther_and_no_arm_is_longer_than_an_arm(self) -> None:
        clip = sample_clips()[0]
        near, far = (float(Reach(Reach.Options(percentile=p)).measure(clip)["value"][0]) for p in (10.0, 100.0))
        assert 0.1 < near < far < 1.0
        assert far == np.linalg.norm(clip.joints[:, [20, 21]] - clip.joints[:, [9]], axis=-1).max().astype(np.float64)
