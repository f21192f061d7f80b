"""Windows of a corpus: from memory or mapped, of encoders of a whole speech or of one window, the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_beat2 import NAMES, LengthText, MeanAudio, tiny_corpus
from raggesture.body.features import features_of, window
from raggesture.corpus.beat2 import read_clip, read_corpus
from raggesture.encoders.conditioning import OUR_RULES, RELEASED_RULES, ConditionEncoder, ConditionRules
from raggesture.errors import InputError
from raggesture.speech.audio import load_audio
from raggesture.training.cache import cached_dataset
from raggesture.training.dataset import MotionDataset, build_dataset
from raggesture.training.tracks import MappedTracks, MemoryTracks

SECONDS = (14.0, 6.0, 11.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    for seconds, name in zip(SECONDS, NAMES[:3], strict=True):
        tiny_corpus(root, (name,), seconds)
    (root / "train_test_split.csv").write_text("id,type\n" + "".join(f"{name},train\n" for name in NAMES[:3]))
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def _read(corpus: Path, store: Path, rules: ConditionRules, *, per_window: bool, memory: int) -> MotionDataset:
    encoders = LengthText(per_window=per_window), MeanAudio(per_window=per_window)
    return cached_dataset(corpus, "train", store, *encoders, rules=rules, stride_frames=5, memory_bytes=memory)


@pytest.mark.parametrize(("rules", "per_window"), [(OUR_RULES, False), (OUR_RULES, True), (RELEASED_RULES, False), (RELEASED_RULES, True)])
def test_mapped_and_in_memory_are_the_same_windows(corpus: Path, store: Path, rules: ConditionRules, per_window: bool) -> None:
    memory, mapped = (_read(corpus, store, rules, per_window=per_window, memory=size) for size in (1 << 30, 0))
    assert isinstance(memory.tracks, MemoryTracks) and isinstance(mapped.tracks, MappedTracks)
    drawn = [each.draw(64, torch.Generator().manual_seed(1)) for each in (memory, mapped)]
    assert torch.equal(drawn[0][0], drawn[1][0]) and torch.equal(drawn[0][1], drawn[1][1])
    clip, start = drawn[0]
    one, other = (each.motion_windows(clip, start, 7) for each in (memory, mapped))
    for (part, mine), (_, theirs) in zip(one, other, strict=True):
        assert mine.dtype == torch.float32 and torch.equal(mine, theirs), part
    mine, theirs = (each.conditions(clip, start) for each in (memory, mapped))
    for name in ("text", "audio", "speaker"):
        assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
    assert mine.text.any() and mine.audio.any()


@pytest.mark.parametrize("memory", [1 << 30, 0])
@pytest.mark.parametrize("per_window", [False, True])
def test_windows_are_those_of_the_encoder_and_the_clip(corpus: Path, store: Path, per_window: bool, memory: int) -> None:
    dataset = _read(corpus, store, OUR_RULES, per_window=per_window, memory=memory)
    encoder = ConditionEncoder(LengthText(per_window=per_window), MeanAudio(per_window=per_window))
    clip, start = torch.tensor([0, 1, 2]), torch.tensor([55, 0, 15])
    windows, conditions = dataset.motion_windows(clip, start, 3), dataset.conditions(clip, start)
    for row in range(3):
        read = read_clip(corpus, dataset.names[row])
        for part, tensor in window(features_of(read.motion), int(start[row]), 150, 3):
            assert torch.allclose(windows.part(part)[row], tensor[0], atol=2e-3), part
        speech = encoder.speech(read.transcript, read.motion.frames, lambda path=read.wave_path: load_audio(path))
        direct = speech.window(int(start[row]))
        tolerance = 2e-3 if per_window else 0.0  # half precision
        np.testing.assert_allclose(conditions.text[row].numpy(), direct.text, rtol=tolerance, atol=0)
        np.testing.assert_allclose(conditions.audio[row].numpy(), direct.audio, rtol=tolerance, atol=tolerance)
    assert conditions.speaker.tolist() == [1, 0, 1] and dataset.speakers == ("lu", "scott")


def test_windows_are_drawn_where_there_are_vectors(corpus: Path, store: Path) -> None:
    dataset = _read(corpus, store, OUR_RULES, per_window=True, memory=0)
    clip, start = dataset.draw(2000, torch.Generator().manual_seed(0))
    assert not (start % 5).any()
    for k, frames in enumerate(dataset.bounds.diff().tolist()):
        own = start[clip == k]
        assert own.min() == 0 and own.max() == max(frames - 150, 0) // 5 * 5
    with pytest.raises(InputError, match="multiples of 5"):
        dataset.conditions(torch.tensor([0]), torch.tensor([3]))
    with pytest.raises(InputError, match="150 frames"):
        dataset.conditions(torch.tensor([0]), torch.tensor([5]), 120)


def test_corpus_is_encoded_once(corpus: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    encoders = LengthText(), MeanAudio()
    first = cached_dataset(corpus, "train", tmp_path, *encoders, progress=seen.append)
    again = cached_dataset(corpus, "train", tmp_path, *encoders, progress=seen.append)
    assert seen == list(NAMES[:3]) and first.frames == again.frames == 15 * 31
    plain = build_dataset(read_corpus(corpus, "train"), *encoders)
    assert isinstance(plain.tracks, MemoryTracks) and isinstance(again.tracks, MemoryTracks)
    for name in ("upper", "hands", "face", "lower", "words", "word_of_frame", "audio", "bounds"):
        assert torch.equal(getattr(plain.tracks, name), getattr(again.tracks, name)), name
    with pytest.raises(InputError, match="'lu' is not one of bob"):
        cached_dataset(corpus, "train", tmp_path, *encoders, speakers=("bob",))


@pytest.mark.parametrize("memory", [1 << 30, 0])
def test_text_and_voice_are_silent_outside_a_clip(corpus: Path, store: Path, memory: int) -> None:
    dataset = _read(corpus, store, OUR_RULES, per_window=False, memory=memory)
    found = dataset.conditions(torch.tensor([1, 1]), torch.tensor([0, 40]))
    assert not found.text[0, 90:].any() and not found.audio[0, 90:].any() and found.audio[0, :90].any()
    assert torch.equal(found.audio[1, :50], found.audio[0, 40:90]) and not found.audio[1, 50:].any()
    body = dataset.motion_windows(torch.tensor([1]), torch.tensor([-5]), 0).upper[0]
    assert torch.equal(body[:5], body[5:6].expand(5, -1)) and torch.equal(body[95:], body[94:95].expand(55, -1))
