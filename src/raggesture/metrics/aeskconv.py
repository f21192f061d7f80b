"""The autoencoder behind the published FGD: skeleton convolutions over the edges of the SMPL-X tree, and the reader of its file.

330 numbers (6D rotations of 55 joints, joint i on the edge to its parent) become 240 at an eighth of the frame rate of four layers of stride 2. Each
layer is a convolution over neighbouring edges and a shortcut, summed, averaged over pairs of edges along chains, and squashed. Source: METHOD part I,
"FID encoder"; EMAGE's VAESKConv. GroupNorm normalises over time, so the number of frames matters: 288 of 300.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raggesture.body.joints import PARENTS
from raggesture.errors import ModelError
from raggesture.metrics.fgd import BLOCK_FRAMES, pose_features
from raggesture.motion import Motion

AESKCONV_FILE = "AESKConv_240_100.bin"
Edge = tuple[int, int]
_CHANNELS = (6, 6, 6, 12, 12)
_DISTANCE, _KERNEL, _GROUPS = 2, 4, 10
WIDTH = 240


def first_edges() -> tuple[Edge, ...]:
    """Edge i joins joint i with its parent; edge 0 joins the root with a joint of its own, one past the last."""
    return ((0, len(PARENTS)), *((PARENTS[joint], joint) for joint in range(1, len(PARENTS))))


def neighbours(edges: Sequence[Edge], distance: int = _DISTANCE) -> tuple[tuple[int, ...], ...]:
    """For each edge, the edges at most ``distance`` steps away over shared joints, itself included."""
    touching = np.array([[bool(set(a) & set(b)) for b in edges] for a in edges])
    near = np.eye(len(edges), dtype=bool)
    for _ in range(distance):
        near = near @ touching
    return tuple(tuple(int(k) for k in np.flatnonzero(row)) for row in near)


def pooled(edges: Sequence[Edge], *, last: bool) -> tuple[tuple[tuple[int, ...], ...], tuple[Edge, ...]]:
    """Groups of edges that become one, and the edges that they become.

    Chains run from joint 0 to where the tree ends or forks; a chain of odd length keeps its first edge alone, then pairs follow (``last``: whole chains).
    """
    degree: dict[int, int] = {}
    for edge in edges:
        for joint in edge:
            degree[joint] = degree.get(joint, 0) + 1
    chains: list[list[int]] = []

    def walk(joint: int, chain: list[int]) -> None:
        if degree[joint] > 2 and joint != 0:
            chains.append(chain)
            chain = []
        if degree[joint] == 1:
            chains.append(chain)
            return
        for number, (one, other) in enumerate(edges):
            if one == joint:
                walk(other, [*chain, number])

    walk(0, [])
    groups: list[tuple[int, ...]] = []
    joined: list[Edge] = []
    for chain in chains:
        cut = [tuple(chain)] if last else [tuple(chain[: len(chain) % 2])] + [tuple(chain[k : k + 2]) for k in range(len(chain) % 2, len(chain), 2)]
        for group in cut:
            if group:
                groups.append(group)
                joined.append((edges[group[0]][0], edges[group[-1]][1]))
    return tuple(groups), tuple(joined)


def topology() -> tuple[tuple[tuple[Edge, ...], tuple[tuple[int, ...], ...]], ...]:
    """Of the four layers: their edges, and the groups that the layer makes of them."""
    edges, layers = first_edges(), []
    for layer in range(len(_CHANNELS) - 1):
        groups, after = pooled(edges, last=layer == len(_CHANNELS) - 2)
        layers.append((edges, groups))
        edges = after
    return tuple(layers)


def _mask(edges: Sequence[Edge], channels: tuple[int, int], kernel: int) -> Tensor:
    """(out, in, kernel) of 0 and 1: which numbers of which edges a number of an edge is made of."""
    mask = torch.zeros(len(edges) * channels[1], len(edges) * channels[0], kernel)
    for edge, near in enumerate(neighbours(edges)):
        for other in near:
            mask[edge * channels[1] : (edge + 1) * channels[1], other * channels[0] : (other + 1) * channels[0]] = 1
    return mask


class SkeletonConv(nn.Module):
    """A convolution over time in which an edge sees its neighbours. ``mask`` is part of the published file."""

    def __init__(self, edges: Sequence[Edge], channels: tuple[int, int], kernel: int, *, stride: int = 2, padding: int = 0) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.mask = nn.Parameter(_mask(edges, channels, kernel), requires_grad=False)
        self.weight = nn.Parameter(torch.zeros_like(self.mask))
        self.bias = nn.Parameter(torch.zeros(len(self.mask)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, edges * in, F) -> (B, edges * out, F / stride)."""
        return nn.functional.conv1d(x, self.weight * self.mask, self.bias, self.stride, self.padding)


