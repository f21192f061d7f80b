"""The surface that is drawn: the wooden mannequin, thinned to what a film's pixels can show, with a face.

A vertex is bound to at most four of 56 bones: SMPL-X's 55 joints, and the mouth, which opens with the jaw.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import JOINT_NAMES, N_JOINTS
from raggesture.export import wooden as wood
from raggesture.export.film.look import BALL, DARK, NOSE, WOOD, Colour

HEAD, JAW = JOINT_NAMES.index("head"), JOINT_NAMES.index("jaw")
MOUTH = N_JOINTS
N_BONES = N_JOINTS + 1
MOUTH_AT_M = (0.0, 0.243)
_FINE = (*range(20, 22), *range(25, N_JOINTS))
"""Wrists and fingers."""
_FEATURES = (  # colour, x, y, how far out of the skin, half axes: metres in the rest pose
    *((DARK, side * 0.032, 0.318, -0.003, (0.0095, 0.0119, 0.0057), HEAD) for side in (-1, 1)),
    *((DARK, side * 0.033, 0.345, 0.0, (0.016, 0.0028, 0.004), HEAD) for side in (-1, 1)),
    (NOSE, 0.0, 0.283, 0.004, (0.009, 0.018, 0.0132), HEAD),
    (DARK, *MOUTH_AT_M, -0.002, (0.02, 0.02, 0.008), MOUTH),
)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A surface in the rest pose.

    ``vertices``, ``normals`` (V, 3); ``faces`` (N, 3); ``bones``, ``weights`` (V, 4), weights sum to 1; ``colours`` (V, 3) in [0, 255].
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    bones: NDArray[np.uint8]
    weights: NDArray[np.float32]
    colours: NDArray[np.uint8]


def normals_of(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """(V, 3) and (N, 3) -> (V, 3) unit normals, the faces' weighted by their areas."""
    corners = vertices[faces].astype(np.float64)  # (N, 3, 3)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.stack([np.bincount(faces.ravel(), np.repeat(flat[:, axis], 3), len(vertices)) for axis in range(3)], axis=1)
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)


