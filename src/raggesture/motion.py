"""SMPL-X motion: the dataclass, BEAT2's npz read and written, and change of frame rate.

Keys and shapes of the file: METHOD part I (a) "Folder layout" and (g). Files are read without pickle.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS
from raggesture.body.rotations import axis_angle_to_6d, interpolate_double, rot6d_to_axis_angle
from raggesture.clock import MODEL_FPS, MOTION_FPS
from raggesture.errors import InputError

N_BETAS = 300


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Motion of one body. ``rotations`` (F, 55, 3) rad, ``translation`` (F, 3) m, ``expression`` (F, 100); read-only float32."""

    rotations: NDArray[np.float32]
    translation: NDArray[np.float32]
    expression: NDArray[np.float32]
    fps: float = MOTION_FPS

    def __post_init__(self) -> None:
        frames = self.rotations.shape[0]
        expected = {"rotations": (frames, N_JOINTS, 3), "translation": (frames, 3), "expression": (frames, N_EXPRESSIONS)}
        for name, shape in expected.items():
            array: NDArray[np.float32] = np.asarray(getattr(self, name), dtype=np.float32)
            if array.shape != shape:
                raise InputError(f"motion: {name} has shape {array.shape}; expected {shape} - check the file it came from")
            if not np.isfinite(array).all():
                frame = int(np.argwhere(~np.isfinite(array))[0, 0])
                raise InputError(f"motion: {name} is not finite at frame {frame}; expected numbers - repair or cut that frame")
            array = np.array(array)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def frames(self) -> int:
        """F."""
        return int(self.rotations.shape[0])

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.frames / self.fps

    def cut(self, frames: slice) -> Motion:
        """A range of frames as a motion of its own (translation unchanged)."""
        return Motion(self.rotations[frames], self.translation[frames], self.expression[frames], self.fps)


def concatenated(parts: Sequence[Motion]) -> Motion:
    """Motions of one frame rate, one after the other."""
    rotations, translation, expression = (
        np.concatenate(arrays) for arrays in ([p.rotations for p in parts], [p.translation for p in parts], [p.expression for p in parts])
    )
    return Motion(rotations, translation, expression, parts[0].fps)


def halve_rate(motion: Motion) -> Motion:
    """30 -> 15 fps by taking every second frame, as the published data set does."""
    if motion.fps != MOTION_FPS:
        raise InputError(f"motion: {motion.fps} fps; expected {MOTION_FPS} fps - resample it first")
    return Motion(motion.rotations[::2], motion.translation[::2], motion.expression[::2], float(MODEL_FPS))


