"""The published windows of a synthetic clip: sentences, words on frames, samples of the voice. See goldens/retrieval/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raggesture.corpus.annotations import read_discourse
from raggesture.encoders.base import frame_aligned, frame_aligned_released
from raggesture.encoders.bert import written
from raggesture.encoders.conditioning import window_transcript, window_wave
from raggesture.types import Transcript


@pytest.fixture(scope="module")
def golden(goldens: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((goldens / "retrieval" / "windows.json").read_text())
    return found


@pytest.fixture(scope="module")
def words(golden: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Transcript:
    path = tmp_path_factory.mktemp("discourse") / "1_x_0_1_1_whisper_relations.json"
    path.write_text(json.dumps(golden["annotation"]))
    return read_discourse(path)[0]


def numbers(transcript: Transcript) -> np.ndarray:
    return np.arange(1, len(transcript.words) + 1, dtype=np.float32)[:, None]


@pytest.mark.parametrize("mode", ["train", "test", "full"])
def test_published_windows(golden: dict[str, Any], words: Transcript, mode: str) -> None:
    windows = golden["windows"][mode]
    assert len(windows) == {"train": 49, "test": 2, "full": 1}[mode]
    wave = np.arange(30 * 16000, dtype=np.float32)
    for window in windows:
        start, frames = round(window["first_frame"]), window["n"]
        heard = window_transcript(words, start, frames, "inside")
        assert " ".join(written(word) for word in heard.words) == window["sentence"]
        on_frames = frame_aligned_released(numbers(heard), heard, frames)[:, 0]
        assert on_frames.astype(int).tolist() == window["framealigned_word_index"]
        samples = window_wave(wave, start, frames)
        assert (samples[0], len(samples)) == (window["audio_first"], window["audio_n"])
        np.testing.assert_array_equal(np.diff(samples), 1)


def test_ours_keeps_every_word_and_gives_it_a_frame(golden: dict[str, Any], words: Transcript) -> None:
    """The same clip: a word that the published rules lose at a border or between two frames is there."""
    kept, lost = [], 0
    for window in golden["windows"]["test"]:
        start, frames = round(window["first_frame"]), window["n"]
        heard = window_transcript(words, start, frames)
        kept += [written(word) for word in heard.words]
        assert set(frame_aligned(numbers(heard), heard, frames)[:, 0]) >= set(range(1, len(heard.words) + 1))
        published = set(window["framealigned_word_index"])
        lost += len(window["sentence"].split()) - len(published - {0})
    spoken = [written(word) for word in words.words if (word.start + word.end) / 2 < 20]
    assert kept == spoken and lost > 0
    assert len(spoken) > sum(len(window["sentence"].split()) for window in golden["windows"]["test"])