@dataclass(frozen=True, slots=True)
class Grid:
    """Vertices in one cell become one. Sizes of a cell in metres: on the hands, on the head, elsewhere, and on edges, which would fray."""

    hands_m: float
    head_m: float
    rest_m: float
    rims_m: float

    def cells(self, strongest: NDArray[np.integer], rims: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Size of the cell (V, 1) for each vertex's strongest bone (V,); ``rims`` (V,): whether it lies on an edge."""
        sizes = np.full(N_BONES, self.rest_m)
        sizes[list(_FINE)], sizes[HEAD] = self.hands_m, self.head_m
        return np.asarray(np.where(rims, np.minimum(sizes[strongest], self.rims_m), sizes[strongest])[:, None])

    @classmethod
    def for_pixels(cls, pixel_m: float) -> Grid:
        """What is fine enough where a pixel has the size ``pixel_m`` on the body: normals are kept, so that only outlines tell."""
        pixel_m = min(pixel_m, _COARSEST_M)
        return cls(2.6 * pixel_m, 3.8 * pixel_m, 6.4 * pixel_m, 1.4 * pixel_m)


_COARSEST_M = 0.0038
"""Coarser than for such pixels, parts no longer close at the joints."""
CASTING = Grid(0.016, 0.026, 0.036, 0.036)
_RIM_COSINE = 0.8
_FACE_PX = 3.0
"""So long is a side of a face of the eyes, brows, nose and mouth."""


def _rims(shape: Shape) -> NDArray[np.bool_]:
    """(V,): whether a face of the vertex leans far from its normal."""
    corners = shape.vertices[shape.faces].astype(np.float64)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    rims = np.zeros(len(shape.vertices), bool)
    for corner in range(3):
        leaning = (flat * shape.normals[shape.faces[:, corner]]).sum(axis=1) < _RIM_COSINE
        rims[shape.faces[leaning, corner]] = True
    return rims


def thinned(shape: Shape, groups: NDArray[np.integer], grid: Grid) -> Shape:
    """Vertices of one group (V,), one strongest bone and one cell of a grid become one, their mean; faces that fall together go."""
    strongest = shape.bones[np.arange(len(shape.bones)), shape.weights.argmax(axis=1)]
    rims = _rims(shape)
    cells = np.floor(shape.vertices / grid.cells(strongest, rims)).astype(np.int64)
    keys = np.column_stack([groups, strongest, rims, cells])
    _, kept, of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    of = of.ravel()
    counts = np.bincount(of)[:, None]

    def mean(values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.stack([np.bincount(of, values[:, axis]) for axis in range(3)], axis=1) / counts

    faces = of[shape.faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    normals = mean(shape.normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Shape(
        mean(shape.vertices).astype(np.float32),
        normals.astype(np.float32),
        faces[whole].astype(np.int32),
        shape.bones[kept],
        shape.weights[kept],
        shape.colours[kept],
    )


def _grain(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """(V,) about 1: streaks of wood that run up the body and bend a little."""
    x, y, z = vertices.T
    bent = np.sin(y * 9 + 2 * np.sin(y * 4)) + np.sin(z * 31)
    return np.asarray(1 + 0.05 * np.sin(x * 140 + 2.2 * bent) + 0.03 * np.sin(z * 120 + y * 17 + 1.5 * bent) + 0.02 * np.sin(y * 47), np.float32)


@cache
def _skin() -> tuple[Shape, NDArray[np.int64]]:
    """The wooden body, and the part of each vertex."""
    body = wood.wooden()
    v = len(body.vertices)
    vertices, faces = body.vertices.astype(np.float32), body.faces.astype(np.int32)
    bones, weights = body.joints, body.weights / np.float32(255)
    groups, colours = np.zeros(v, np.int64), np.zeros((v, 3), np.uint8)
    for k, (ball, start, count) in enumerate(body.parts):
        groups[start : start + count] = k
        colours[start : start + count] = BALL if ball else WOOD
    colours = np.clip(colours * _grain(vertices)[:, None], 0, 255).astype(np.uint8)
    return Shape(vertices, normals_of(vertices, faces), faces, bones, weights.astype(np.float32), colours), groups


def _ball(centre: NDArray[np.floating], axes: tuple[float, float, float], colour: Colour, bone: int, pixel_m: float) -> Shape:
    """An ellipsoid, of no more faces than can be told apart where a pixel has the size ``pixel_m``."""
    around = int(np.clip(round(2 * np.pi * max(axes) / pixel_m / _FACE_PX), 8, 16))
    along = around * 5 // 8
    turn, rise = np.meshgrid(np.arange(around) / around * 2 * np.pi, np.linspace(0, np.pi, along + 1))
    unit = np.stack([np.sin(rise) * np.cos(turn), np.cos(rise), np.sin(rise) * np.sin(turn)], axis=-1).reshape(-1, 3)
    corner = np.arange(along)[:, None] * around + np.arange(around)
    right = np.arange(along)[:, None] * around + (np.arange(around) + 1) % around
    faces = np.concatenate(
        [np.stack([corner, right, right + around], -1).reshape(-1, 3), np.stack([corner, right + around, corner + around], -1).reshape(-1, 3)]
    )
    normals = unit / np.array(axes)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    count = len(unit)
    bones, weights = np.full((count, 4), bone, np.uint8), np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    vertices = (centre + unit * axes).astype(np.float32)
    return Shape(vertices, normals.astype(np.float32), faces.astype(np.int32), bones, weights, np.tile(np.array(colour, np.uint8), (count, 1)))


def joined(shapes: list[Shape]) -> Shape:
    """All of them as one."""
    starts = np.cumsum([0, *(len(shape.vertices) for shape in shapes[:-1])])
    faces = np.concatenate([shape.faces + start for shape, start in zip(shapes, starts, strict=True)]).astype(np.int32)
    return Shape(
        np.concatenate([shape.vertices for shape in shapes]),
        np.concatenate([shape.normals for shape in shapes]),
        faces,
        np.concatenate([shape.bones for shape in shapes]),
        np.concatenate([shape.weights for shape in shapes]),
        np.concatenate([shape.colours for shape in shapes]),
    )


def _front_m(vertices: NDArray[np.float32], x: float, y: float) -> float:
    """How far forward the head's skin lies at a place."""
    near = (np.abs(vertices[:, 0] - x) < 0.012) & (np.abs(vertices[:, 1] - y) < 0.012)
    return float(vertices[near, 2].max(initial=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Wooden:
    """The mannequin with its face, what casts its shadow, and where its mouth is in the rest pose (3,) m."""

    shape: Shape
    casting: Shape
    mouth: NDArray[np.float64]


@cache
def wooden(pixel_m: float) -> Wooden:
    """The mannequin as the film draws it where a pixel has the size ``pixel_m`` on the body."""
    skin, groups = _skin()
    face = []
    mouth = np.zeros(3)
    for colour, x, y, out, axes, bone in _FEATURES:
        centre = np.array([x, y, _front_m(skin.vertices, x, y) + out])
        face.append(_ball(centre, axes, colour, bone, pixel_m))
        mouth = centre if bone == MOUTH else mouth
    return Wooden(joined([thinned(skin, groups, Grid.for_pixels(pixel_m)), *face]), thinned(skin, groups, CASTING), mouth)
