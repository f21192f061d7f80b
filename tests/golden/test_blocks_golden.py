"""Single blocks and one decoder layer against the published implementation's numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_model import KEEP, SMALL, arrays, assert_close, weights
from torch import Tensor, nn

from raggesture.models.attention import CrossAttention, FeedForward, SelfAttention, Stylization
from raggesture.models.denoiser import CONDITION_NAMES, Layer
from raggesture.models.embeddings import sine_table, timestep_embedding

WIDTH, HEADS, TIME, FF = 32, 4, 64, 48


def load(block: nn.Module, goldens: Path, prefix: str) -> nn.Module:
    state = {key[len(prefix) + 1 :]: value for key, value in weights(goldens, "blocks").items() if key.startswith(f"{prefix}.")}
    block.load_state_dict(state)
    return block.eval()


@torch.no_grad()
def test_stylization(goldens: Path) -> None:
    data = arrays(goldens, "blocks")
    block = load(Stylization(WIDTH, TIME, 0.0), goldens, "styl")
    assert_close(block.leave(data["x"], block.project(data["emb"])[:, None]), data["styl_out"], bound=1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("prefix", "kind"), [("sa", "linear"), ("bsa", "softmax")])
def test_self_attention(goldens: Path, prefix: str, kind: str) -> None:
    data = arrays(goldens, "blocks")
    block = load(SelfAttention(WIDTH, HEADS, TIME, kind=kind), goldens, prefix)
    if kind == "softmax":  # the published plain block has no 1 / sqrt(d)
        for parameter in block.query.parameters():
            parameter.mul_((WIDTH // HEADS) ** 0.5)
    out = block(data["x"], block.proj_out.project(data["emb"])[:, None], data["src_mask"])
    assert_close(out, data[f"{prefix}_out"], tokens=KEEP, bound=1e-5)


@torch.no_grad()
def test_self_attention_without_time(goldens: Path) -> None:
    data = arrays(goldens, "blocks")
    block = load(SelfAttention(WIDTH, HEADS, None), goldens, "sa_notime")
    assert_close(block(data["x"], None, data["src_mask"]), data["sa_notime_out"], tokens=KEEP, bound=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "conditioned", "masked"),
    [
        ("nomask_condnone", (True, True), False),
        ("nomask_cond1", (True, True), False),
        ("nomask_cond0", (False, False), False),
        ("mask_cond1", (True, True), True),
        ("mask_cond0", (False, False), True),
        ("mask_condmixed", (False, True), True),
    ],
)
def test_cross_attention(goldens: Path, name: str, conditioned: tuple[bool, bool], masked: bool) -> None:
    data = arrays(goldens, "blocks")
    block = load(CrossAttention(WIDTH, HEADS, TIME), goldens, "ca")
    context = block.context(data["xf"])
    keep = torch.tensor(conditioned)[:, None, None, None]
    mixed: tuple[Tensor, ...] = tuple(torch.where(keep, a, b) for a, b in zip(context, block.null_context(context), strict=True))
    mask = data["query_mask"][..., None] if masked else None
    out = block(data["x"], mixed, block.proj_out.project(data["emb"])[:, None], mask)
    assert_close(out, data[f"ca_out_{name}"], tokens=KEEP, bound=1e-5)


@torch.no_grad()
def test_feed_forward(goldens: Path) -> None:
    data = arrays(goldens, "blocks")
    block = load(FeedForward(WIDTH, FF, TIME), goldens, "ffn")
    assert_close(block(data["x"], block.proj_out.project(data["emb"])[:, None]), data["ffn_out"], bound=1e-6)


@pytest.mark.parametrize("width", [32, 33])
def test_timestep_embedding(goldens: Path, width: int) -> None:
    data = arrays(goldens, "blocks")
    assert_close(timestep_embedding(data["tse_in"], width), data[f"tse_out{width}"], bound=1e-6)


def test_sine_positions(goldens: Path) -> None:
    assert_close(sine_table(10, 32)[:, None], arrays(goldens, "blocks")["sine_pe"], bound=1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("name", "conditioned", "masked"), [("out_cond1", True, True), ("out_cond0", False, True), ("out_cond1_noqmask", True, False)])
def test_decoder_layer(goldens: Path, name: str, conditioned: bool, masked: bool) -> None:
    data = arrays(goldens, "decoder_layer")
    layer = Layer(SMALL)
    layer.load_state_dict(weights(goldens, "decoder_layer"))
    layer.eval()
    contexts = tuple(block.context(data[name]) for block, name in zip(layer.crosses(), CONDITION_NAMES, strict=True))
    if not conditioned:
        contexts = tuple(block.null_context(context) for block, context in zip(layer.crosses(), contexts, strict=True))
    mask = data["query_mask"][..., None] if masked else None
    out = layer(data["x"], layer.project_time(data["emb"]), contexts, mask, data["src_mask"])
    assert_close(out, data[name], tokens=KEEP, bound=1e-5)
