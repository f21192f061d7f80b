"""Building an index from clips: exemplars from labels and relations, packed tracks, conditions; all or nothing on disk.

Everything is written into ``<name>.partial`` beside the target and renamed when it is complete.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raggesture.body.features import foot_contacts
from raggesture.body.joints import N_JOINTS
from raggesture.clock import MODEL_FPS
from raggesture.errors import InputError, UsageError
from raggesture.resources import readable_by_all, sha256_of
from raggesture.retrieval.index import clean_word
from raggesture.retrieval.packing import AUDIO_STEP, CONTACT_STEP, EXPRESSION_STEP, ROTATION_STEP_RAD, TRANSLATION_STEP_M, pack_track, pack_vectors
from raggesture.retrieval.store import CONDITIONS, FILES, MANIFEST, MOTION, ROWS, ClipRow, IndexManifest, Rows, write_rows
from raggesture.retrieval.stroke import hand_speed, stroke_from_speed
from raggesture.types import Exemplar, Relation

if TYPE_CHECKING:
    from raggesture.corpus.clip import Clip, GestureLabel
    from raggesture.encoders.base import AudioEncoder, TextEncoder

Progress = Callable[[int, str], None]
"""Called with the number of clips done and the name of the clip that was added."""

CONNECTIVE_BEFORE_S = 0.3
CONNECTIVE_AFTER_S = 0.6
"""Around a connective, the stretch in which its gesture is looked for."""


def _prominence(clip: Clip, start: float, end: float) -> float | None:
    """Mean prominence of the words whose middle lies in an interval, else of the word nearest to it; None without prominence."""
    if not clip.prominence:
        return None
    middles = [(word.start + word.end) / 2 for word in clip.transcript.words]
    inside = [p for p, m in zip(clip.prominence, middles, strict=True) if start <= m <= end and math.isfinite(p)]
    if inside:
        return float(np.mean(inside))
    nearest = min(range(len(middles)), key=lambda k: abs(middles[k] - (start + end) / 2))
    value = clip.prominence[nearest]
    return float(value) if math.isfinite(value) else None


def _of_label(clip: Clip, label: GestureLabel, speed: NDArray[np.float32]) -> Exemplar:
    stroke = label.stroke if label.stroke is not None else stroke_from_speed(speed, clip.motion.fps, label.start, label.end)
    prominence = _prominence(clip, label.start, label.end)
    return Exemplar(clip.name, clip.speaker, label.word, label.kind, label.start, label.end, stroke, label.gesture, prominence)


def _of_relation(clip: Clip, relation: Relation, speed: NDArray[np.float32]) -> Exemplar:
    first, last = relation.connective_start - CONNECTIVE_BEFORE_S, relation.connective_end + CONNECTIVE_AFTER_S
    near = [label for label in clip.labels if label.stroke is not None and first <= label.stroke <= last]
    middle = (relation.connective_start + relation.connective_end) / 2
    label = min(near, key=lambda each: abs((each.stroke or 0.0) - middle), default=None)
    if label is not None and label.stroke is not None:
        stroke, gesture = label.stroke, label.gesture
    else:
        stroke, gesture = stroke_from_speed(speed, clip.motion.fps, max(first, 0.0), min(last, clip.duration_s)), ""
    start, end = relation.connective_start, relation.connective_end
    return Exemplar(clip.name, clip.speaker, relation.connective, relation.sense, start, end, stroke, gesture, _prominence(clip, start, end))


def exemplars_of(clip: Clip) -> tuple[Exemplar, ...]:
    """The exemplars of a clip in time order: its labels (also beats), and its relations with their sense as kind.

    A stroke that is not annotated is taken from the hands' motion. Exemplars whose stroke lies outside the clip's motion are
    left out.
    """
    speed = hand_speed(clip.motion)
    found = [_of_label(clip, label, speed) for label in clip.labels]
    found += [_of_relation(clip, relation, speed) for relation in clip.relations]
    return tuple(sorted((e for e in found if 0 <= e.stroke < clip.duration_s), key=lambda e: (e.stroke, e.kind, e.word)))


@dataclass(slots=True, eq=False)
class _Pile:
    """What has been gathered while clips come in."""

    clips: list[ClipRow]
    exemplars: list[Exemplar]
    prominence: list[tuple[float, ...]]
    motion: dict[str, NDArray[np.generic]]
    conditions: dict[str, NDArray[np.generic]]


def _audio_features(clip: Clip, encoder: AudioEncoder) -> NDArray[np.float32]:
    """(F, A) at the motion's length; zeros for a clip without a voice."""
    frames = clip.motion.frames
    if encoder.per_window:
        return np.zeros((0, encoder.dim), np.float32)
    if clip.wave_path is None:
        return np.zeros((frames, encoder.dim), np.float32)
    from raggesture.speech.audio import load_audio

    features = encoder.encode(load_audio(clip.wave_path))
    return np.asarray(features[np.arange(frames).clip(0, len(features) - 1)], np.float32)


