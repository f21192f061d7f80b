"""Sentences of a transcript: runs of words between full stops, or between pauses where nobody wrote any."""

from __future__ import annotations

from collections.abc import Sequence

from raggesture.types import Word

PAUSE_S = 0.5
MOST_WORDS = 40
_STOPS = frozenset(".!?…")


def sentence_spans(words: Sequence[Word]) -> tuple[tuple[int, int], ...]:
    """(first, stop) of each sentence, in order; together they hold every word once.

    Borders are full stops; where the transcript has none, pauses of half a second. A sentence of more than ``MOST_WORDS`` is
    split at its longest pauses.
    """
    if not words:
        return ()
    written = any(_STOPS & set(word.after) for word in words)
    spans, first = [], 0
    for at in range(1, len(words)):
        ends = bool(_STOPS & set(words[at - 1].after)) if written else words[at].start - words[at - 1].end >= PAUSE_S
        if ends:
            spans.append((first, at))
            first = at
    todo, done = [*spans, (first, len(words))], []
    while todo:
        start, stop = todo.pop(0)
        if stop - start <= MOST_WORDS:
            done.append((start, stop))
            continue
        inner = range(start + MOST_WORDS // 4, stop - MOST_WORDS // 4)
        cut = max(inner, key=lambda k: (words[k].start - words[k - 1].end, -abs(2 * k - start - stop)))
        todo[:0] = [(start, cut), (cut, stop)]
    return tuple(done)


def sentence_text(words: Sequence[Word]) -> str:
    """The words of a sentence with their punctuation."""
    return " ".join(f"{word.text}{word.after.rstrip()}" for word in words)


def sentence_at(spans: Sequence[tuple[int, int]], words: Sequence[Word], seconds: float) -> int:
    """Number of the sentence that is spoken at an instant, else of the one nearest to it; -1 without any."""
    if not spans:
        return -1
    away = [max(words[first].start - seconds, seconds - words[stop - 1].end, 0.0) for first, stop in spans]
    return min(range(len(spans)), key=away.__getitem__)
