"""The contract tests of raggesture, and what is particular to these parts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from raggesture_example import Ease, Emphasis

from raggesture.testing import GuidanceScheduleContract, RetrieverContract, sample_cues, sample_speech


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
