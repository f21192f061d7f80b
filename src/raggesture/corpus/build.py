"""Computing the features of a corpus into a store: in several processes, resumable, one bad clip never loses a build."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from raggesture.corpus.beat2 import clip_ids, read_clip
from raggesture.corpus.contacts import SmplxJoints
from raggesture.corpus.faults import Report, Sieve, Skipped, warn
from raggesture.corpus.features import PUBLISHED_STRIDE_FRAMES, ClipFeatures, encode_clip
from raggesture.corpus.identity import FileState, digest_of, file_state, settings_of
from raggesture.corpus.shards import CLIPS_DIR, SCHEMA, ClipRow, ClipShard, FeatureStore, shard_file, write_shard
from raggesture.encoders.conditioning import ConditionEncoder
from raggesture.errors import InputError, ModelError
from raggesture.outputs import new_files
from raggesture.resources import sha256_of

DIGESTS = "digests.json"
Progress = Callable[[int, int, str, bool], None]
"""Called with clips done, clips in all, the name of the clip, and whether it had to be computed."""
_READ = (("smplxflame_30", ".npz"), ("wave16k", ".wav"), ("textgrid", ".TextGrid"), ("discourse_rels", "_whisper_relations.json"))
"""Files of a clip that its features depend on."""
_PARTIAL = re.compile(r"\.(\d+)\.partial(\.|$)")
_PROBLEMS = (InputError, OSError, MemoryError, ValueError)
"""What a single clip may die of. Anything else is a bug and is shown as one."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What every clip is computed with."""

    root: Path
    folder: Path
    encoder: ConditionEncoder
    stride_frames: int
    settings: str
    strict: bool
    body: SmplxJoints | None


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one clip."""

    row: ClipRow | None
    states: dict[str, FileState]
    skipped: tuple[Skipped, ...]
    computed: bool


def _clip_key(task: _Task, clip_id: str, known: dict[str, FileState]) -> tuple[str, dict[str, FileState]]:
    """Key of a clip's features, and the states of the files that it was made from."""
    states = {}
    for folder, ending in _READ:
        relative = f"{folder}/{clip_id}{ending}"
        state = file_state(task.root / relative, known.get(relative))
        if state is not None:
            states[relative] = state
    return digest_of([str(SCHEMA), task.settings, clip_id, *(f"{path} {state.sha256}" for path, state in states.items())]), states


