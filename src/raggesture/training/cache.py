"""The training arrays on disk: a folder named by what went in, written under a temporary name and renamed."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from raggesture.corpus.beat2 import clip_ids, read_corpus
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.errors import InputError, ModelError
from raggesture.resources import sha256_of
from raggesture.training.dataset import ARRAYS, MotionDataset, build_dataset

ARRAYS_FILE = "arrays.safetensors"
ABOUT = "about.json"
_VERSION = 1
_SOURCES = (("smplxflame_30", ".npz"), ("wave16k", ".wav"), ("textgrid", ".TextGrid"), ("discourse_rels", "_whisper_relations.json"))


def save_dataset(dataset: MotionDataset, directory: Path) -> None:
    """Write a dataset as a new folder, complete or not at all. An existing folder of that name is replaced."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        save_file({name: tensor.cpu().contiguous() for name, tensor in dataset.arrays().items()}, work / ARRAYS_FILE)
        about = {
            "version": _VERSION,
            "names": dataset.names,
            "speakers": dataset.speakers,
            "text_encoder": dataset.text_encoder,
            "audio_encoder": dataset.audio_encoder,
            "sha256": sha256_of(work / ARRAYS_FILE),
        }
        (work / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        work.chmod(0o755)
        if directory.exists():
            shutil.rmtree(directory)
        work.replace(directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def load_dataset(directory: Path) -> MotionDataset:
    """Read what ``save_dataset`` wrote. Raises ModelError if anything is missing, truncated or altered."""
    try:
        about = json.loads((directory / ABOUT).read_text(encoding="utf-8"))
        if about["version"] != _VERSION or about["sha256"] != sha256_of(directory / ARRAYS_FILE):
            raise ModelError(f"{directory}: altered or of another version; expected training arrays - delete the folder")
        tensors = load_file(directory / ARRAYS_FILE)
        upper, hands, face, lower, text, audio, bounds, speaker = (tensors[name] for name in ARRAYS)
        texts = (tuple(about["names"]), tuple(about["speakers"]), str(about["text_encoder"]), str(about["audio_encoder"]))
        return MotionDataset(upper, hands, face, lower, text, audio, bounds, speaker, *texts)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as fault:
        raise ModelError(f"{directory}: cannot be read ({type(fault).__name__} {fault}); expected training arrays - delete the folder") from fault


def content_key(root: Path, ids: tuple[str, ...], *settings: str) -> str:
    """Hex key of settings and of the bytes of every file of the clips."""
    digest = hashlib.sha256(json.dumps([_VERSION, *settings, *ids]).encode())
    for clip_id in ids:
        for folder, ending in _SOURCES:
            path = root / folder / f"{clip_id}{ending}"
            digest.update((sha256_of(path) if path.is_file() else "-").encode())
    return digest.hexdigest()


def cached_dataset(
    root: Path,
    split: str | None,
    cache: Path,
    text_encoder: TextEncoder,
    audio_encoder: AudioEncoder,
    speakers: tuple[str, ...] | None = None,
    progress: Callable[[str], None] | None = None,
) -> MotionDataset:
    """The arrays of a split of a BEAT2-layout corpus: from ``cache`` if the same files and settings were encoded before, else built and kept there."""
    ids = clip_ids(root, split)
    key = content_key(root, ids, text_encoder.name, audio_encoder.name, *(speakers or ()))
    folder = cache / f"{split or 'all'}-{key[:16]}"
    if folder.is_dir():
        try:
            return load_dataset(folder)
        except (ModelError, InputError):
            pass  # an old or damaged cache is built again
    dataset = build_dataset(read_corpus(root, split), text_encoder, audio_encoder, speakers, progress)
    save_dataset(dataset, folder)
    return dataset
