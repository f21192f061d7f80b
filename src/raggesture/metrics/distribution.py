"""Distances between sets of motions: Frechet distance of features, L1 divergence, diversity.

Source: the published evaluator as METHOD part I (g) describes it. All functions are pure; joints are metres, features
dimensionless.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError

Floats = NDArray[np.floating]
NEIGHBOURS = 5


def frechet_distance(features_a: Floats, features_b: Floats, *, eps: float = 1e-6) -> float:
    """Frechet distance of two sets of feature rows (N, D), N >= 2; 0 for equal sets, symmetric.

    Raises:
        InputError: fewer than two rows (no covariance), or different widths.
    """
    from scipy.linalg import sqrtm

    for name, rows in (("first", features_a), ("second", features_b)):
        if rows.ndim != 2 or rows.shape[0] < 2:
            raise InputError(f"Frechet distance: the {name} set has shape {rows.shape}; expected at least two feature rows - evaluate more motion")
    if features_a.shape[1] != features_b.shape[1]:
        raise InputError(f"Frechet distance: widths {features_a.shape[1]} and {features_b.shape[1]}; expected one width - use one autoencoder for both")
    mean_a, mean_b = features_a.mean(0), features_b.mean(0)
    cov_a, cov_b = np.cov(features_a, rowvar=False), np.cov(features_b, rowvar=False)
    cov_a, cov_b = np.atleast_2d(cov_a), np.atleast_2d(cov_b)
    product = sqrtm(cov_a @ cov_b)
    if not np.isfinite(product).all():
        offset = np.eye(cov_a.shape[0]) * eps
        product = sqrtm((cov_a + offset) @ (cov_b + offset))
    gap = mean_a - mean_b
    distance = gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(product.real)
    return max(float(distance), 0.0)


def l1_divergence(motions: Sequence[Floats]) -> float:
    """Sum over coordinates of the distance to the clip's own mean pose, per frame. Each motion: (F, J * 3) metres."""
    frames = sum(m.shape[0] for m in motions)
    if frames == 0:
        raise InputError("L1 divergence: no frames; expected at least one motion - check the results folder")
    return float(sum(np.abs(m - m.mean(axis=0)).sum(dtype=np.float64) for m in motions) / frames)


def diversity(motions: Sequence[Floats]) -> float:
    """Mean over pairs of clips of the norm of their (F, J * 3) difference divided by F; motions of one length.

    Raises:
        InputError: fewer than two motions, or lengths that differ.
    """
    if len(motions) < 2:
        raise InputError(f"diversity: {len(motions)} motion; expected at least two - evaluate more clips")
    if len({m.shape for m in motions}) != 1:
        raise InputError("diversity: motions of different shapes; expected one length - cut them first")
    rows = np.stack([m.reshape(-1) for m in motions]).astype(np.float64)
    upper = np.triu_indices(len(rows), k=1)
    total = sum(float(np.linalg.norm(rows[i + 1 :] - rows[i], axis=1).sum()) for i in range(len(rows) - 1))
    return float(total / len(upper[0]) / motions[0].shape[0])


def frechet_of_moments(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """Frechet distance of two Gaussians, by the eigenvalues of one symmetric product: what ``frechet_distance`` gives, many times faster, for resampling."""
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    gap = mean_a - mean_b
    return max(float(gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2 * shared), 0.0)


def weighted_moments(rows: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of rows (N, D) of which each is there ``weights`` times; as ``np.cov`` for weights of 1."""
    total = weights.sum()
    mean = weights @ rows / total
    centred = (rows - mean) * np.sqrt(weights)[:, None]
    return mean, centred.T @ centred / (total - 1)


def ball_radii(reference: Floats, neighbours: int = NEIGHBOURS) -> Floats:
    """(N,) distance of each row of (N, D) to its k-th nearest other row.

    Raises:
        InputError: no more than ``neighbours`` rows.
    """
    if reference.ndim != 2 or len(reference) <= neighbours:
        raise InputError(f"density and coverage: {len(reference)} reference rows; expected more than {neighbours} - evaluate more motion")
    apart = distances(reference, reference)
    np.fill_diagonal(apart, 0.0)
    radii: Floats = np.partition(apart, neighbours, axis=1)[:, neighbours]  # the row itself is the nearest
    return radii


def distances(a: Floats, b: Floats) -> Floats:
    """(N, M) Euclidean distances of rows (N, D) and (M, D)."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    out: Floats = np.sqrt(np.maximum(squares, 0))
    return out


def density_coverage(features: Floats, reference: Floats, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Density (how many reference balls a row lies in, over k; about 1 for equal sets) and coverage (share of reference balls with a row inside).

    Args:
        features: (M, D) rows of the results. reference: (N, D), N > k.
    Source: Naeem et al. 2020.

    Raises:
        InputError: too few reference rows, no rows, or different widths.
    """
    if features.ndim != 2 or not len(features) or features.shape[1:] != reference.shape[1:]:
        raise InputError(f"density and coverage: shapes {features.shape} and {reference.shape}; expected rows of one width - use one autoencoder for both")
    inside = distances(reference, features) < ball_radii(reference, neighbours)[:, None]
    return float(inside.sum() / (neighbours * len(features))), float(inside.any(axis=1).mean())


def pair_distances(blocks: Sequence[Floats]) -> Floats:
    """(N, N) Euclidean distances of the rows of all blocks, by products of blocks; small ones are computed again from the difference."""
    sizes = [len(block) for block in blocks]
    at = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    out = np.zeros((at[-1], at[-1]))
    for i, a in enumerate(blocks):
        first = np.asarray(a, np.float64)
        for k in range(i, len(blocks)):
            second = np.asarray(blocks[k], np.float64)
            both = distances(first, second)
            scale = np.sqrt((first**2).sum(axis=1))[:, None] + np.sqrt((second**2).sum(axis=1))[None]
            for row, column in np.argwhere(both < 1e-3 * scale):  # cancellation has eaten the digits
                both[row, column] = np.linalg.norm(first[row] - second[column])
            out[at[i] : at[i + 1], at[k] : at[k + 1]] = both
            out[at[k] : at[k + 1], at[i] : at[i + 1]] = both.T
    return out