def _between(values: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """(F, D) at 15 fps -> (frames, D) at 30 fps by a natural cubic spline; every second output is an input, the end is held."""
    at = np.minimum(np.arange(frames) / 2, len(values) - 1)
    if len(values) < 3:
        nearest: NDArray[np.float32] = values[np.round(at).astype(int)]
        return nearest
    return np.asarray(CubicSpline(np.arange(len(values)), values, axis=0, bc_type="natural")(at), np.float32)


def double_tracks(tracks: NDArray[np.float32], frames: int, *, released: bool = False) -> NDArray[np.float32]:
    """(F, D) at 15 fps -> (frames, D) at 30 fps, cut or held to ``frames``.

    Differs from the released code: a cubic spline through the frames that ``halve_rate`` keeps. There (``released=True``) linear interpolation
    centred on half samples, which is a sixtieth of a second late and takes an eighth off a real take's wrist jerk (the spline: 2 %).
    """
    if not released:
        return _between(tracks, frames)
    doubled: NDArray[np.float32] = interpolate_double(torch.from_numpy(tracks)).numpy()
    return doubled[np.minimum(np.arange(frames), len(doubled) - 1)]


def double_rate(motion: Motion, frames: int, *, released: bool = False) -> Motion:
    """15 -> 30 fps in 6D, cut or held to ``frames`` output frames (``double_tracks``)."""
    rot6d = axis_angle_to_6d(torch.from_numpy(np.array(motion.rotations))).reshape(motion.frames, -1)  # (F, 330)
    tracks = np.concatenate([rot6d.numpy(), motion.translation, motion.expression], axis=1)  # (F, 330 + 3 + 100)
    doubled = double_tracks(tracks, frames, released=released)
    rotations = rot6d_to_axis_angle(torch.from_numpy(doubled[:, : 6 * N_JOINTS].reshape(frames, N_JOINTS, 6))).numpy()
    return Motion(rotations, doubled[:, 6 * N_JOINTS : 6 * N_JOINTS + 3], doubled[:, 6 * N_JOINTS + 3 :], float(MOTION_FPS))


def write_npz(motion: Motion, path: Path) -> None:
    """Write BEAT2's keys: poses (F, 165), trans, expressions, betas, model, gender, mocap_frame_rate.

    Members carry a fixed date, so that the same motion gives the same bytes.
    """
    write_npz_in_pieces(lambda: iter((motion,)), motion.frames, path, motion.fps)


def write_npz_in_pieces(pieces: Callable[[], Iterator[Motion]], frames: int, path: Path, fps: float = MOTION_FPS) -> None:
    """Write a motion that is given in pieces, one at a time: the bytes that ``write_npz`` writes of the whole, in the memory of one piece.

    Args:
        pieces: gives the pieces in order, each time it is called. frames: of all pieces together.
    """
    columns: tuple[tuple[str, int, Callable[[Motion], NDArray[np.float32]]], ...] = (
        ("poses", 3 * N_JOINTS, lambda piece: piece.rotations.reshape(piece.frames, -1)),
        ("expressions", N_EXPRESSIONS, lambda piece: piece.expression),
        ("trans", 3, lambda piece: piece.translation),
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _write_member(archive, "betas", np.zeros(N_BETAS, np.float32))
        for name, width, of in columns:
            with archive.open(_member_info(name), "w", force_zip64=frames * width > 1 << 28) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": (frames, width)}
                np.lib.format.write_array_header_1_0(member, header)
                written = 0
                for piece in pieces():
                    member.write(np.ascontiguousarray(of(piece), "<f4").tobytes())
                    written += piece.frames
                if written != frames:
                    raise InputError(f"{path}: {written} frames of {name}; expected {frames} - give all pieces")
        for name, value in (("model", np.array("smplx2020")), ("gender", np.array("neutral")), ("mocap_frame_rate", np.array(round(fps)))):
            _write_member(archive, name, value)


def _member_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _write_member(archive: zipfile.ZipFile, name: str, array: NDArray[np.generic]) -> None:
    with archive.open(_member_info(name), "w") as member:
        np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def _member(path: Path, archive: np.lib.npyio.NpzFile, key: str) -> NDArray[np.float32]:
    if key not in archive:
        raise InputError(f"{path}: no array {key!r}, found {sorted(archive)}; expected BEAT2's SMPL-X npz - see the README on formats")
    array = archive[key]
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: array {key!r} is {array.dtype}; expected numbers - write it as float32")
    return np.asarray(array, dtype=np.float32)


def npz_frames(path: Path) -> int:
    """Number of frames of a motion that ``write_npz`` has written, from the header of its poses."""
    with zipfile.ZipFile(path) as archive, archive.open("poses.npy") as member:
        np.lib.format.read_magic(member)
        shape, _, _ = np.lib.format.read_array_header_1_0(member)
    return int(shape[0])


def read_npz(path: Path) -> Motion:
    """Read a BEAT2 (or ``generate``) npz. No pickle is ever loaded.

    Raises:
        InputError: the file is missing, not an npz, or holds other shapes than SMPL-X's 55 joints.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a motion .npz - check the path")
    try:
        with np.load(path, allow_pickle=False) as archive:
            poses, trans = _member(path, archive, "poses"), _member(path, archive, "trans")
            expression = _member(path, archive, "expressions") if "expressions" in archive else np.zeros((len(poses), N_EXPRESSIONS), np.float32)
            fps = float(archive["mocap_frame_rate"].reshape(-1)[0]) if "mocap_frame_rate" in archive else float(MOTION_FPS)
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, TypeError) as fault:
        why = "it is no zip archive of plain arrays" if "allow_pickle" in str(fault) else fault  # numpy's advice is to load it unsafely
        raise InputError(f"{os.fspath(path)}: cannot be read as npz ({why}); expected a motion .npz without pickles - export it again") from fault
    if poses.ndim != 2 or poses.shape[1] != 3 * N_JOINTS:
        raise InputError(f"{path}: poses {poses.shape}; expected (frames, 165), the 55 joints of SMPL-X - convert SMPL-H (156) or SMPL (72) first")
    try:
        return Motion(poses.reshape(-1, N_JOINTS, 3), trans, expression, fps)
    except InputError as fault:
        raise InputError(f"{path}: {fault}") from fault