def _add(pile: _Pile, clip: Clip, text_encoder: TextEncoder, audio_encoder: AudioEncoder) -> None:
    motion = clip.motion
    if motion.fps != MODEL_FPS:
        raise InputError(f"clip {clip.name}: {motion.fps} fps; expected {MODEL_FPS} - read it with read_corpus or halve its rate")
    if any(each.name == clip.name for each in pile.clips):
        raise InputError(f"clip {clip.name}: given twice; expected every name once - remove one of the two")
    number = len(pile.clips)
    key = f"{number:06d}"
    kept = np.flatnonzero(np.abs(motion.expression).max(axis=0, initial=0.0) >= EXPRESSION_STEP / 2)
    pile.motion[f"{key}.rotations"] = pack_track(motion.rotations.reshape(-1, 3 * N_JOINTS), ROTATION_STEP_RAD)
    pile.motion[f"{key}.translation"] = pack_track(motion.translation, TRANSLATION_STEP_M)
    pile.motion[f"{key}.expression"] = pack_track(motion.expression[:, kept], EXPRESSION_STEP)
    pile.motion[f"{key}.expression_columns"] = kept.astype(np.uint8)
    pile.motion[f"{key}.contacts"] = pack_track(foot_contacts(motion), CONTACT_STEP)
    words = np.zeros((0, text_encoder.dim), np.float32) if text_encoder.per_window else text_encoder.words(clip.transcript)
    vectors, scale = pack_vectors(words.reshape(len(words), text_encoder.dim))
    pile.conditions[f"{key}.text"], pile.conditions[f"{key}.text_scale"] = vectors, scale
    pile.conditions[f"{key}.audio"] = pack_track(_audio_features(clip, audio_encoder), AUDIO_STEP)
    pile.clips.append(
        ClipRow(number, clip.name, clip.speaker, motion.frames, clip.transcript, "" if clip.wave_path is None else str(clip.wave_path.absolute()))
    )
    pile.prominence.append(tuple(clip.prominence))
    first = len(pile.exemplars)
    pile.exemplars.extend([replace(e, row=first + k) for k, e in enumerate(exemplars_of(clip))])


def _write(pile: _Pile, folder: Path, text_encoder: TextEncoder, audio_encoder: AudioEncoder, licence: str, name: str) -> None:
    from safetensors.numpy import save_file

    words = [clean_word(e.word) for e in pile.exemplars]
    vocabulary = sorted(set(words))
    place = {word: k for k, word in enumerate(vocabulary)}
    vectors = np.zeros((len(vocabulary), text_encoder.dim), np.float32)
    spoken = [k for k, word in enumerate(vocabulary) if word]
    if spoken:
        vectors[spoken] = text_encoder.sentences([vocabulary[k] for k in spoken])
    rows = Rows(tuple(pile.clips), tuple(pile.exemplars), tuple(vocabulary), tuple(place[word] for word in words))
    write_rows(folder / ROWS, rows, tuple(pile.prominence))
    save_file(pile.motion, str(folder / MOTION))
    save_file({**pile.conditions, "vocabulary": vectors.astype(np.float16)}, str(folder / CONDITIONS))
    for name in (MOTION, CONDITIONS):
        readable_by_all(folder / name)
    manifest = IndexManifest(
        name=name,
        fps=MODEL_FPS,
        text_encoder=text_encoder.name,
        text_dim=text_encoder.dim,
        audio_encoder=audio_encoder.name,
        audio_dim=audio_encoder.dim,
        speakers=tuple(sorted({clip.speaker for clip in pile.clips})),
        licence=licence,
        clips=len(pile.clips),
        frames=sum(clip.frames for clip in pile.clips),
        words=sum(len(clip.transcript.words) for clip in pile.clips),
        exemplars=len(pile.exemplars),
        files={each: sha256_of(folder / each) for each in FILES},
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")


def _put_in_place(partial: Path, target: Path) -> None:
    """Rename ``partial`` to ``target``; an older folder there is moved aside first and removed last."""
    old = target.with_name(target.name + ".old.partial")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    partial.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _check_target(target: Path, force: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir() or (any(target.iterdir()) and not (target / MANIFEST).is_file()):
        raise UsageError(f"{target}: exists and is not an index; expected a new or empty folder - choose another")
    if any(target.iterdir()) and not force:
        raise UsageError(f"{target}: holds an index already; expected a new folder - choose another or give --force")


def build_index(
    clips: Iterable[Clip],
    target: Path,
    *,
    text_encoder: TextEncoder,
    audio_encoder: AudioEncoder,
    progress: Progress | None = None,
    licence: str = "",
    force: bool = False,
) -> None:
    """Write the index of ``clips`` to the folder ``target``.

    Args:
        clips: takes with motion at 15 fps. licence: a note on whose data it is, kept in the manifest. force: replace an index.

    Raises:
        InputError: no clip, a clip twice, or numbers that cannot be written. UsageError: ``target`` is in use.
    """
    _check_target(target, force)
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    pile = _Pile([], [], [], {}, {})
    try:
        for clip in clips:
            _add(pile, clip, text_encoder, audio_encoder)
            if progress is not None:
                progress(len(pile.clips), clip.name)
        if not pile.clips:
            raise InputError(f"{target}: no clips to index; expected at least one - check the corpus folder and its split")
        _write(pile, partial, text_encoder, audio_encoder, licence, target.name)
        _put_in_place(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
