"""Read a corpus in BEAT2's folder layout: real BEAT2, the starter corpus, or anything written the same way.

Folders: ``smplxflame_30/<id>.npz`` (needed), ``wave16k/<id>.wav``, ``textgrid/<id>.TextGrid``, ``sem/<id>.txt``,
``discourse_rels/<id>_whisper_relations.json``, ``prom/<id>.prom``, ``strokes/<id>.tsv`` (ours) and
``train_test_split.csv``. Ids are ``<number>_<name>_<type>_<start>_<end>``; the speaker is the name.

Conventions: seconds from the start of the clip; motion comes out at 15 fps. Source: METHOD part I (a).
Differs from the released code: a clip without a discourse file is read by its TextGrid, a missing sem or prom file is no crash (``Clip.derived``
names what was missing), a row that cannot be used costs that row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from raggesture.corpus.annotations import read_discourse, read_labels, read_prominence, read_textgrid
from raggesture.corpus.body_file import read_body
from raggesture.corpus.clip import Clip, GestureLabel
from raggesture.corpus.faults import FIRM, Report, Sieve, warn
from raggesture.corpus.split import MOTION_DIR, SPLIT_FILE, clip_ids, speaker_of
from raggesture.errors import InputError
from raggesture.types import Relation, Transcript

__all__ = ["MOTION_DIR", "SPLIT_FILE", "Clip", "GestureLabel", "clip_ids", "complete", "read_clip", "read_corpus", "speaker_of", "transcript_of"]


def _words(root: Path, clip_id: str, sieve: Sieve) -> tuple[Transcript, tuple[Relation, ...] | None]:
    """The clip's words, and its relations if the corpus has them."""
    discourse, textgrid = root / "discourse_rels" / f"{clip_id}_whisper_relations.json", root / "textgrid" / f"{clip_id}.TextGrid"
    if discourse.is_file():
        return read_discourse(discourse, sieve)
    if textgrid.is_file():
        return read_textgrid(textgrid), None
    raise InputError(f"{textgrid}: no such file, nor {discourse.name}; expected the clip's words in one of them - add it")


def read_clip(root: Path, clip_id: str, sieve: Sieve = FIRM, *, voice: bool = False) -> Clip:
    """Read one clip. Pieces the corpus lacks stay empty and are named in ``Clip.derived`` (see ``complete``).

    Words come from the discourse file's tokens if there is one (as in the published code), else from the TextGrid.

    Args:
        sieve: takes rows of annotations that cannot be used. voice: a missing recording is an error.

    Raises:
        InputError: a file is missing that must be there, or is not what it should be; the message names the file (strict: also the row).
    """
    mine = sieve.of(clip_id)
    body = read_body(root / MOTION_DIR / f"{clip_id}.npz")
    sem, prom, wave = root / "sem" / f"{clip_id}.txt", root / "prom" / f"{clip_id}.prom", root / "wave16k" / f"{clip_id}.wav"
    if voice and not wave.is_file():
        raise InputError(f"{wave}: no such file; expected the clip's recording - add it, or take the clip out of the corpus")
    transcript, relations = _words(root, clip_id, mine)
    labels = read_labels(sem, root / "strokes" / f"{clip_id}.tsv", body.motion.duration_s, mine) if sem.is_file() else None
    prominence = read_prominence(prom, transcript, mine) if prom.is_file() else None
    pieces = {"relations": relations, "labels": labels, "prominence": prominence}
    missing = tuple(name for name, piece in pieces.items() if piece is None)
    found = wave if wave.is_file() else None
    return Clip(clip_id, speaker_of(clip_id), body.motion, transcript, relations or (), labels or (), prominence or (), found, missing, body.betas)


def read_corpus(
    root: Path,
    split: str | None = None,
    speakers: Collection[str | int] | None = None,
    *,
    strict: bool = False,
    skipped: Report = warn,
    voice: bool = True,
    derive: bool = False,
) -> Iterator[Clip]:
    """Iterate over the clips of a corpus, one in memory at a time.

    Args:
        root: the corpus; split: ``train``, ``val``, ``test`` or None for everything; speakers: names or numbers to keep.
        strict: stop at the first fault; else what cannot be used is left out and given to ``skipped`` (a warning by default).
        voice: leave out clips without a recording, as the published code does. derive: ``complete`` each clip.

    Raises:
        InputError: see ``clip_ids`` (at once) and ``read_clip`` (while iterating, if strict).
    """
    sieve = Sieve(strict, skipped)
    ids = clip_ids(root, split, speakers, sieve=sieve)

    def clips() -> Iterator[Clip]:
        for clip_id in ids:
            try:
                clip = read_clip(root, clip_id, sieve, voice=voice)
                clip = complete(clip) if derive else clip
            except InputError as fault:
                sieve.of(clip_id).leave_out(root / MOTION_DIR / f"{clip_id}.npz", str(fault))
                continue
            yield clip

    return clips()


def complete(clip: Clip) -> Clip:
    """The clip with missing relations and prominence derived from its words and voice (``Clip.derived`` keeps their names).

    Raises:
        InputError: the voice is needed but the clip has none.
    """
    needed = {"relations", "prominence"} & set(clip.derived)
    if not needed:
        return clip
    if clip.wave_path is None:
        raise InputError(f"clip {clip.name}: no file in wave16k; expected one to derive {' and '.join(sorted(needed))} - add the wav")
    from raggesture.speech.audio import load_audio
    from raggesture.speech.cues import find_cues
    from raggesture.types import Speech

    cues = find_cues(Speech(clip.name, load_audio(clip.wave_path), clip.transcript, clip.speaker))
    relations = cues.relations if "relations" in needed else clip.relations
    return replace(clip, relations=relations, prominence=cues.prominence if "prominence" in needed else clip.prominence)


def transcript_of(clip: Clip, start: float, end: float) -> Transcript:
    """Words of the clip that lie fully inside [start, end], their times relative to ``start``."""
    inside = tuple(replace(w, start=w.start - start, end=w.end - start) for w in clip.transcript.words if w.start >= start and w.end <= end)
    return Transcript(inside, clip.transcript.language, clip.transcript.source)
