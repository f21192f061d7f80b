"""What one clip becomes in an index: its events, its packed tracks, its conditions and the vectors of its sentences.

A product depends on its clip and the encoders alone, so that clips can be worked on by many processes and kept across a kill.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raggesture.body.features import foot_contacts
from raggesture.body.joints import N_JOINTS
from raggesture.clock import MODEL_FPS
from raggesture.errors import InputError
from raggesture.retrieval.arrays import MappedArrays, checksum_of, write_arrays
from raggesture.retrieval.events import Event, events_of
from raggesture.retrieval.packing import AUDIO_STEP, CONTACT_STEP, EXPRESSION_STEP, ROTATION_STEP_RAD, TRANSLATION_STEP_M, pack_track, pack_vectors
from raggesture.retrieval.sentences import sentence_spans, sentence_text
from raggesture.retrieval.stroke import hand_speeds
from raggesture.types import Exemplar, Transcript, Word

if TYPE_CHECKING:
    from raggesture.corpus.clip import Clip
    from raggesture.corpus.features import ClipFeatures
    from raggesture.encoders.base import AudioEncoder, TextEncoder

TRACKS = ("rotations", "translation", "expression", "expression_columns", "contacts", "text", "text_scale", "audio")
"""Arrays of a clip in a segment, each under ``NNNNNN.name``."""
_FACTS, _SENTENCES = "facts", "sentences"


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """One clip, ready to be put in. ``arrays``: see ``TRACKS``; ``sentences`` (S, D) float16 unit vectors of ``spans`` of words.

    ``wave``: path of its recording ("" where unknown); ``voice``: fingerprint of what is heard in it.
    """

    name: str
    speaker: str
    frames: int
    wave: str
    voice: str
    transcript: Transcript
    prominence: tuple[float, ...]
    spans: tuple[tuple[int, int], ...]
    events: tuple[Event, ...]
    arrays: dict[str, NDArray[Any]]
    sentences: NDArray[np.float16]

    @property
    def checksum(self) -> int:
        """CRC-32 of the arrays that carry no checksum of their own (packed tracks do)."""
        return checksum_of(self.arrays["text"], self.arrays["text_scale"])

    @property
    def bytes(self) -> int:
        """Size of the arrays."""
        return sum(int(array.nbytes) for array in self.arrays.values())


def voice_of(wave: NDArray[np.float32]) -> str:
    """Fingerprint of a recording by its samples (16 bit), whatever its file is called or how it is stored."""
    return hashlib.sha256(np.round(np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()).hexdigest()[:32]


def _audio_features(clip: Clip, encoder: AudioEncoder, stored: ClipFeatures | None) -> tuple[NDArray[np.float32], str]:
    """(F, A) at the motion's length, zeros for a clip without a voice, (0, A) for an encoder of windows; and the voice's fingerprint."""
    frames = clip.motion.frames
    if clip.wave_path is None:
        return np.zeros((0 if encoder.per_window else frames, encoder.dim), np.float32), ""
    from raggesture.speech.audio import load_audio

    wave = load_audio(clip.wave_path)
    if encoder.per_window:
        return np.zeros((0, encoder.dim), np.float32), voice_of(wave)
    features = encoder.encode(wave) if stored is None else np.asarray(stored.audio, np.float32)
    if not len(features):
        return np.zeros((frames, encoder.dim), np.float32), voice_of(wave)
    return np.asarray(features[np.arange(frames).clip(0, len(features) - 1)], np.float32), voice_of(wave)


def product_of(clip: Clip, text_encoder: TextEncoder, audio_encoder: AudioEncoder, *, grid: str = "stroke", stored: ClipFeatures | None = None) -> Product:
    """Work a clip into its product. ``stored``: the clip's features by the same encoders, where they have been computed already.

    Raises:
        InputError: motion that is not at 15 fps or cannot be written, a recording that cannot be read.
    """
    motion, words = clip.motion, clip.transcript.words
    if motion.fps != MODEL_FPS:
        raise InputError(f"clip {clip.name}: {motion.fps} fps; expected {MODEL_FPS} - read it with read_corpus or halve its rate")
    kept = np.flatnonzero(np.abs(motion.expression).max(axis=0, initial=0.0) >= EXPRESSION_STEP / 2)
    of_words = np.zeros((0, text_encoder.dim), np.float32)  # an encoder of windows is asked when a window is cut
    if not text_encoder.per_window:
        of_words = text_encoder.words(clip.transcript).reshape(len(words), text_encoder.dim) if stored is None else np.asarray(stored.words, np.float32)
    vectors, scale = pack_vectors(of_words)
    audio, voice = _audio_features(clip, audio_encoder, stored)
    spans = sentence_spans(words)
    sentences = np.zeros((0, text_encoder.dim), np.float32)
    if spans:
        sentences = np.asarray(text_encoder.sentences([sentence_text(words[first:stop]) for first, stop in spans]), np.float32)
    try:
        arrays: dict[str, NDArray[Any]] = {
            "rotations": pack_track(motion.rotations.reshape(-1, 3 * N_JOINTS), ROTATION_STEP_RAD),
            "translation": pack_track(motion.translation, TRANSLATION_STEP_M),
            "expression": pack_track(motion.expression[:, kept], EXPRESSION_STEP),
            "expression_columns": kept.astype(np.uint8),
            "contacts": pack_track(foot_contacts(motion) if stored is None else stored.contacts, CONTACT_STEP),
            "text": vectors,
            "text_scale": scale,
            "audio": pack_track(audio, AUDIO_STEP) if len(audio) else np.zeros(0, np.uint8),
        }
    except InputError as fault:
        raise InputError(f"clip {clip.name}: {fault}") from fault
    return Product(
        name=clip.name,
        speaker=clip.speaker,
        frames=motion.frames,
        wave="" if clip.wave_path is None else str(clip.wave_path.absolute()),
        voice=voice,
        transcript=clip.transcript,
        prominence=tuple(clip.prominence),
        spans=spans,
        events=events_of(clip, hand_speeds(motion), grid=grid),
        arrays=arrays,
        sentences=sentences.astype(np.float16),
    )


def save_product(product: Product, path: Path) -> None:
    """Write a product to a file of its own, whole or not at all."""
    facts = {
        "name": product.name,
        "speaker": product.speaker,
        "frames": product.frames,
        "wave": product.wave,
        "voice": product.voice,
        "transcript": asdict(product.transcript),
        "prominence": product.prominence,
        "spans": product.spans,
        "events": [asdict(event) for event in product.events],
    }
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    partial = path.with_name(f"{path.name}.partial")
    write_arrays(partial, {**product.arrays, _FACTS: text, _SENTENCES: product.sentences})
    partial.replace(path)


def load_product(path: Path) -> Product:
    """Read what ``save_product`` wrote; its arrays are views of the file.

    Raises:
        ModelError: the file is not whole.
    """
    stored = MappedArrays(path)
    facts = json.loads(stored.get(_FACTS).tobytes())
    written = facts["transcript"]
    words = tuple(Word(**word) for word in written["words"])
    return Product(
        name=facts["name"],
        speaker=facts["speaker"],
        frames=facts["frames"],
        wave=facts["wave"],
        voice=facts["voice"],
        transcript=Transcript(words, written["language"], written["source"]),
        prominence=tuple(facts["prominence"]),
        spans=tuple((first, stop) for first, stop in facts["spans"]),
        events=tuple(Event(Exemplar(**each["exemplar"]), each["sentence"], each["window"]) for each in facts["events"]),
        arrays={name: stored.get(name) for name in TRACKS},
        sentences=stored.get(_SENTENCES),
    )
