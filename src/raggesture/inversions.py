"""Inverted exemplars kept on disk: the levels of the tokens that are injected, one small safetensors file each.

An exemplar's way up through the noise depends on the model, the index, the sampler and its levels, how its conditions are read and where it is cut: all
of that is in the file's name, a digest, so nothing stale is ever found. Files lie in the index' own folder ``inversions``, or in the user's cache where the
index is packaged or cannot be written to; those used longest ago go first when the folder is full. A file that cannot be read is as none, and is
written again; one that cannot be written is no fault.

``exact``: the same bytes as without a cache. Sums differ in the last bit with the size of the batch, so an exemplar is found only by a request that would
invert it in the same row of the same batch, and all are inverted if one is missing. ``shared``: any request finds it; the last bit may differ.

Source: DESIGN section 7, 4. Nothing of this is in the released code: there every exemplar is inverted anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from raggesture.body.joints import LatentLayout, Part
from raggesture.resources import cache_root, packaged_dir
from raggesture.retrieval.store import INVERSIONS
from raggesture.synthesis import INJECTED_PARTS

CacheMode = Literal["exact", "shared", "off"]
MODES: tuple[CacheMode, ...] = ("exact", "shared", "off")
SUFFIX = ".safetensors"
_LEVELS = "levels"
_LOG = logging.getLogger("raggesture")
_LAYOUT = LatentLayout()


@dataclass(frozen=True, slots=True)
class Inverted:
    """What one exemplar's levels depend on, beside the state of torch.

    ``model`` and ``index``: digests of their manifests (which hold those of all files). ``kind``: which inversion. ``sampler``: whose, and at which levels
    (``samplers.sampler_key``). ``conditions``: ``ConditionRules.key``.
    ``source_frame``: first model frame of its window in ``clip``. ``chunks``: first and last + 1 that are injected. ``speaker``: the clip's.
    """

    model: str
    index: str
    kind: str
    sampler: str
    steps: int
    conditions: str
    clip: str
    source_frame: int
    chunks: tuple[int, int]
    device: str
    place: tuple[int, int] = (0, 0)
    """Row and size of the batch, ``exact`` only."""
    parts: tuple[Part, ...] = INJECTED_PARTS
    """Whole parts that the gesture brings along; what is composed anew for each window is never kept."""

    def digest(self) -> str:
        """Name of the file, without suffix."""
        threads = torch.get_num_threads() if self.place[1] else 0
        key = json.dumps([asdict(self), torch.__version__, threads], sort_keys=True)
        return hashlib.sha256(key.encode()).hexdigest()

    def tokens(self) -> list[int]:
        """Tokens that are kept, in order."""
        chunks = slice(*self.chunks)
        spans = [_LAYOUT.tokens_of(part, chunks) for part in self.parts]
        return [token for span in spans for token in range(span.start, span.stop)]


def folder_for(index: Path) -> Path:
    """Where inversions of an index' exemplars are kept: in it, or in the user's cache if it is packaged or cannot be written to."""
    packaged = packaged_dir().resolve() in index.resolve().parents
    return index / INVERSIONS if index.is_dir() and os.access(index, os.W_OK | os.X_OK) and not packaged else cache_root() / INVERSIONS


class InversionCache:
    """A folder of inverted exemplars, at most ``limit_bytes`` in all."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def get(self, name: str, shape: tuple[int, int, int]) -> Tensor | None:
        """Levels (K, tokens, D) kept as ``name``; None where there are none of this shape that can be read and are finite."""
        path = self.folder / f"{name}{SUFFIX}"
        try:
            if path.stat().st_size > 2 * 4 * shape[0] * shape[1] * shape[2] + 4096:
                return None
            levels = load(path.read_bytes())[_LEVELS]
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        if levels.shape != shape or levels.dtype != torch.float32 or not bool(torch.isfinite(levels).all()):
            return None
        with suppress(OSError):
            os.utime(path)
        return levels

    def put(self, name: str, levels: Tensor) -> None:
        """Keep levels (K, tokens, D), whole or not at all, and make room."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(dir=self.folder, suffix=".partial")
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(save({_LEVELS: levels.detach().to("cpu", torch.float32).contiguous()}))
                Path(partial).replace(self.folder / f"{name}{SUFFIX}")
            finally:
                Path(partial).unlink(missing_ok=True)
            self._make_room()
        except OSError as fault:
            _LOG.debug("inversions: not kept (%s)", fault)

    def _make_room(self) -> None:
        """Remove the files used longest ago until the rest fits."""
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):  # another process may have removed it
                about = path.stat()
                found.append((about.st_mtime_ns, about.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.limit_bytes:
                return
            with suppress(OSError):
                path.unlink()
            total -= size


def inverted(
    cache: InversionCache, wanted: Sequence[Inverted], latent_dim: int, device: torch.device, invert: Callable[[Sequence[int]], Tensor], *, shared: bool
) -> Tensor:
    """Levels (K, P, T, D) of P exemplars: those in the cache read, the others inverted and kept. Only the tokens that are injected are set.

    Args:
        wanted: what each depends on. invert: rows of ``wanted`` -> their levels (K, rows, T, D). shared: take each that is found, else all or none.
    """
    if not shared:
        wanted = [replace(each, place=(row, len(wanted))) for row, each in enumerate(wanted)]
    names = [each.digest() for each in wanted]
    found = [cache.get(name, (each.steps, len(each.tokens()), latent_dim)) for name, each in zip(names, wanted, strict=True)]
    missing = [row for row, levels in enumerate(found) if levels is None]
    if missing and not shared:
        missing = list(range(len(wanted)))
    out = torch.zeros(wanted[0].steps, len(wanted), _LAYOUT.tokens, latent_dim, device=device)
    if missing:
        fresh = invert(missing)
        for place, row in enumerate(missing):
            levels = fresh[:, place, wanted[row].tokens()]
            found[row] = levels
            cache.put(names[row], levels)
    for row, (each, levels_of) in enumerate(zip(wanted, found, strict=True)):
        if levels_of is not None:
            out[:, row, each.tokens()] = levels_of.to(out)
    return out
