"""Senses of connectives from the words alone: what is left where the tagger (extra ``offline``) is not installed.

Word lists stand in for parts of speech; see ``raggesture.speech.senses`` for the rules proper, and ``nox -s bench`` for how
much they are better.
"""

from __future__ import annotations

from collections.abc import Sequence

from raggesture.speech.connectives import (
    ASYNCHRONOUS,
    BEFORE_DEGREE,
    CAUSE,
    CONCESSION,
    CONNECTIVES,
    CONTRAST,
    DETERMINERS,
    FINITE,
    PURPOSE,
    SO_DEGREE,
    SUBJECTS,
    SYNCHRONOUS,
)

_SUBJECTS_WITH_VERB = ("'m", "'s", "'re", "'ve", "'d", "'ll")


def _starts_clause(texts: Sequence[str], at: int) -> bool:
    """Whether a subject stands here, or a noun phrase with a verb after it."""
    if at >= len(texts):
        return False
    if texts[at] in SUBJECTS or any(texts[at].endswith(ending) for ending in _SUBJECTS_WITH_VERB):
        return True
    return any(text in FINITE or text.endswith("ed") for text in texts[at + 1 : at + (5 if texts[at] in DETERMINERS else 4)])


def plain_sense(texts: Sequence[str], borders: frozenset[int], start: int, stop: int, name: str) -> str | None:
    """Sense of a connective where it stands; None when it is not used as one."""
    following = texts[stop] if stop < len(texts) else ""
    previous = texts[start - 1] if start else ""
    clause_after = _starts_clause(texts, stop)
    at_border = start in borders
    if not following and start:
        return CONNECTIVES[name] if name in ("though", "anyway", "instead", "too", "also", "afterwards") else None
    match name:
        case "and" | "or" | "plus":
            return CONNECTIVES[name] if clause_after or at_border else None
        case "but":
            return CONCESSION if clause_after and following in ("i", "we", "it", "still", "then") and not at_border else CONTRAST
        case "so":
            if following in SO_DEGREE or (previous in BEFORE_DEGREE and not at_border):
                return None
            return PURPOSE if following in ("that", "i", "we", "you", "they") and texts[stop : stop + 2][-1] in ("can", "could") else CAUSE
        case "since":
            return CAUSE if clause_after and not _looks_temporal(texts, stop) else ASYNCHRONOUS
        case "while":
            return CONTRAST if at_border and start == 0 else (SYNCHRONOUS if clause_after or following.endswith("ing") else None)
        case "as":
            return SYNCHRONOUS if clause_after and previous not in ("same", "such", "known", "well") and "as" not in texts[max(0, start - 3) : start] else None
        case "then":
            return ASYNCHRONOUS if previous not in ("since", "by", "until", "back") else None
        case "after" | "before" | "until" | "till" | "once":
            return ASYNCHRONOUS if clause_after or following.endswith("ing") else None
        case "cause" | "like" | "still" | "yet" | "rather" | "next" | "later" | "either" | "besides" | "despite" | "that is" | "overall":
            return CONNECTIVES[name] if at_border and (clause_after or name in ("next", "later", "overall", "despite")) else None
        case "if" | "when" | "whenever" | "though" | "although":
            return CONNECTIVES[name]
        case _:
            return CONNECTIVES[name]


def _looks_temporal(texts: Sequence[str], at: int) -> bool:
    """``since I was``, ``since last year``, ``since then``: time, not cause."""
    nearby = texts[at : at + 3]
    past = ("was", "were", "started", "began", "left", "came")
    return bool(nearby) and (nearby[0] in ("then", "last", "yesterday") or any(text in past for text in nearby[1:]))
