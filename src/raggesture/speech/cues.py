"""What is understood of a speech: discourse relations and the prominence of every word."""

from __future__ import annotations

from raggesture.speech.discourse import find_relations
from raggesture.speech.prominence import word_prominence
from raggesture.types import Cues, Speech


def find_cues(speech: Speech) -> Cues:
    """Find the explicit discourse relations, every word's prominence and the instant of its stress.

    Raises:
        InputError: never for a Speech that was constructed; its parts are checked there.
    """
    prominence, stress_s = word_prominence(speech.wave, speech.transcript)
    return Cues(find_relations(speech.transcript), prominence, stress_s)