class SkeletonPool(nn.Module):
    """The mean over groups of edges. ``weight`` is part of the published file."""

    def __init__(self, groups: Sequence[Sequence[int]], n_edges: int, channels: int) -> None:
        super().__init__()
        weight = torch.zeros(len(groups) * channels, n_edges * channels)
        for row, group in enumerate(groups):
            for edge in group:
                for channel in range(channels):
                    weight[row * channels + channel, edge * channels + channel] = 1 / len(group)
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, edges * C, F) -> (B, groups * C, F)."""
        return self.weight @ x


class SkeletonLayer(nn.Module):
    """Residual and shortcut, pooled, squashed."""

    def __init__(self, edges: Sequence[Edge], groups: Sequence[Sequence[int]], channels: tuple[int, int]) -> None:
        super().__init__()
        width = len(edges) * channels[1]
        self.residual = nn.Sequential(SkeletonConv(edges, channels, _KERNEL, padding=1), nn.GroupNorm(_GROUPS, width))
        self.shortcut = SkeletonConv(edges, channels, 1)
        self.common = nn.Sequential(*([SkeletonPool(groups, len(edges), channels[1])] if len(groups) < len(edges) else []))

    def forward(self, x: Tensor) -> Tensor:
        """(B, edges * in, F) -> (B, groups * out, F / 2)."""
        out: Tensor = torch.tanh(self.common(self.residual(x) + self.shortcut(x)))
        return out


class SkeletonEncoder(nn.Module):
    """The four layers; keys are the published file's without ``encoder.``."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(SkeletonLayer(edges, groups, _CHANNELS[k : k + 2])) for k, (edges, groups) in enumerate(topology()))  # type: ignore[arg-type]

    def forward(self, rot6d: Tensor) -> Tensor:
        """(B, F, 330) with F a multiple of 16 -> (B, F / 16, 240)."""
        x = rot6d.transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return x.transpose(1, 2)


@torch.no_grad()
def published_rows(encoder: SkeletonEncoder, motion: Motion) -> NDArray[np.float64]:
    """(F // 32 * 2, 240) feature rows of a motion at 30 fps; none for motions under 32 frames."""
    usable = motion.frames // BLOCK_FRAMES * BLOCK_FRAMES
    if usable == 0:
        return np.zeros((0, WIDTH))
    rows: NDArray[np.float64] = encoder(pose_features(motion)[None, :usable])[0].double().numpy()
    return rows


def encoder_of(state: Mapping[str, Tensor], where: str) -> SkeletonEncoder:
    """An encoder with the weights of a state dict with keys ``encoder.*`` (a decoder and ``fc_*`` beside them are not used).

    Raises:
        ModelError: keys or shapes are another model's, or a mask is not this skeleton's.
    """
    encoder = SkeletonEncoder()
    wanted = encoder.state_dict()
    found = {key.removeprefix("module.").removeprefix("encoder."): value for key, value in state.items() if key.removeprefix("module.").startswith("encoder.")}
    wrong = sorted(key for key in set(wanted) ^ set(found))
    wrong += [f"{key} {tuple(found[key].shape)}" for key in wanted if key in found and found[key].shape != wanted[key].shape]
    if wrong:
        raise ModelError(f"{where}: not the keys and shapes of the published autoencoder ({wrong[0]}, {len(wrong)} in all); expected {AESKCONV_FILE}")
    for key, value in found.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"{where}: {key} is not finite; expected numbers - the file is damaged, download it again")
        if key.endswith(".mask") and not torch.equal(value.float(), wanted[key]):
            raise ModelError(f"{where}: {key} is of another skeleton; expected SMPL-X's 55 joints with neighbours within {_DISTANCE} - take {AESKCONV_FILE}")
    encoder.load_state_dict({key: value.float() for key, value in found.items()})
    return encoder.eval()


def load_aeskconv(path: Path) -> SkeletonEncoder:
    """Read ``AESKConv_240_100.bin``; no code in it runs.

    Raises:
        ModelError: missing, truncated, or something else.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected {AESKCONV_FILE} of BEAT2's weights (or a kit of 'train fgd') - check the path")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # torch raises what its readers raise; nothing of the file has been executed
        why = " ".join(str(fault).split()).rsplit("WeightsUnpickler error: ", 1)[-1][:120]
        raise ModelError(
            f"{path}: cannot be read as weights ({type(fault).__name__}: {why}); expected {AESKCONV_FILE} with plain tensors - download it again"
        ) from fault
    state = held.get("model_state") if isinstance(held, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        keys = sorted(map(str, held))[:5] if isinstance(held, Mapping) else type(held).__name__
        raise ModelError(f"{path}: {keys}; expected weights under 'model_state' - take {AESKCONV_FILE} of BEAT2's weights")
    return encoder_of(state, str(path))
