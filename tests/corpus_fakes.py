"""A voice made in code, so that tests of the corpus need no synthesiser."""

from __future__ import annotations

import numpy as np

from raggesture.corpus.starter.voices import Delivery, Utterance
from raggesture.speech.transcript import split_words
from raggesture.types import Word

WORD_S, GAP_S = 0.14, 0.02


def hum(sentence: str, delivery: Delivery) -> Utterance:
    """Every word is a short tone; its pitch follows its length."""
    words, waves, at = [], [], 0.0
    for text, after in split_words(sentence):
        t = np.arange(round(WORD_S * 16_000)) / 16_000
        waves += [0.3 * np.hanning(len(t)) * np.sin(2 * np.pi * (100 + 10 * len(text)) * t), np.zeros(round(GAP_S * 16_000))]
        words.append(Word(text, round(at, 4), round(at + WORD_S, 4), after))
        at += WORD_S + GAP_S
    return Utterance(np.concatenate(waves).astype(np.float32), tuple(words))
