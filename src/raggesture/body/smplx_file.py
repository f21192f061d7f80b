"""The one reader of the user's SMPL-X model file (``SMPLX_NEUTRAL_2020.npz``): plain arrays, checked, and one answer to a wrong file.

Nothing in the file is unpickled: the official one holds pickled dictionaries too, which nobody needs and nobody opens. Its licence is its authors' own, so
it is never part of this program, and every refusal says where to get it.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS, PARENTS
from raggesture.errors import ModelError

WANTED = (
    "expected SMPL-X's neutral body as .npz, without pickles (SMPLX_NEUTRAL_2020.npz) - get it at https://smpl-x.is.tue.mpg.de after registering; "
    "its own licence makes it free for research, not for commercial use, and it is no part of raggesture"
)
POSEDIRS = "posedirs"
"""The pose's correctives, (V, 3, 486): for who skins as SMPL-X does."""
PACKAGE_ARRAYS = (
    POSEDIRS, "hands_meanl", "hands_meanr", "hands_componentsl", "hands_componentsr", "lmk_faces_idx", "lmk_bary_coords",
)  # fmt: skip
"""What the ``smplx`` package wants beside the arrays of ``SmplxFile``."""
N_SHAPES = 300
"""Directions of shape before those of expression, in the file of 2020."""
_OLD_SHAPES, _OLD_EXPRESSIONS = 10, 10
"""Directions in the file before that."""
_HAND = 45
"""Rotations of a hand's 15 joints, rad, as one row."""
_NEAR = 1e-3
"""How far weights may be from 0 or more, and their sums from 1: what single precision and rounding leave, with room."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class SmplxFile:
    """The arrays under the file's own names and of its own types. V vertices, N faces, K directions of shape and then of expression.

    ``v_template`` (V, 3) m; ``f`` (N, 3) vertices; ``weights`` (V, 55), rows of 1; ``shapedirs`` (V, 3, K) m per unit, K >= 20;
    ``J_regressor`` (55, V); ``kintree_table`` (2, 55), whose first row are our parents but for the root's;
    ``more``: the arrays that were asked for beside.
    """

    v_template: Array
    f: Array
    weights: Array
    shapedirs: Array
    J_regressor: Array
    kintree_table: Array
    more: Mapping[str, Array]

    @property
    def expressions(self) -> Array:
        """(V, 3, E) m per unit of each coefficient: E = 100, or 10 in the file before that of 2020."""
        if self.shapedirs.shape[2] >= N_SHAPES + N_EXPRESSIONS:
            return self.shapedirs[:, :, N_SHAPES : N_SHAPES + N_EXPRESSIONS]
        return self.shapedirs[:, :, _OLD_SHAPES : _OLD_SHAPES + _OLD_EXPRESSIONS]

    def by_name(self) -> dict[str, Array]:
        """All arrays that were read, by their names in the file."""
        return {**{name: getattr(self, name) for name in _ALWAYS}, **self.more}


_ALWAYS = ("v_template", "f", "weights", "shapedirs", "J_regressor", "kintree_table")


def wrong(path: Path, found: str) -> ModelError:
    """The one answer to a file that cannot be used: what was ``found``, what is expected, where to get it and under which licence."""
    return ModelError(f"{path}: {found}; {WANTED}")


def check_there(path: Path) -> None:
    """Look whether there is a file: cheap, before the work.

    Raises:
        ModelError: there is none.
    """
    if not path.is_file():
        raise wrong(path, "no such file")


def read_smplx_file(path: Path, also: tuple[str, ...] = ()) -> SmplxFile:
    """Read the model file of 2020 (300 shapes and 100 expressions) or the one before (10 and 10).

    Args:
        path: the npz; also: names of ``PACKAGE_ARRAYS`` that must be there too. Other members are not opened.
    Raises:
        ModelError: the file is missing, no npz, lacks an array or has it pickled, or its arrays are no body of SMPL-X's 55 joints.
    """
    arrays = _plain_arrays(path, (*_ALWAYS, *also))
    _check_shapes(path, arrays)
    _check_meaning(path, arrays)
    more = MappingProxyType({name: arrays[name] for name in also})
    return SmplxFile(
        arrays["v_template"], arrays["f"], arrays["weights"], arrays["shapedirs"], arrays["J_regressor"], arrays["kintree_table"], more
    )  # fmt: skip


def read_newest_smplx_file(path: Path, also: tuple[str, ...] = ()) -> SmplxFile:
    """The same for who needs all of the 300 shapes and 100 expressions: only the file of 2020 has them.

    Raises:
        ModelError: as ``read_smplx_file``, and for an older file.
    """
    found = read_smplx_file(path, also)
    if found.shapedirs.shape[2] != N_SHAPES + N_EXPRESSIONS:
        raise wrong(path, f"shapedirs is {found.shapedirs.shape}, not the body of 2020 with {N_SHAPES} shapes and {N_EXPRESSIONS} expressions")
    return found


def _plain_arrays(path: Path, names: tuple[str, ...]) -> dict[str, Array]:
    check_there(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            absent = [name for name in names if name not in archive]
            if absent:
                raise wrong(path, f"no array {absent[0]!r}, found {sorted(archive)}")
            return {name: np.asarray(archive[name]) for name in names}
    # A file of something else, a truncated or altered one, one of a single array (.npy), a member of objects.
    except (ValueError, OSError, zipfile.BadZipFile, zlib.error, EOFError, TypeError, AttributeError, RuntimeError) as fault:
        why = "it is no zip archive of plain arrays" if "allow_pickle" in str(fault) else f"{type(fault).__name__}: {fault}"
        raise wrong(path, f"cannot be read as an npz of plain arrays ({why})") from fault


def _check_shapes(path: Path, arrays: dict[str, Array]) -> None:
    """Every array has numbers, finite ones, and the shape that the others ask for (None: of any size)."""
    vertices = arrays["v_template"].shape[0] if arrays["v_template"].ndim else 0
    landmarks = arrays["lmk_faces_idx"].size if "lmk_faces_idx" in arrays else 0
    expected: dict[str, tuple[int | None, ...]] = {
        "v_template": (None, 3), "f": (None, 3), "weights": (vertices, N_JOINTS), "shapedirs": (vertices, 3, None),
        "J_regressor": (N_JOINTS, vertices), "kintree_table": (2, N_JOINTS), POSEDIRS: (vertices, 3, 9 * (N_JOINTS - 1)),
        "hands_meanl": (_HAND,), "hands_meanr": (_HAND,), "hands_componentsl": (None, _HAND), "hands_componentsr": (None, _HAND),
        "lmk_faces_idx": (landmarks,), "lmk_bary_coords": (landmarks, 3),
    }  # fmt: skip
    for name, array in arrays.items():
        shape = expected[name]
        fits = array.ndim == len(shape) and all(want is None or want == size for want, size in zip(shape, array.shape, strict=True))
        if not fits:
            said = ", ".join("any" if size is None else str(size) for size in shape)
            raise wrong(path, f"{name} is {array.shape}, not ({said})")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise wrong(path, f"{name} is {array.dtype}, not all of it finite numbers")


def _check_meaning(path: Path, arrays: dict[str, Array]) -> None:
    """Shapes fit; do the numbers make a body?"""
    vertices, faces, weights = len(arrays["v_template"]), arrays["f"], arrays["weights"]
    directions, least = arrays["shapedirs"].shape[2], _OLD_SHAPES + _OLD_EXPRESSIONS
    if directions < least:
        raise wrong(path, f"shapedirs is {arrays['shapedirs'].shape}, not of {N_SHAPES} shapes and {N_EXPRESSIONS} expressions, nor of the older {least}")
    if not faces.size or faces.min() < 0 or faces.max() >= vertices:
        raise wrong(path, f"its faces name vertices that are not there, of {vertices}")
    if "lmk_faces_idx" in arrays and not ((arrays["lmk_faces_idx"] >= 0) & (arrays["lmk_faces_idx"] < len(faces))).all():
        raise wrong(path, "its landmarks name faces that are not there")
    if tuple(arrays["kintree_table"][0, 1:].astype(np.int64)) != PARENTS[1:]:
        raise wrong(path, "kintree_table is not the tree of SMPL-X's 55 joints")
    if weights.min() < -_NEAR:
        raise wrong(path, f"weights go down to {weights.min():.3g}, below 0")
    sums = weights.sum(axis=1, dtype=np.float64)
    if np.abs(sums - 1).max() > _NEAR:
        raise wrong(path, f"weights of a vertex sum to {sums[np.abs(sums - 1).argmax()]:.3g}, not 1")
