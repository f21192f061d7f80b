"""raggesture: a body that gestures meaningfully to any recorded speech.

What needs no torch is here; the rest is imported from its module: ``raggesture.speech.load.load_speech``,
``raggesture.pipeline.Pipeline``, ``raggesture.retrieval.index.Index``, ``raggesture.evaluation.evaluate``.
"""

from raggesture.errors import RaggestureError
from raggesture.plugins.hookspecs import hookimpl
from raggesture.types import Cues, Exemplar, Hit, Placement, Query, Relation, Speech, Transcript, Word

__all__ = ["Cues", "Exemplar", "Hit", "Placement", "Query", "RaggestureError", "Relation", "Speech", "Transcript", "Word", "hookimpl"]
