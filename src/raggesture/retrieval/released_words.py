"""How the released code compares, reads and finds words: character overlap, answers in free text, words of a speech by their pieces.

Source: METHOD part I (d) "llm", "Word similarity", "Mapping words to prominence". Kept for the weighting ``released`` and its goldens;
the default does none of this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from raggesture.errors import InputError

_ALMOST_WHOLE = 0.995
"""From this ratio on a piece counts as the whole."""
_PAIR = re.compile(r"""["']?([\w\s'-]+\w)["']?,\s*["']?(b*eat|m*etaphoric|iconic|deictic)""")


@dataclass(frozen=True, slots=True)
class Found:
    """A word where it was found: ``name`` as it is reported, ``places`` of the pieces that it took from the speech, in order."""

    name: str
    places: tuple[int, ...]


def partial_ratio(one: str, other: str) -> int:
    """How well the shorter text fits into the longer one, 0 to 100: the best ratio over the alignments at which a common run begins.

    Ratios and common runs are difflib's (2 M / T); 0 where one text is empty, 100 where they are equal (also both empty).
    """
    if one == other:
        return 100
    if not one or not other:
        return 0
    shorter, longer = (one, other) if len(one) <= len(other) else (other, one)
    best = 0.0
    for run in SequenceMatcher(None, shorter, longer).get_matching_blocks():
        start = max(run.b - run.a, 0)
        ratio = SequenceMatcher(None, shorter, longer[start : start + len(shorter)]).ratio()
        if ratio > _ALMOST_WHOLE:
            return 100
        best = max(best, ratio)
    return round(100 * best)


def word_similarity(stored: str, asked: str) -> float:
    """Overlap of the characters of two words, 0 to 1, with regard to case. Source: METHOD (d) "Word similarity"."""
    return partial_ratio(stored, asked) / 100


def parse_answer(answer: str) -> tuple[tuple[str, str], ...]:
    """(word, kind) pairs of a language model's answer in free text, without beats and repetitions. Source: METHOD (d) "Parsing".

    Capitalised kinds and words of one letter in quotes come out as the released code has them (unknown; with their quote).
    """
    pairs = [(word.strip(), "metaphoric" if kind.endswith("etaphoric") else kind) for word, kind in _PAIR.findall(answer)]
    return tuple(dict.fromkeys(pair for pair in pairs if not pair[1].endswith("eat")))


def plain(text: str) -> str:
    """Letters, digits and blanks of a text."""
    return "".join(c for c in text if c.isalnum() or c == " ")


def take_pieces(words: Sequence[str], pieces: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Which pieces of a speech each word takes: a piece goes to the first unfinished word that equals it or has it among its parts.

    A word is finished by a piece that equals it whole or its last part, so that "as soon as" ends at its first "as" and a stray
    earlier "the" counts. ``words`` and ``pieces`` are plain already.
    """
    parts = [word.split(" ") for word in words]
    taken: list[list[int]] = [[] for _ in words]
    finished = [False] * len(words)
    for place, piece in enumerate(pieces):
        for number, word in enumerate(words):
            if not finished[number] and (piece == word or piece in parts[number]):
                taken[number].append(place)
                finished[number] = piece in (word, parts[number][-1])
                break
    return tuple(tuple(each) for each in taken)


def map_prominence(words: Sequence[str], spoken: Sequence[tuple[str, float]]) -> tuple[tuple[str, float] | None, ...]:
    """The prominence of each word from the (word, prominence) of a speech in time order; None where none is known.

    One piece gives the word without punctuation, several the word as written with their mean.

    Raises:
        InputError: there are words, but no prominence at all (there: a breakpoint, then an AssertionError).
    """
    if words and not spoken:
        raise InputError(f"prominence: none for {len(words)} words; expected the words of the speech with their prominence - compute it first")
    found: list[tuple[str, float] | None] = []
    for word, places in zip(words, take_pieces([plain(word) for word in words], [plain(str(text)) for text, _ in spoken]), strict=True):
        values = [spoken[place][1] for place in places]
        if len(values) > 1:
            found.append((word, sum(values) / len(values)))
        else:
            found.append((plain(word), values[0]) if values else None)
    return tuple(found)


def locate(words: Sequence[str], spoken: Sequence[str]) -> tuple[tuple[int, Found], ...]:
    """Where asked words lie in a speech: (number of the asked word, what was found), in order of first appearance; others are left out."""
    names = [plain(word.lower()) for word in words]
    taken = take_pieces(names, [plain(text.lower()) for text in spoken])
    found = [(number, Found(names[number], places)) for number, places in enumerate(taken) if places]
    return tuple(sorted(found, key=lambda each: each[1].places[0]))
