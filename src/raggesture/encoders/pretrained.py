"""Published encoders' weights: where they are looked for, and loading them without trust.

Order: a folder that was named > the environment > the model hub's cache. Nothing is ever fetched behind the user's back: where
the weights are not there, the error holds the command that fetches them. Only safetensors, or a ``.bin`` read with
``weights_only``, is loaded, and a file that leaves a parameter of the network without its weights is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from raggesture.errors import ModelError

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files that hold the weights, the one to be fetched first; sharded weights are named by an index beside them."""


@dataclass(frozen=True, slots=True)
class Published:
    """An encoder on the hub.

    ``name``: as manifests and settings call it. ``repositories``: the one to fetch, then older names of it that may be in a cache.
    ``model_type``: of its ``config.json``. ``files``: needed beside configuration and weights.
    """

    name: str
    repositories: tuple[str, ...]
    model_type: str
    files: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """Environment variable (and, after the prefix, the setting ``[encoders] NAME``) that names a folder."""
        return f"RAGGESTURE_ENCODERS__{self.name.upper()}"

    @property
    def remedy(self) -> str:
        """What to do when the weights are not there."""
        files = " ".join((CONFIG, *self.files, WEIGHTS[0]))
        return f"run 'hf download {self.repositories[0]} {files}', or name a folder by [encoders] {self.name} in a profile or by {self.variable}"


def find_folder(published: Published, folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The folder with an encoder's configuration and weights, checked for being one.

    Args:
        folder: one that was named; None: the environment's, else the hub's cache. environ: None for the process's.

    Raises:
        ModelError: nothing in the cache, or the folder is no such model or not complete.
    """
    environ = os.environ if environ is None else environ
    written = environ.get(published.variable)
    named = folder or (Path(written) if written else None)
    place = _cached(published) if named is None else named.expanduser()
    read_config(published, place)
    missing = [name for name in published.files if not (place / name).is_file()]
    if not any((place / name).is_file() or (place / f"{name}.index.json").is_file() for name in WEIGHTS):
        missing.append(WEIGHTS[0])
    if missing:
        raise ModelError(f"{place}: no {' nor '.join(missing)}; expected the whole of {published.repositories[0]} - {published.remedy}")
    return place


def _cached(published: Published) -> Path:
    """The newest snapshot in the hub's cache; looks at no network."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for repository in published.repositories:
        try:
            return Path(snapshot_download(repository, local_files_only=True))
        except (LocalEntryNotFoundError, OSError, ValueError):
            continue
    raise ModelError(
        f"encoder {published.name!r}: not in the hub's cache ({constants.HF_HUB_CACHE}); expected {published.repositories[0]} - {published.remedy}"
    )


def read_config(published: Published, place: Path) -> dict[str, Any]:
    """The ``config.json`` of a folder.

    Raises:
        ModelError: no folder, no such file in it, not JSON, or of another kind of model.
    """
    path = place / CONFIG
    if not path.is_file():
        what = f"no {CONFIG} in it" if place.is_dir() else "no such folder"
        raise ModelError(f"{place}: {what}; expected the folder of {published.repositories[0]} - {published.remedy}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as fault:
        raise ModelError(f"{path}: cannot be read ({fault}); expected JSON - fetch it again: {published.remedy}") from fault
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != published.model_type:
        raise ModelError(f"{place}: a model of type {kind!r}; expected {published.model_type!r} ({published.repositories[0]}) - {published.remedy}")
    return dict(config)


def load_network(published: Published, cls: Any, place: Path, *, spare: frozenset[str] = frozenset(), **settings: Any) -> Any:
    """A network of transformers in float32 and eval mode, every parameter from the file.

    Args:
        cls: its class. spare: parameters that may be missing because nothing here uses them. settings: of the class's constructor.

    Raises:
        ModelError: weights that cannot be read, run code, or do not fill the network.
    """
    import torch

    with quiet(), torch.random.fork_rng(devices=[]):
        try:
            network, report = cls.from_pretrained(str(place), local_files_only=True, output_loading_info=True, dtype=torch.float32, **settings)
        except Exception as fault:  # safetensors, pickle, zip and torch each have errors of their own for half a file
            reason = (str(fault).splitlines() or [type(fault).__name__])[0][:200]
            raise ModelError(f"{place}: its weights cannot be loaded ({reason}); expected those of {published.repositories[0]} - {published.remedy}") from fault
    missing = sorted(set(report["missing_keys"]) - spare) + sorted(str(key) for key in report["mismatched_keys"])
    if missing:
        raise ModelError(
            f"{place}: its weights lack {missing[0]} (and {len(missing) - 1} more); expected those of {published.repositories[0]} - {published.remedy}"
        )
    return network.eval().requires_grad_(False)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no reports of transformers on stderr; what matters is checked and raised."""
    from transformers.utils import logging as hf_logging

    bars: Any = hf_logging
    shown, level = bars.is_progress_bar_enabled(), bars.get_verbosity()
    bars.disable_progress_bar()
    bars.set_verbosity_error()
    try:
        yield
    finally:
        bars.set_verbosity(level)
        if shown:
            bars.enable_progress_bar()


class PretrainedEncoder:
    """What the published encoders share: the configuration is read when a size is asked for, the weights at the first use.

    Args:
        published: which one. folder: of its files; None: see the head of this module. device: where to compute.
    """

    def __init__(self, published: Published, folder: Path | None, device: str) -> None:
        self._published = published
        self._named = folder
        self._device = device

    @cached_property
    def folder(self) -> Path:
        """Where the weights are. Raises: ModelError if nowhere."""
        return find_folder(self._published, self._named)

    @cached_property
    def _config(self) -> dict[str, Any]:
        return read_config(self._published, self.folder)

    @property
    def dim(self) -> int:
        """Length of a vector (768)."""
        return int(self._config.get("hidden_size", 768))
