"""What a metric sees of one clip: the motion, what it is held against, and what else is known of it. Derived things are computed once, when asked for.

Conventions: motion at the protocol's rate, cut to its length; joints in metres without translation unless said otherwise; seconds from the clip's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raggesture.metrics.bodies import Body
from raggesture.metrics.kit import MeasuringKit
from raggesture.metrics.protocols import EvaluationProtocol
from raggesture.motion import Motion
from raggesture.types import Transcript

if TYPE_CHECKING:
    from raggesture.corpus.clip import GestureLabel
    from raggesture.metrics.indexed_gestures import IndexedGestures
    from raggesture.trace import Trace

NEEDS = {
    "reference": "a reference motion",
    "voice": "a recording",
    "words": "a transcript",
    "labels": "gesture labels (sem)",
    "trace": "a trace of 'generate'",
    "index": "the index that the trace names",
    "exemplar": "exemplars that were placed (a trace with its index, or retrieval_0.npz)",
    "takes": "takes with other seeds (NAME_rep0.npz, NAME_rep1.npz ...)",
}
"""What a metric can ask for, and what to call it where it is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Injected:
    """What was put into a result: ``motion`` as long as the clip, and ``mask`` (F, 55), which joints of which frames it was given for."""

    motion: Motion
    mask: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class EvaluatedClip:
    """One result. ``wave``: (N,) at 16 kHz. ``takes``: the result's other seeds, cut as it is. ``same_index``: the trace names the index that
    ``gestures`` is of, so that its clips and frames may be looked up there. What a clip lacks is None or empty.
    """

    name: str
    motion: Motion
    protocol: EvaluationProtocol
    body: Body
    kit: MeasuringKit
    reference: Motion | None = None
    wave: NDArray[np.float32] | None = None
    words: Transcript | None = None
    labels: tuple[GestureLabel, ...] | None = None
    trace: Trace | None = None
    gestures: IndexedGestures | None = None
    injected: Injected | None = None
    takes: tuple[Motion, ...] = ()
    same_index: bool = False

    def has(self, need: str) -> bool:
        """Whether the clip has what a metric needs."""
        found = {
            "reference": self.reference, "voice": self.wave, "words": self.words, "labels": self.labels or None, "trace": self.trace,
            "index": self.gestures, "exemplar": self.injected, "takes": self.takes or None,
        }  # fmt: skip
        return found[need] is not None

    @cached_property
    def joints(self) -> NDArray[np.float32]:
        """(F, 55, 3) of the result."""
        return self.body.joints(self.motion)

    @cached_property
    def reference_joints(self) -> NDArray[np.float32]:
        """(F, 55, 3) of the reference.

        Raises:
            ValueError: there is none (a metric that asks for it says so in ``needs``).
        """
        if self.reference is None:
            raise ValueError(f"{self.name}: no reference")
        return self.body.joints(self.reference)

    @property
    def sides(self) -> tuple[tuple[Motion, NDArray[np.float32]], ...]:
        """(motion, joints) of the result and, where there is one, of the reference."""
        ours = (self.motion, self.joints)
        return (ours,) if self.reference is None else (ours, (self.reference, self.reference_joints))
