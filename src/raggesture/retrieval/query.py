"""From a word of a speech to a query: its times, its stress, its prominence, its speaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raggesture.types import Cues, Query, Relation, Speech

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index


def query_of_word(speech: Speech, cues: Cues, position: int, kind: str, weight: float = 1.0) -> Query:
    """A query for the word at ``position`` of the transcript; the stroke belongs to its stressed vowel where that is known."""
    word = speech.transcript.words[position]
    known = position < len(cues.stress_s)
    return Query(
        word=word.text,
        kind=kind,
        start=word.start,
        end=word.end,
        weight=weight,
        prominence=cues.prominence[position] if position < len(cues.prominence) else None,
        stroke=min(max(cues.stress_s[position], word.start), word.end) if known else None,
        speaker=speech.speaker,
    )


def query_of_relation(speech: Speech, cues: Cues, relation: Relation, weight: float = 1.0) -> Query:
    """A query whose kind is the relation's sense; the stroke belongs to the most prominent word of the connective."""
    start, end = relation.connective_start, relation.connective_end
    inside = [k for k, w in enumerate(speech.transcript.words) if start <= (w.start + w.end) / 2 <= end]
    values = [cues.prominence[k] for k in inside if k < len(cues.prominence)]
    strongest = max(inside, key=lambda k: cues.prominence[k] if k < len(cues.prominence) else 0.0, default=-1)
    return Query(
        word=relation.connective,
        kind=relation.sense,
        start=start,
        end=end,
        weight=weight,
        prominence=sum(values) / len(values) if values else None,
        stroke=min(max(cues.stress_s[strongest], start), end) if 0 <= strongest < len(cues.stress_s) else None,
        speaker=speech.speaker,
    )


def without_itself(index: Index, voice: str) -> tuple[Index, str]:
    """The index without the clips that are this very recording, told by its samples and not by a name; and a note for the trace ("" where there is none).

    Args:
        voice: the recording's fingerprint, ``retrieval.product.voice_of``.

    Differs from the released code: there the window of the same name is taken out of the ten best, so that a clip of another name is found by itself.
    """
    own = index.clips_of_voice(voice)
    if not own:
        return index, ""
    return index.excluding(own), f"the speech is the recording of {', '.join(own)}, whose gestures are left out: a clip never retrieves itself"
