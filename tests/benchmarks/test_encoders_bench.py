"""What the published encoders cost at their real sizes: random weights of the default configurations, a window of ten seconds."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_encoders import tiny_bert
from raggesture.encoders.bert import BertEncoder
from raggesture.encoders.conditioning import ConditionEncoder
from raggesture.encoders.prosody import ProsodyEncoder
from raggesture.encoders.wav2vec2 import Wav2Vec2Encoder
from raggesture.types import Transcript, Word

WINDOW_S = 10.0
THREADS = 2


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


def median_s(work: Callable[[], object], times: int = 5) -> float:
    work()
    laps = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        laps.append(time.perf_counter() - start)
    return float(np.median(laps))


def test_a_window_of_real_size(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, Wav2Vec2Config, Wav2Vec2Model

    with torch.random.fork_rng(devices=[]):
        Wav2Vec2Model(Wav2Vec2Config()).save_pretrained(tmp_path / "wav2vec2")
        folder = tiny_bert(tmp_path / "bert")  # its tokenizer: letters, so a word has about as many pieces as it has letters
        BertModel(BertConfig(vocab_size=28996), add_pooling_layer=False).save_pretrained(folder)
    wave = (0.1 * np.random.default_rng(0).standard_normal(round(16000 * WINDOW_S))).astype(np.float32)
    words = Transcript(tuple(Word("and", k / 3, k / 3 + 0.3) for k in range(30)))
    voice, text = Wav2Vec2Encoder(tmp_path / "wav2vec2"), BertEncoder(folder)
    assert voice.encode(wave).shape == (499, 768) and text.words(words).shape == (30, 768)
    both = ConditionEncoder(text, voice).speech(words, 150, lambda: wave)
    cost = {"wav2vec2": median_s(lambda: voice.encode(wave)), "bert": median_s(lambda: text.words(words)), "both": median_s(lambda: both.window(0))}
    prosody = median_s(lambda: ProsodyEncoder().encode(wave))
    print(f"\nencoders, one window of {WINDOW_S:g} s, {THREADS} threads, float32 (real sizes, random weights):")
    for name, seconds in cost.items():
        print(f"  {name:9} {seconds:6.3f} s   {WINDOW_S / seconds:6.1f} x real time   {seconds / prosody:6.1f} x prosody's {prosody:.3f} s")
    print(f"  peak memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
