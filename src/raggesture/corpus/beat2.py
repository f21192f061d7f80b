"""Read a corpus in BEAT2's folder layout: real BEAT2, the starter corpus, or anything written the same way.

Folders: ``smplxflame_30/<id>.npz`` (needed), ``wave16k/<id>.wav``, ``textgrid/<id>.TextGrid``, ``sem/<id>.txt``,
``discourse_rels/<id>_whisper_relations.json``, ``prom/<id>.prom``, ``strokes/<id>.tsv`` (ours) and
``train_test_split.csv``. Ids are ``<number>_<name>_<type>_<start>_<end>``; the speaker is the name.

Conventions: seconds from the start of the clip; motion comes out at 15 fps. Source: METHOD part I (a).
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from raggesture.clock import MODEL_FPS
from raggesture.corpus.annotations import read_discourse, read_labels, read_prominence, read_textgrid
from raggesture.corpus.clip import Clip, GestureLabel
from raggesture.errors import InputError, did_you_mean
from raggesture.motion import Motion, halve_rate, read_npz
from raggesture.types import Relation, Transcript

__all__ = ["Clip", "GestureLabel", "clip_ids", "complete", "read_clip", "read_corpus", "speaker_of", "transcript_of"]

MOTION_DIR = "smplxflame_30"
SPLIT_FILE = "train_test_split.csv"


def speaker_of(clip_id: str) -> str:
    """Name of the speaker in an id: ``2_scott_0_1_1`` -> ``scott``; an id of another form is its own speaker."""
    parts = clip_id.split("_")
    return parts[1] if len(parts) >= 5 and parts[0].isdigit() else clip_id


def _split_rows(root: Path) -> list[tuple[str, str]]:
    path = root / SPLIT_FILE
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if not {"id", "type"} <= set(reader.fieldnames or ()):
                raise InputError(f"{path}: columns {reader.fieldnames}; expected id,type - add the header row")
            rows = [((row["id"] or "").strip(), (row["type"] or "").strip()) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{path}: cannot be read ({fault}); expected a table with the columns id,type - write it again") from fault
    for number, (clip_id, kind) in enumerate(rows, start=2):
        if not clip_id or not kind or Path(clip_id).name != clip_id:
            raise InputError(f"{path}: row {number} is {clip_id!r},{kind!r}; expected the id of a clip and its split - correct it")
    return rows


def clip_ids(root: Path, split: str | None = None, speakers: Collection[str] | None = None) -> tuple[str, ...]:
    """Ids of the corpus in order: of one split, or (``None``) of every motion file.

    For ``train`` the rows of type ``additional`` come first, as in the published code. ``speakers`` keeps those names.

    Raises:
        InputError: the folder is not a corpus, the split file is missing or malformed, or the split is unknown.
    """
    if not (root / MOTION_DIR).is_dir():
        raise InputError(f"{root}: no folder {MOTION_DIR}; expected a corpus in BEAT2's layout - check the path")
    if split is None:
        ids = sorted(path.stem for path in (root / MOTION_DIR).glob("*.npz"))
    elif not (root / SPLIT_FILE).is_file():
        raise InputError(f"{root / SPLIT_FILE}: no such file; expected it for the split {split!r} - add it, or read the whole corpus")
    else:
        rows = _split_rows(root)
        known = {kind for _, kind in rows}
        if split not in known:
            raise InputError(f"{root / SPLIT_FILE}: no split {split!r}; {did_you_mean(split, known)} - name one of these")
        ahead = [clip_id for clip_id, kind in rows if kind == "additional"] if split == "train" else []
        ids = ahead + [clip_id for clip_id, kind in rows if kind == split]
    return tuple(clip_id for clip_id in ids if speakers is None or speaker_of(clip_id) in speakers)


def _motion(path: Path) -> Motion:
    motion = read_npz(path)
    if motion.frames == 0:
        raise InputError(f"{path}: no frames; expected at least one - export it again")
    if motion.fps == MODEL_FPS:
        return motion
    try:
        return halve_rate(motion)
    except InputError as fault:
        raise InputError(f"{path}: {fault}") from fault


def read_clip(root: Path, clip_id: str) -> Clip:
    """Read one clip. Pieces the corpus lacks stay empty and are named in ``Clip.derived`` (see ``complete``).

    Words come from the discourse file's tokens if there is one (as in the published code), else from the TextGrid.

    Raises:
        InputError: a file is missing that must be there, or malformed; the message names the file and the row.
    """
    motion = _motion(root / MOTION_DIR / f"{clip_id}.npz")
    discourse = root / "discourse_rels" / f"{clip_id}_whisper_relations.json"
    textgrid, sem = root / "textgrid" / f"{clip_id}.TextGrid", root / "sem" / f"{clip_id}.txt"
    prom, wave = root / "prom" / f"{clip_id}.prom", root / "wave16k" / f"{clip_id}.wav"
    missing: list[str] = []
    relations: tuple[Relation, ...] = ()
    if discourse.is_file():
        transcript, relations = read_discourse(discourse)
    elif textgrid.is_file():
        transcript = read_textgrid(textgrid)
        missing.append("relations")
    else:
        raise InputError(f"{textgrid}: no such file, nor {discourse.name}; expected the clip's words in one of them - add it")
    labels: tuple[GestureLabel, ...] = ()
    if sem.is_file():
        labels = read_labels(sem, root / "strokes" / f"{clip_id}.tsv", motion.duration_s)
    else:
        missing.append("labels")
    prominence: tuple[float, ...] = ()
    if prom.is_file():
        prominence = read_prominence(prom, transcript)
    else:
        missing.append("prominence")
    return Clip(clip_id, speaker_of(clip_id), motion, transcript, relations, labels, prominence, wave if wave.is_file() else None, tuple(missing))


def read_corpus(
    root: Path,
    split: str | None = None,
    speakers: Collection[str] | None = None,
    *,
    errors: Literal["raise", "skip"] = "raise",
    skipped: list[InputError] | None = None,
) -> Iterator[Clip]:
    """Iterate over the clips of a corpus, one in memory at a time.

    Args:
        root: the corpus; split: ``train``, ``val``, ``test`` or None for everything; speakers: names to keep.
        errors: ``raise`` stops at the first bad clip; ``skip`` leaves it out and appends its error to ``skipped``.

    Raises:
        InputError: see ``clip_ids`` (at once) and ``read_clip`` (while iterating, unless ``skip``).
    """
    ids = clip_ids(root, split, speakers)

    def clips() -> Iterator[Clip]:
        for clip_id in ids:
            try:
                clip = read_clip(root, clip_id)
            except InputError as fault:
                if errors == "raise":
                    raise
                if skipped is not None:
                    skipped.append(fault)
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