def _existing(path: Path) -> dict[str, Any] | None:
    """What a shard says of itself, or None where there is no whole one."""
    if not path.is_file():
        return None
    try:
        about = ClipShard(path).about()
        return about if {"speaker", "frames", "words", "skipped"} <= set(about) else None
    except (ModelError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def _shard_state(clip_id: str) -> str:
    return f"shard of {clip_id}"


def _present(task: _Task, clip_id: str, known: dict[str, FileState]) -> _Done | None:
    """A clip whose shard is there, None for one that has to be computed."""
    key, states = _clip_key(task, clip_id, known)
    path = task.folder / shard_file(clip_id, key)
    about = _existing(path)
    return None if about is None else _done(path, clip_id, key, about, states, known, computed=False)


def _done(path: Path, clip_id: str, key: str, about: dict[str, Any], states: dict[str, FileState], known: dict[str, FileState], *, computed: bool) -> _Done:
    state = file_state(path, known.get(_shard_state(clip_id)))
    if state is None:
        raise ModelError(f"{path}: gone; expected the features that were just written - let only one program clear the store")
    skipped = tuple(Skipped(clip_id, Path(at), reason, row) for at, reason, row in about["skipped"])
    row = ClipRow(clip_id, str(about["speaker"]), int(about["frames"]), int(about["words"]), key, state.sha256)
    return _Done(row, {**states, _shard_state(clip_id): state}, skipped, computed=computed)


def _one(task: _Task, clip_id: str, known: dict[str, FileState]) -> _Done:
    """Compute one clip's shard unless it is there."""
    key, states = _clip_key(task, clip_id, known)
    path = task.folder / shard_file(clip_id, key)
    about = _existing(path)
    if about is not None:
        return _done(path, clip_id, key, about, states, known, computed=False)
    notes: list[Skipped] = []
    try:
        clip = read_clip(task.root, clip_id, Sieve(task.strict, notes.append), voice=True)
        standing = None if task.body is None else task.body.contacts(clip.motion, clip.betas)
        features = encode_clip(clip, task.encoder, stride_frames=task.stride_frames, contacts=standing)
    except _PROBLEMS as fault:
        if task.strict:
            raise
        motion = task.root / f"{_READ[0][0]}/{clip_id}{_READ[0][1]}"
        reason = str(fault) if isinstance(fault, InputError) else f"{motion}: {type(fault).__name__} {fault}; expected a clip that can be encoded - repair it"
        return _Done(None, states, (*notes, Skipped(clip_id, motion, reason)), computed=False)
    left_out = [[str(s.path), s.reason, s.row] for s in notes]
    about = {"speaker": clip.speaker, "frames": features.frames, "words": len(clip.transcript.words), "skipped": left_out}
    write_shard(path, features, about)
    return _done(path, clip_id, key, about, states, known, computed=True)


_ADOPTED: list[_Task] = []
"""In a worker process: the task of its pool, so that the encoders are sent and their weights read once a process and not once a clip."""


def _adopt(task: _Task) -> None:
    import torch

    torch.set_num_threads(1)
    _ADOPTED[:] = [task]


def _one_adopted(clip_id: str, known: dict[str, FileState]) -> _Done:
    return _one(_ADOPTED[0], clip_id, known)


def _run(task: _Task, ids: Sequence[str], known: dict[str, FileState], workers: int) -> Iterator[_Done]:
    """Results in the order of ``ids``."""

    def own(clip_id: str) -> dict[str, FileState]:
        paths = [*(f"{folder}/{clip_id}{ending}" for folder, ending in _READ), _shard_state(clip_id)]
        return {path: known[path] for path in paths if path in known}

    if workers <= 1 or len(ids) <= 1:
        for clip_id in ids:
            yield _one(task, clip_id, own(clip_id))
        return
    there = {clip_id: _present(task, clip_id, own(clip_id)) for clip_id in ids}
    missing = [clip_id for clip_id, done in there.items() if done is None]
    if not missing:
        yield from (done for done in there.values() if done is not None)
        return
    pool = ProcessPoolExecutor(min(workers, len(missing)), mp_context=get_context("spawn"), initializer=_adopt, initargs=(task,))
    try:
        futures = {clip_id: pool.submit(_one_adopted, clip_id, own(clip_id)) for clip_id in missing}
        for clip_id, done in there.items():
            yield futures[clip_id].result() if done is None else done
    except BrokenProcessPool as fault:
        raise ModelError(
            f"{task.folder}: a process that computed features died ({fault}); expected memory for {workers} of them - "
            "run it again with fewer workers, what is done is kept"
        ) from fault
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _sweep(folder: Path) -> None:
    """Remove what killed builds left half-written."""
    for path in [*folder.glob(".*.partial*"), *(folder / CLIPS_DIR).glob(".*.partial")]:
        found = _PARTIAL.search(path.name)
        if found and not _alive(int(found.group(1))):
            with suppress(OSError):
                path.unlink()


def _read_states(folder: Path, root: Path) -> dict[str, FileState]:
    try:
        data = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
        return {path: FileState(**state) for path, state in data.get(str(root.resolve()), {}).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_states(folder: Path, root: Path, states: dict[str, FileState]) -> None:
    try:
        data = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
        data = data if isinstance(data, dict) else {}
    except (OSError, ValueError):
        data = {}
    data[str(root.resolve())] = {path: asdict(state) for path, state in sorted(states.items())}
    with new_files((folder / DIGESTS,), force=True) as (partial,):
        partial.write_text(json.dumps(data) + "\n", encoding="utf-8")


def _task(root: Path, folder: Path, encoder: ConditionEncoder, stride_frames: int, *, strict: bool, body: Path | None) -> _Task:
    settings = {**settings_of(encoder, stride_frames), "body": "mean"}
    joints = None
    if body is not None:
        joints = SmplxJoints.of_file(body)
        settings["body"] = sha256_of(body)
    return _Task(root, folder, encoder, stride_frames, json.dumps(settings, sort_keys=True), strict, joints)


def clip_features(root: Path, clip_id: str, folder: Path, encoder: ConditionEncoder, *, stride_frames: int = PUBLISHED_STRIDE_FRAMES) -> ClipFeatures:
    """The features of one clip from the store in ``folder``, computed and kept there if it lacks them: for whoever goes through a corpus clip by clip.

    Raises:
        InputError: the clip cannot be used. ModelError: an encoder's weights are missing.
    """
    done = _one(_task(root, folder, encoder, stride_frames, strict=False, body=None), clip_id, {})
    if done.row is None:
        raise InputError(done.skipped[0].reason)
    return ClipShard(folder / done.row.file).features()


def corpus_features(
    root: Path,
    split: str | None,
    folder: Path,
    encoder: ConditionEncoder,
    *,
    speakers: Collection[str | int] | None = None,
    stride_frames: int = PUBLISHED_STRIDE_FRAMES,
    body: Path | None = None,
    workers: int = 1,
    strict: bool = False,
    report: Report = warn,
    progress: Progress | None = None,
) -> FeatureStore:
    """The features of a split of a corpus in BEAT2's layout, from the store in ``folder``; what it lacks is computed.

    Args:
        split, speakers: as ``clip_ids``. folder: made if it is not there; any number of corpora, splits and encoders may share it.
        stride_frames: grid of the windows, for encoders that work on windows. body: the user's SMPL-X file, for contacts as published (None: the
        mean body of mannequin-x). workers: processes; 1 computes in this one.
        strict: a bad clip is an error, else it is left out and given to ``report``.

    Raises:
        InputError: the folder is not a corpus, nothing of it can be used, or (strict) something cannot. ModelError: an encoder's weights are missing.
    """
    skipped: list[Skipped] = []

    def lost(fault: Skipped) -> None:
        skipped.append(fault)
        report(fault)

    ids = clip_ids(root, split, speakers, sieve=Sieve(strict, lost))
    task = _task(root, folder, encoder, stride_frames, strict=strict, body=body)
    (folder / CLIPS_DIR).mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    known = _read_states(folder, root)
    rows: list[ClipRow] = []
    states = dict(known)
    computed = 0
    for number, done in enumerate(_run(task, ids, known, workers)):
        for fault in done.skipped:
            lost(fault)
        states |= done.states
        rows += [done.row] if done.row is not None else []
        computed += done.computed
        if progress is not None:
            progress(number + 1, len(ids), ids[number], done.computed)
    if states != known:
        _write_states(folder, root, states)
    if not rows:
        first = f" (the first: {skipped[0].reason})" if skipped else ""
        raise InputError(f"{root}: no clip of the split {split or 'all'!r} can be used{first}; expected at least one - check the corpus")
    key = digest_of([task.settings, *(f"{row.name} {row.key}" for row in rows)])
    store = FeatureStore(folder, key, json.loads(task.settings), tuple(rows), tuple(skipped), computed)
    store.write(split or "all")
    return store
