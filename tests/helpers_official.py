"""Models dressed as the released files: auto-encoders with their yaml, an mmcv checkpoint, a config."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from raggesture.body.joints import PARTS, Part
from raggesture.models.checkpoint import Model
from raggesture.models.vae import VaeConfig

PUBLIC: Mapping[Part, str] = {"upper": "upper", "hands": "hands", "face": "face", "lower": "lowertrans"}
CHECKPOINT = "diffusion/base/epoch_64.pth"
CONFIG = """model = dict(type='MotionDiffusion', model=dict(
    num_layers=2, sa_block_cfg=dict(num_heads=4), ca_block_cfg=dict(num_heads=4),
    scale_func_cfg=dict(coarse_scale=6.5, both_coef=0.52351, text_coef=-0.28419, retr_coef=2.39872),
    per_joint_scale=dict(upper=1.2, hands=1.1, face=0.9, lowertransl=0.8)))
work_dir = __import__('os').getcwd()
"""


def vae_yaml(config: VaeConfig, weights: str = "last.bin") -> dict[str, Any]:
    """As beside the released weights, with a setting of their training."""
    return {**asdict(config), "test_ckpt": f"outputs/{weights}", "learning_rate": 0.0003}


def write_vae(folder: Path, config: VaeConfig, state: Mapping[str, Tensor], prefix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{folder.name}.yaml").write_text(yaml.safe_dump(vae_yaml(config)))
    torch.save({"model_state": OrderedDict((prefix + key, value) for key, value in state.items())}, folder / "last.bin")


def write_diffusion(path: Path, denoiser: Mapping[str, Tensor], copies: Mapping[Part, Mapping[str, Tensor]] | None = None, wrapper: str = "") -> None:
    state = OrderedDict((f"{wrapper}model.{key}", value) for key, value in denoiser.items())
    for part, own in (copies or {}).items():
        state |= {f"{wrapper}model.gesture_rep_encoder.{PUBLIC[part]}_vae.{key}": value for key, value in own.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {"epoch": 64, "iter": 1000, "mmcv_version": "1.7.1", "hook_msgs": {"a": 1}}
    torch.save({"meta": meta, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}}, path)


def vae_states(model: Model) -> dict[Part, dict[str, Tensor]]:
    return {part: model.codec.parts[part].state_dict() for part in PARTS}


def dress(model: Model, root: Path, *, copies: bool = True, wrapper: str = "", config: str | None = CONFIG) -> Path:
    """The released files of a model of the published kind."""
    states = vae_states(model)
    for part, vae in zip(PARTS, model.manifest.codec.vaes, strict=True):
        write_vae(root / "vae" / PUBLIC[part], vae, states[part], wrapper)
    write_diffusion(root / CHECKPOINT, model.denoiser.state_dict(), states if copies else None, wrapper)
    if config is not None:
        (root / CHECKPOINT).with_name("base.py").write_text(config)
    return root


def tensors(path: Path) -> dict[str, Tensor]:
    content = torch.load(path, weights_only=True, mmap=True)
    state: dict[str, Tensor] = next(content[name] for name in ("state_dict", "model_state") if name in content)
    return state


def same_files(one: Path, other: Path, names: list[str]) -> None:
    """The same keys in the same order, with the same types and bits."""
    for name in names:
        first, second = tensors(one / name), tensors(other / name)
        assert list(first) == list(second)
        assert all(first[key].dtype == second[key].dtype and torch.equal(first[key], second[key]) for key in first), name
