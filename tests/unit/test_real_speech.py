"""The mismatch test on recordings: pieces, tables, intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from raggesture.errors import UsageError
from raggesture.metrics.mismatch import ACCENTS, ENERGY
from raggesture.training.real_speech import Made, cut, judge, main, verdict


def tracks(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.convolve(rng.normal(size=260), np.ones(12) / 12, mode="valid")[:240] for _ in range(count)]


def table_of(motions: list[np.ndarray], voices: list[np.ndarray]) -> np.ndarray:
    return ENERGY.table(np.stack(motions), np.stack(voices))


def test_pieces_come_from_the_middle() -> None:
    pieces = cut(np.arange(25.0), 10)
    assert [(piece[0], piece[-1]) for piece in pieces] == [(2.0, 11.0), (12.0, 21.0)]
    assert cut(np.arange(9.0), 10) == []


def test_perfect_chance_and_opposite() -> None:
    voices = tracks(12, 0)
    perfect = verdict("perfect", [table_of(voices, voices)], 8.0)
    assert perfect.percent == 100 and perfect.low == 100 and perfect.pieces == 12
    chance = verdict("chance", [table_of(tracks(12, seed), voices) for seed in range(1, 9)], 8.0)
    assert 30 < chance.percent < 70 and chance.low < 50 < chance.high and chance.runs == 8
    wrong = verdict("wrong", [table_of([-voice for voice in voices], voices)], 8.0)
    assert wrong.percent < 15


def test_motion_that_stands_still_is_not_counted() -> None:
    voices = tracks(4, 0)
    table = table_of([np.ones(240), *voices[1:]], voices)
    assert np.isnan(table[0]).all() and np.nanmean(table) > 90


def test_motion_that_follows_its_voice_is_found_whatever_the_length() -> None:
    voices = tuple(np.concatenate(tracks(4, seed)) for seed in range(3))
    made = Made("perfect", ACCENTS, voices, (voices, tuple(voice + 0.1 for voice in voices)))
    for seconds in (4.0, 8.0):
        found = judge(made, seconds)
        assert found.percent == 100 and found.runs == 2 and found.seconds == seconds
        assert found.pieces == sum(len(voice) // round(seconds * 30) for voice in voices)


def test_it_needs_two_pieces(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected at least two"):
        judge(Made("retrieved", ACCENTS, (np.arange(300.0),), ((np.arange(300.0),),)), 8.0)
    assert main(["nobody.wav", "--out", str(tmp_path / "x.json"), "--runs", "0"]) == 2
    assert not (tmp_path / "x.json").exists()


def test_a_voice_of_the_tests_is_judged(tmp_path: Path) -> None:
    voice = Path(__file__).parents[1] / "data" / "speech.wav"
    assert main([str(voice), "--out", str(tmp_path / "found.json"), "--seconds", "3", "2", "--runs", "1"]) == 0
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert [each["way"] for each in found["verdicts"]] == ["retrieved", "words alone"] * 2
    assert [each["seconds"] for each in found["verdicts"]] == [3, 3, 2, 2]
    assert all(0 <= each["low"] <= each["percent"] <= each["high"] <= 100 for each in found["verdicts"])
