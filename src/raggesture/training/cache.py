"""The windows of a split of a corpus, through a store of features that is kept in a folder and shared with ``raggesture index build``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from raggesture.corpus.build import corpus_features
from raggesture.corpus.faults import Report, warn
from raggesture.corpus.features import PUBLISHED_STRIDE_FRAMES
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.conditioning import OUR_RULES, ConditionEncoder, ConditionRules
from raggesture.training.dataset import MEMORY_BYTES, MotionDataset, open_dataset


def cached_dataset(
    root: Path,
    split: str | None,
    cache: Path,
    text_encoder: TextEncoder,
    audio_encoder: AudioEncoder,
    speakers: tuple[str, ...] | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    rules: ConditionRules = OUR_RULES,
    stride_frames: int = PUBLISHED_STRIDE_FRAMES,
    body: Path | None = None,
    workers: int = 1,
    strict: bool = False,
    report: Report = warn,
    memory_bytes: int = MEMORY_BYTES,
) -> MotionDataset:
    """The windows of a split of a BEAT2-layout corpus; what the store in ``cache`` lacks is computed first.

    Args:
        speakers: see ``build_dataset``. progress: told the name of each clip that was computed. body, workers, strict, report: see ``corpus_features``.
        memory_bytes: see ``open_dataset``.

    Raises:
        InputError: the corpus cannot be used, or a clip is by a speaker that is not in ``speakers``. ModelError: an encoder's weights are missing.
    """
    encoder = ConditionEncoder(text_encoder, audio_encoder, rules)

    def told(done: int, total: int, name: str, computed: bool) -> None:
        if progress is not None and computed:
            progress(name)

    store = corpus_features(root, split, cache, encoder, stride_frames=stride_frames, body=body, workers=workers, strict=strict, report=report, progress=told)
    return open_dataset(store, encoder, speakers, stride_frames=stride_frames, memory_bytes=memory_bytes)
