"""A real take and a starter corpus go the whole way: files, reader, store, windows, one batch; and an index shares what training encoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from corpus_fakes import hum
from helpers_beat2 import NAMES, tiny_corpus
from raggesture.body.features import features_of, foot_contacts, window
from raggesture.corpus.beat2 import read_corpus
from raggesture.corpus.build import clip_features, corpus_features
from raggesture.corpus.published_windows import RELEASED_CUT, Annotations, cut_clip
from raggesture.corpus.shards import FeatureStore
from raggesture.corpus.starter.writer import write_corpus
from raggesture.encoders.conditioning import ConditionEncoder
from raggesture.encoders.minilm import MiniLmEncoder
from raggesture.encoders.prosody import ProsodyEncoder
from raggesture.retrieval.product import product_of
from raggesture.speech.audio import load_audio
from raggesture.training.dataset import MotionDataset, open_dataset

ENCODER = ConditionEncoder(MiniLmEncoder(), ProsodyEncoder())


def _batch(dataset: MotionDataset) -> None:
    clip, start = dataset.draw(8, torch.Generator().manual_seed(0))
    body, conditions = dataset.motion_windows(clip, start, 7), dataset.conditions(clip, start)
    assert body.upper.shape == (8, 164, 78) and conditions.text.shape == (8, 150, 384) and conditions.audio.shape == (8, 150, 12)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in (body.upper, body.hands, body.face, body.lower, conditions.text, conditions.audio))
    assert conditions.text.any() and conditions.audio.any() and float(body.lower[..., -4:].mean()) > 0.1


def test_real_take(beat2_mini: Path, tmp_path: Path) -> None:
    store = corpus_features(beat2_mini, None, tmp_path, ENCODER, strict=True)
    (row,) = store.rows
    assert (row.name, row.speaker, row.frames, row.words) == ("2_scott_0_1_1", "scott", 953, 199)
    dataset = open_dataset(FeatureStore.open(tmp_path), ENCODER, stride_frames=5, memory_bytes=0)
    _batch(dataset)
    (clip,) = read_corpus(beat2_mini, derive=True, strict=True)
    assert clip.derived == ("relations", "prominence") and clip.relations and len(clip.prominence) == 199
    direct = window(features_of(clip.motion), 400, 150)
    got = dataset.motion_windows(torch.tensor([0]), torch.tensor([400]), 0)
    for (part, mine), (_, theirs) in zip(got, direct, strict=True):
        assert torch.allclose(mine, theirs, atol=2e-3), part
    np.testing.assert_array_equal(store.clip(row.name).contacts, foot_contacts(clip.motion))
    tokens = Annotations(tuple(clip.transcript.words))
    windows = cut_clip(clip.name, tokens, clip.motion.frames, len(load_audio(clip.wave_path)), "train", RELEASED_CUT)
    assert len(windows) == (945 - 150) // 5 + 1 and windows[0].sentence.startswith("the ")


def test_starter(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", 0, seed=3, voice=hum, clips=2)
    store = corpus_features(tmp_path / "corpus", None, tmp_path / "store", ENCODER, strict=True)
    assert len(store.rows) == 2 and not store.skipped
    _batch(open_dataset(store, ENCODER, stride_frames=5))


def test_an_index_takes_what_training_encoded(tmp_path: Path) -> None:
    root = tiny_corpus(tmp_path / "corpus", NAMES[:2])
    store = corpus_features(root, "train", tmp_path / "store", ENCODER)
    shards = sorted(path.stat().st_mtime_ns for path in (tmp_path / "store" / "clips").iterdir())
    for clip in read_corpus(root, "train"):
        stored = clip_features(root, clip.name, tmp_path / "store", ENCODER)
        plain = product_of(clip, ENCODER.text, ENCODER.audio)
        shared = product_of(clip, _Deaf(), _Deaf(), stored=stored)
        assert plain.events == shared.events and plain.voice == shared.voice
        for name, array in plain.arrays.items():
            np.testing.assert_array_equal(array, shared.arrays[name], err_msg=name)
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "store" / "clips").iterdir()) == shards and store.computed == len(shards)


class _Deaf:
    """Encoders that must not be asked for what is stored."""

    per_window = False
    dim = 384

    def words(self, transcript: object) -> np.ndarray:
        raise AssertionError("asked for words")

    def encode(self, wave: object) -> np.ndarray:
        raise AssertionError("asked for a voice")

    def sentences(self, texts: list[str]) -> np.ndarray:
        return ENCODER.text.sentences(texts)
