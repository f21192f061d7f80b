"""Does a written text belong to a voice? Forced alignment where it is sure of itself, else what Whisper hears decides.

A forced aligner finds any text in any voice that is long enough, and loses the right text in noise. So where its score
leaves doubt, the text is held against what is heard, and takes rough times from the words that both have.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.errors import ModelError
from raggesture.speech.align import MISFIT_SCORE, SURE_SCORE, Alignment, AlignmentError, align_text, refine
from raggesture.speech.spoken import spoken
from raggesture.speech.transcribe import transcribe
from raggesture.speech.transcript import split_words
from raggesture.types import Transcript, Word

_LEAST_SHARED = 0.4
"""Share of the text's words that must be heard, in order."""
_log = logging.getLogger("raggesture")


def fit_text(wave: NDArray[np.float32], text: str) -> Transcript:
    """Find the times of the words of ``text``, and make sure that they are what is said.

    Args:
        wave: (N,) float32 at 16 kHz. text: as written.

    Raises:
        AlignmentError: the text is not what is said; names the first word that is not heard.
        ModelError: the aligner is not installed.
    """
    aligned: Alignment | None = None
    failure: AlignmentError | None = None
    try:
        aligned = align_text(wave, text)
    except AlignmentError as error:
        failure = error
    if aligned is not None and aligned.score is not None and aligned.score >= SURE_SCORE:
        return aligned.transcript
    try:
        heard = transcribe(wave)
    except ModelError as error:
        if aligned is None or (aligned.score is not None and aligned.score < MISFIT_SCORE):
            raise failure or AlignmentError(f"text {text[:40]!r}: the voice says something else; expected what is said") from error
        return aligned.transcript
    written = split_words(text)
    pairs = shared_words([word for word, _ in written], [word.text for word in heard.words])
    if len(pairs) < _LEAST_SHARED * len(written):
        matched = {i for i, _ in pairs}
        missing = next((word for i, (word, _) in enumerate(written) if i not in matched), "")
        raise AlignmentError(
            f"the word {missing!r} and others ({len(written) - len(pairs)} of {len(written)}) are not heard in the voice; expected what is said"
            " - give the transcript of this recording"
        )
    if aligned is not None:
        return aligned.transcript
    _log.info("the text could not be aligned as a whole; rough times come from Whisper")
    return refine(wave, rough_transcript(written, heard.words, pairs, seconds_of_samples(wave.shape[0], SAMPLE_RATE_HZ)))


def shared_words(written: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (index in ``written``, index in ``heard``) of words that both have, in order."""
    said, understood = [" ".join(spoken(word)) for word in written], [" ".join(spoken(word)) for word in heard]
    blocks = SequenceMatcher(None, said, understood, autojunk=False).get_matching_blocks()
    return [(block.a + i, block.b + i) for block in blocks for i in range(block.size) if said[block.a + i]]


def rough_transcript(written: Sequence[tuple[str, str]], heard: Sequence[Word], pairs: Sequence[tuple[int, int]], duration_s: float) -> Transcript:
    """Times of the heard words for those that both have, the words between spread over the gap."""
    known = {i: heard[j] for i, j in pairs}
    words: list[Word] = []
    for i, (text, after) in enumerate(written):
        if i in known:
            start, end = known[i].start, known[i].end
        else:
            following = next((j for j in range(i + 1, len(written)) if j in known), len(written))
            limit = known[following].start if following in known else duration_s
            start = words[-1].end if words else 0.0
            end = start + max(limit - start, 0.0) / (following - i + (following == len(written)))
        start = max(start, words[-1].start if words else 0.0)
        words.append(Word(text, start, max(end, start), after))
    return Transcript(tuple(words), source="whisper")
