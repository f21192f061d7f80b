"""Tiny corpora on disk, made in code: in BEAT2's layout, and as plain takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from helpers_retrieval import make_motion
from raggesture.clock import MOTION_FPS
from raggesture.corpus.clip import GestureLabel
from raggesture.corpus.take import Take, take_files, write_split, write_take
from raggesture.motion import Motion, write_npz
from raggesture.types import Relation, Transcript, Word

SPOKEN = "a huge mountain stood there but small birds came over"


def moving(seconds: float, seed: int = 0) -> Motion:
    """30 fps: a sway of all joints, and a fast lift of the right arm each second."""
    motion = make_motion(round(seconds * MOTION_FPS), seed)
    rotations = np.array(motion.rotations)
    at = np.arange(motion.frames)
    rotations[:, 17, 2] += 0.6 * np.sin(2 * np.pi * at / MOTION_FPS)
    return Motion(rotations, motion.translation, motion.expression, float(MOTION_FPS))


def humming(seconds: float, seed: int = 0) -> np.ndarray:
    """A tone that rises and falls in loudness twice a second."""
    at = np.arange(round(seconds * 16000)) / 16000
    return (0.2 * np.sin(2 * np.pi * (140 + 10 * seed) * at) * (0.6 + 0.4 * np.sin(4 * np.pi * at))).astype(np.float32)


def spoken(text: str = SPOKEN) -> Transcript:
    """One word a second."""
    return Transcript(tuple(Word(word, k + 0.2, k + 0.8, "." if k % 5 == 4 else "") for k, word in enumerate(text.split())))


def make_take(name: str, seed: int = 0, text: str = SPOKEN) -> Take:
    """Ten words, four labels with strokes, one relation."""
    transcript = spoken(text)
    words = {word.text: word for word in transcript.words}
    labels = tuple(
        GestureLabel(word, kind, gesture, words[word].start, words[word].end, words[word].start + 0.3, words[word].end, words[word].start, words[word].end)
        for word, kind, gesture in (("huge", "iconic", "big"), ("there", "deictic", "there"), ("small", "iconic", "small"), ("came", "beat", "beat_on"))
        if word in words
    )
    but = words.get("but")
    relations = () if but is None else (Relation("but", "Comparison.Contrast", but.start - 1, but.end + 1, but.start, but.end),)
    seconds = len(transcript.words) + 0.5
    return Take(name, moving(seconds, seed), humming(seconds, seed), transcript, relations, labels, tuple(0.5 + 0.1 * k for k in range(len(transcript.words))))


def make_corpus(root: Path, names: tuple[str, ...] = ("1_ann_0_1_1", "1_ann_0_2_2", "2_bob_0_1_1"), split: str | None = "train") -> Path:
    """A corpus in BEAT2's layout."""
    for seed, name in enumerate(names):
        write_take(root, make_take(name, seed))
    if split is not None:
        write_split(root, [(name, split) for name in names])
    return root


def without(root: Path, name: str, *kinds: str) -> None:
    """Take pieces of a clip away: motion, wave, words, labels, discourse, prominence, strokes."""
    for kind in kinds:
        take_files(root, name)[kind].unlink()


def make_plain(root: Path, name: str = "hello", seed: int = 0, transcript: bool = True) -> Path:
    """``name.npz`` and ``name.wav``, with the words beside them as plain JSON."""
    root.mkdir(parents=True, exist_ok=True)
    take = make_take(name, seed)
    write_npz(take.motion, root / f"{name}.npz")
    soundfile.write(root / f"{name}.wav", take.wave, 16000)
    if transcript:
        words = ", ".join(f'{{"word": "{w.text}", "start": {w.start}, "end": {w.end}}}' for w in take.transcript.words)
        (root / f"{name}.json").write_text(f'{{"words": [{words}]}}', encoding="utf-8")
    return root


def with_poses(path: Path, poses: np.ndarray, fps: int = 30) -> None:
    """Write an npz with any poses array."""
    frames = len(poses)
    np.savez(path, poses=poses, trans=np.zeros((frames, 3)), expressions=np.zeros((frames, 100)), betas=np.zeros(300), mocap_frame_rate=np.array(fps))


def at_rate(take: Take, fps: float) -> Take:
    """The take with another frame rate written in its motion."""
    return replace(take, motion=Motion(take.motion.rotations, take.motion.translation, take.motion.expression, fps))
