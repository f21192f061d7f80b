"""A small random model of the published kind, and a small corpus in BEAT2's layout for its index."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import torch

from helpers_encoders import AUDIO_DIM, TEXT_DIM
from raggesture.body.joints import FEATURES_OF_PART, PARTS
from raggesture.models.checkpoint import Model, ModelManifest
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import Denoiser
from raggesture.models.denoiser_config import RELEASED_MASK, DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.models.vae import VaeConfig
from raggesture.motion import Motion, write_npz

LATENTS = 16
SPEAKERS = ("scott", "ayana", "carla")
TEXT = "we go home and you do the huge mountain there it is the idea raining and we go"
LABELS = (("huge", "iconic"), ("there", "deictic"), ("idea", "metaphoric"))


def small_published(text_dim: int = TEXT_DIM, audio_dim: int = AUDIO_DIM, seed: int = 3) -> Model:
    """Frames of conditions, linear attention, x0, transformer auto-encoders with a spread, the published mixing."""
    denoiser_config = DenoiserConfig(
        latent_dim=LATENTS, text_dim=text_dim, audio_dim=audio_dim, n_speakers=len(SPEAKERS), width=32, layers=2, heads=4, ff_dim=48, time_dim=64,
        prediction="x0", masked_tokens=RELEASED_MASK,
    )  # fmt: skip
    vaes = tuple(VaeConfig(FEATURES_OF_PART[part], LATENTS, num_layers=3, num_heads=2, ff_size=24, decoder_arch="all_encoder") for part in PARTS)
    codec_config = CodecConfig("transformer", LATENTS, 0, vaes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        denoiser, codec = Denoiser(denoiser_config), codec_config.build()
        for name, parameter in denoiser.named_parameters():
            if name.startswith("out.") or not parameter.any():  # what training would have filled
                torch.nn.init.normal_(parameter, std=0.2)
    manifest = ModelManifest("published-small", "bert", "wav2vec2", SPEAKERS, denoiser_config, codec_config, Mixing("published"), licence="none")
    return Model(denoiser.eval().requires_grad_(False), codec.eval().requires_grad_(False), manifest)


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    at = np.arange(round(seconds * 16000)) / 16000
    return (0.2 * np.sin(2 * np.pi * 140 * at) * np.sin(2 * np.pi * 2 * at) ** 2 + 0.01 * rng.standard_normal(len(at))).astype(np.float32)


def spoken(seconds: float, first_s: float = 0.0) -> list[dict[str, object]]:
    """One word every 0.7 s as tokens of a discourse file, the third with a full stop; from 0.55 s on, one crosses ten seconds."""
    words = TEXT.split()
    count = int((seconds - 0.5) / 0.7)
    tokens: list[dict[str, object]] = [
        {"surface": words[k % len(words)], "startSec": first_s + 0.7 * k, "endSec": first_s + 0.7 * k + 0.55} for k in range(count)
    ]
    if count > 3:
        tokens.insert(3, {**tokens[2], "surface": "."})
    return tokens


def small_corpus(root: Path, seconds: float = 14.0) -> Path:
    """Two takes of two speakers with everything BEAT2 has."""
    for folder in ("smplxflame_30", "wave16k", "sem", "discourse_rels", "prom"):
        (root / folder).mkdir(parents=True)
    for number, clip in enumerate(("2_scott_0_1_1", "5_ayana_0_2_2")):
        rng = np.random.default_rng(number)
        frames = round(30 * seconds)
        sway = np.sin(np.arange(frames)[:, None, None] / 15 + rng.uniform(0, 6, (1, 55, 3)))
        path = np.stack([np.linspace(0.5, 0.9, frames), np.full(frames, 1.2), np.linspace(-1, 0, frames)], axis=1)
        write_npz(Motion(0.2 * sway, path, 0.1 * rng.normal(size=(frames, 100)), 30.0), root / "smplxflame_30" / f"{clip}.npz")  # type: ignore[arg-type]
        soundfile.write(root / "wave16k" / f"{clip}.wav", voice(seconds, number), 16000)
        tokens = spoken(seconds)
        words = [token for token in tokens if token["surface"] != "."]
        (root / "discourse_rels" / f"{clip}_whisper_relations.json").write_text(json.dumps({"sentences": [{"tokens": tokens}], "relations": []}))
        times = {str(word["surface"]): (word["startSec"], word["endSec"]) for word in reversed(words)}
        rows = [f"06_{kind}_h\t{times[word][0]}\t{times[word][1]}\t0.5\t0.6\t{word}\n" for word, kind in LABELS]
        (root / "sem" / f"{clip}.txt").write_text("".join(rows))
        (root / "prom" / f"{clip}.prom").write_text("".join(f"{clip}\t{w['startSec']}\t{w['endSec']}\t{w['surface']}\t1.0\t0\n" for w in words))
    (root / "train_test_split.csv").write_text("id,type\n2_scott_0_1_1,train\n5_ayana_0_2_2,train\n")
    return root
