"""Words as the published model reads them: BERT base-cased, the sum of its last four hidden states.

A word's vector is the mean of that sum over the pieces of the blank-separated word, its punctuation included. The published
model was trained on the text of one window at a time; longer texts than BERT takes (512 tokens) are read in passages cut at pauses.
Source: METHOD part I (a) "Words and BERT".
Differs from the released code: a long text is read in passages (there its window, or in long form the whole clip, is left out).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.encoders.pretrained import PretrainedEncoder, Published, load_network, quiet
from raggesture.errors import ModelError
from raggesture.types import Transcript, Word

BERT = Published("bert", ("google-bert/bert-base-cased", "bert-base-cased"), "bert", ("vocab.txt", "tokenizer_config.json"))
_LAST_LAYERS = 4
_SPECIAL = 2
"""[CLS] and [SEP] around every text."""
_BATCH = 32


def written(word: Word) -> str:
    """A word with the punctuation that followed it, as the tokens of BEAT2's discourse files have it."""
    return f"{word.text}{word.after}"


def passages(words: Sequence[Word], pieces: Sequence[int], limit: int) -> list[slice]:
    """Split words into stretches of at most ``limit`` pieces, at the longest pause of the middle half each time."""
    todo, done = [slice(0, len(words))] if words else [], list[slice]()
    while todo:
        part = todo.pop(0)
        length = part.stop - part.start
        if length <= 1 or sum(pieces[part]) <= limit:
            done.append(part)
            continue
        margin = length // 4
        inner = range(part.start + max(margin, 1), part.stop - max(margin, 1) + 1)
        cut = max(inner, key=lambda i: (words[i].start - words[i - 1].end, -abs(2 * i - part.start - part.stop)))
        todo[:0] = [slice(part.start, cut), slice(cut, part.stop)]
    return done


class BertEncoder(PretrainedEncoder):
    """BERT. The configuration is read when a size is asked for, the weights at the first use.

    Args:
        folder: with ``config.json``, vocabulary and weights; None: see ``raggesture.encoders.pretrained``. device: where to compute.
    """

    name = BERT.name
    per_window = True

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        super().__init__(BERT, folder, device)

    @property
    def _most_tokens(self) -> int:
        return int(self._config.get("max_position_embeddings", 512))

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import BertTokenizer

        with quiet():
            try:
                tokenizer = BertTokenizer.from_pretrained(str(self.folder), local_files_only=True)
            except (OSError, ValueError, KeyError, TypeError) as fault:
                raise ModelError(f"{self.folder}: its tokenizer cannot be read ({fault}); expected that of {BERT.repositories[0]} - {BERT.remedy}") from fault
        normalizer = tokenizer.backend_tokenizer.normalizer
        if normalizer is not None and normalizer.normalize_str("Aa") != "Aa":
            raise ModelError(f"{self.folder}: its tokenizer lowers capitals; expected the cased BERT, {BERT.repositories[0]} - {BERT.remedy}")
        return tokenizer

    @cached_property
    def _network(self) -> Any:
        from transformers import BertModel

        return load_network(BERT, BertModel, self.folder, add_pooling_layer=False).to(self._device)

    def words(self, transcript: Transcript) -> NDArray[np.float32]:
        """Encode every word in the context of the transcript (of its passage, where that is longer than BERT takes).

        Returns:
            (n_words, dim) float32: the mean over a word's pieces of the sum of the last four hidden states, not normalised; zeros
            for a word of which BERT's tokenizer leaves nothing.

        Raises:
            ModelError: the weights are not there or not these.
        """
        vectors = np.zeros((len(transcript.words), self.dim), np.float32)
        if not transcript.words:
            return vectors
        texts = [written(word) for word in transcript.words]
        counts = [len(ids) for ids in self._tokenizer(texts, add_special_tokens=False)["input_ids"]]
        for part in passages(transcript.words, counts, self._most_tokens - _SPECIAL):
            encoded, summed = self._summed([texts[part]], split=True)
            owners = np.array([-1 if owner is None else owner for owner in encoded.word_ids(0)])
            for k in range(part.stop - part.start):
                mine = owners == k
                if mine.any():
                    vectors[part.start + k] = summed[0, mine].mean(0)
        return vectors

    def tokens(self, text: str) -> NDArray[np.float32]:
        """The published ``text_feature``: (n_tokens, dim) float32 of a text of at most 512 tokens, [CLS] and [SEP] included; longer ones are cut."""
        _, summed = self._summed([text], split=False)
        return np.asarray(summed[0], np.float32)

    def sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to unit-norm vectors (n, dim) float32: the mean over their pieces.

        [CLS] and [SEP] are left out: they are nearly the same in every text and would make all texts alike. A text without pieces gives zeros.
        """
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for first in range(0, len(texts), _BATCH):
            encoded, summed = self._summed(list(texts[first : first + _BATCH]), split=False)
            for row in range(len(summed)):
                owned = np.array([owner is not None for owner in encoded.word_ids(row)])
                if owned.any():
                    mean = summed[row, owned].mean(0)
                    vectors[first + row] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return vectors

    def _summed(self, texts: list[Any], *, split: bool) -> tuple[Any, NDArray[np.float32]]:
        """The tokenizer's answer, and the sum of the last four hidden states (B, L, dim)."""
        import torch

        encoded = self._tokenizer(texts, is_split_into_words=split, return_tensors="pt", padding=True, truncation=True, max_length=self._most_tokens)
        with torch.inference_mode():
            states = self._network(**encoded.to(self._device), output_hidden_states=True).hidden_states
            summed = torch.stack(states[-_LAST_LAYERS:]).sum(0)
        return encoded, np.asarray(summed.float().cpu().numpy(), np.float32)
