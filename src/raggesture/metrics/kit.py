"""What FGD and BeatAlign are measured with: an autoencoder and mean joint speeds, whose they are, and where they were found.

The EMAGE/BEAT2 autoencoder and the data set's joint velocities are used where the user has them: the file given, or beside the corpus. Else the packaged
ones, trained on authored motion, whose FGD is a scale of its own and is named so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.errors import ModelError
from raggesture.metrics.aeskconv import AESKCONV_FILE, load_aeskconv, published_rows
from raggesture.metrics.fgd import fgd_features, load_kit
from raggesture.motion import Motion
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of

WEIGHTS_DIR = "weights"
SPEEDS_FILE = "mean_vel_smplxflame_30.npy"
_NOT_ZIPPED = ".safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class MeasuringKit:
    """``rows``: motion at 30 fps -> (R, D) features, R = 0 for motions under 32 frames. ``mean_speed``: (55,) m/s, and where it is from."""

    rows: Callable[[Motion], NDArray[np.float64]]
    name: str
    sha256: str
    mean_speed: NDArray[np.float64]
    speeds: str


def read_speeds(path: Path) -> NDArray[np.float64]:
    """(55,) mean speeds of the joints in m/s, no pickle.

    Raises:
        ModelError: the file is missing or holds something else.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as fault:
        raise ModelError(f"{path}: cannot be read ({fault}); expected {SPEEDS_FILE} of BEAT2's weights - check the path") from fault
    if not isinstance(values, np.ndarray) or values.shape != (N_JOINTS,) or values.dtype.kind != "f" or not (np.isfinite(values) & (values > 0)).all():
        raise ModelError(f"{path}: {getattr(values, 'shape', type(values))}; expected {N_JOINTS} positive numbers - take {SPEEDS_FILE} of BEAT2's weights")
    return values.astype(np.float64)


def _beside(folders: tuple[Path, ...], name: str) -> Path | None:
    places = [place / name for folder in folders for place in (folder / WEIGHTS_DIR, folder, folder.parent / WEIGHTS_DIR)]
    return next((place for place in places if place.is_file()), None)


def find_kit(chosen: Path | None, reference: Path | None) -> tuple[Path, Path | None]:
    """The file of the autoencoder, and that of the data set's joint speeds if it lies beside the autoencoder or the corpus."""
    folders = () if reference is None else (reference,)
    autoencoder = chosen or _beside(folders, AESKCONV_FILE) or packaged_dir(PACK_NAME, "evaluation.safetensors")
    speeds = _beside(((autoencoder.parent,) if chosen else ()) + folders, SPEEDS_FILE)
    return autoencoder, speeds


def open_kit(autoencoder: Path, speeds: Path | None, *, released: bool) -> MeasuringKit:
    """Load both. The data set's speeds are used as the published protocol does (``released``); by default those that belong to the autoencoder's own kit.

    Raises:
        ModelError: a file is missing, truncated or something else.
    """
    measured = None if speeds is None or not released else read_speeds(speeds)
    packaged = load_kit(packaged_dir(PACK_NAME, "evaluation.safetensors") if autoencoder.suffix != _NOT_ZIPPED else autoencoder)
    if measured is None:
        mean_speed, source = packaged.mean_speed, f"kit {packaged.name!r}"
    else:
        mean_speed, source = measured, f"{SPEEDS_FILE} {sha256_of(speeds)[:12]}" if speeds else ""
    if autoencoder.suffix == _NOT_ZIPPED:
        return MeasuringKit(lambda motion: fgd_features(packaged.autoencoder, motion), packaged.name, packaged.sha256, mean_speed, source)
    encoder = load_aeskconv(autoencoder)
    return MeasuringKit(lambda motion: published_rows(encoder, motion), AESKCONV_FILE, sha256_of(autoencoder), mean_speed, source)
