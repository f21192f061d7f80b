"""A made-up SMPL-X model file: the right names and shapes, and what a test wants to be other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raggesture.body.joints import N_JOINTS, PARENTS
from raggesture.body.skeleton import rest_joints


def smplx_arrays(vertices: int = 10_475) -> dict[str, np.ndarray]:
    """Arrays of a made-up SMPL-X file: its joints are mannequin-x's, its vertices lie on the joints, and expressions move the jaw's."""
    rng = np.random.default_rng(0)
    rest = np.asarray(rest_joints(), np.float64)
    owner = np.arange(vertices) % N_JOINTS
    regressor = np.zeros((N_JOINTS, vertices))
    regressor[np.arange(N_JOINTS), np.arange(N_JOINTS)] = 1.0
    weights = np.zeros((vertices, N_JOINTS))
    weights[np.arange(vertices), owner] = 1.0
    shapes = np.zeros((vertices, 3, 400), np.float32)
    shapes[N_JOINTS:, :, 300:] = rng.normal(0, 1e-3, (vertices - N_JOINTS, 3, 100)) * (owner[N_JOINTS:, None, None] == 22)
    return {
        "v_template": rest[owner], "f": np.zeros((20, 3), np.int64), "weights": weights, "shapedirs": shapes,
        "posedirs": np.zeros((vertices, 3, 486), np.float32), "J_regressor": regressor,
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(N_JOINTS)], np.int64),
        "hands_meanl": np.zeros(45), "hands_meanr": np.zeros(45), "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45),
        "lmk_faces_idx": np.zeros(51, np.int64), "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "part2num": np.array({"never": "read"}, object),  # as the official file has it: a pickle
    }  # fmt: skip


def write_smplx(path: Path, vertices: int = 10_475, **changes: object) -> Path:
    """The made-up file; ``changes`` replace arrays (None leaves one out)."""
    arrays = {**smplx_arrays(vertices), **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})  # type: ignore[arg-type]
    return path
