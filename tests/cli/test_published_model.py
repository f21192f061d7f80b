"""A model of the published kind the whole way: its encoders, an index of a corpus, generate and longform."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from helpers_encoders import AUDIO_DIM, TEXT_DIM, tiny_bert, tiny_wav2vec2
from helpers_published import small_corpus, small_published, spoken, voice
from raggesture.encoders.bert import BERT
from raggesture.encoders.wav2vec2 import WAV2VEC2
from raggesture.models.checkpoint import read_manifest, save_model
from raggesture.motion import Motion, read_npz
from raggesture.trace import read_trace

Call = Callable[..., Any]


@dataclass(frozen=True)
class Place:
    """Everything on disk."""

    root: Path

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def corpus(self) -> Path:
        return self.root / "corpus"

    def speech(self, seconds: float) -> Path:
        path = self.root / f"talk{seconds:g}.wav"
        if not path.is_file():
            soundfile.write(path, voice(seconds, 9), 16000)
            words = [
                {"word": token["surface"], "start": token["startSec"], "end": token["endSec"]} for token in spoken(seconds, 0.55) if token["surface"] != "."
            ]
            path.with_suffix(".json").write_text(json.dumps({"words": words}))
        return path


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("published")
    tiny_wav2vec2(root / "wav2vec2")
    tiny_bert(root / "bert")
    save_model(small_published(), root / "model", storage="float32")
    small_corpus(root / "corpus")
    yield Place(root)


@pytest.fixture
def place(disk: Place, monkeypatch: pytest.MonkeyPatch, call: Call) -> Place:
    """The encoders named in the environment, and the index built once by the command line."""
    monkeypatch.setenv(WAV2VEC2.variable, str(disk.root / "wav2vec2"))
    monkeypatch.setenv(BERT.variable, str(disk.root / "bert"))
    if not disk.index.exists():
        built = call("index", "build", disk.corpus, "--out", disk.index, "--text-encoder", "bert", "--audio-encoder", "wav2vec2", "--json")
        assert built.code == 0, built.err
    return disk


def made(call: Call, place: Place, out: Path, *options: object, seconds: float = 12.0, command: str = "generate") -> Motion:
    speech = place.speech(seconds)
    found = call(
        command, speech, "--model", place.model, "--index", place.index, "--out", out, "--format", "npz", "--steps", 4,
        "--retriever", "gesture-type", "--force", *options,
    )  # fmt: skip
    assert found.code == 0, found.err
    return read_npz(out / f"{speech.stem}.npz")


def test_an_index_of_windows_stores_no_voices(call: Call, place: Place) -> None:
    found = call("index", "info", place.index, "--json")
    manifest = json.loads(found.out)["manifest"]
    assert (manifest["text_encoder"], manifest["text_dim"]) == ("bert", TEXT_DIM)
    assert (manifest["audio_encoder"], manifest["audio_dim"]) == ("wav2vec2", AUDIO_DIM)
    assert manifest["clips"] == 2 and manifest["exemplars"] == 6


@pytest.mark.parametrize("profile", ["default", "released"])
def test_generate(call: Call, place: Place, tmp_path: Path, profile: str) -> None:
    motion = made(call, place, tmp_path, "--profile", profile, seconds=9.3)
    assert motion.frames == 279 and motion.fps == 30
    trace = read_trace(tmp_path / "talk9.3.trace.json")
    assert len(trace.placements) >= 2 and {p.clip for p in trace.placements} <= {"2_scott_0_1_1", "5_ayana_0_2_2"}
    released = profile == "released"
    assert trace.settings["compat.text_context"].value == ("window" if released else "encoder")
    again = made(call, place, tmp_path / "again", "--profile", profile, seconds=9.3)
    np.testing.assert_array_equal(motion.rotations, again.rotations)


def test_longform(call: Call, place: Place, tmp_path: Path) -> None:
    ours = made(call, place, tmp_path / "ours", seconds=21.4, command="longform")
    released = made(call, place, tmp_path / "released", "--profile", "released", seconds=21.4, command="longform")
    assert ours.frames == released.frames == 642
    assert np.isfinite(ours.rotations).all() and np.abs(ours.rotations - released.rotations).max() > 1e-3


SWITCHES = {
    "text_context": "speech", "border_words": "inside", "frame_alignment": "released", "resampling": "double", "posterior": "sample",
    "translation": "origin", "interpolation": "linear", "guided_loop": "released", "placement": "released",
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> dict[str, Motion]:
    return {}


@pytest.mark.parametrize(("switch", "value"), SWITCHES.items())
def test_every_switch_does_something(
    call: Call, place: Place, plain: dict[str, Motion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str, value: str
) -> None:
    monkeypatch.setenv("RAGGESTURE_GENERATE__SAMPLER", "ddim")  # the published loop knows no other
    if not plain:
        plain["motion"] = made(call, place, tmp_path / "plain")
    monkeypatch.setenv(f"RAGGESTURE_COMPAT__{switch.upper()}", value)
    switched = made(call, place, tmp_path)
    moved = np.abs(switched.rotations - plain["motion"].rotations).max(), np.abs(switched.translation - plain["motion"].translation).max()
    assert switched.frames == plain["motion"].frames and max(moved) > 1e-6


def test_switches_are_all_of_the_table() -> None:
    from raggesture.config import Compat

    assert set(SWITCHES) == set(Compat.model_fields)


def test_the_real_take(call: Call, place: Place, tmp_path: Path, beat2_mini: Path) -> None:
    """A minute of BEAT2 as an index, its exemplars heard in the real recording, by the published ways; for its own voice it is left out."""
    index, name = tmp_path / "index", "2_scott_0_1_1"
    built = call("index", "build", beat2_mini, "--out", index, "--text-encoder", "bert", "--audio-encoder", "wav2vec2")
    assert built.code == 0, built.err
    motion = made(call, place, tmp_path, "--profile", "released", "--index", index)
    trace = read_trace(tmp_path / "talk12.trace.json")
    assert motion.frames == 360 and trace.placements and {p.clip for p in trace.placements} == {name}
    own = call(
        "generate", beat2_mini / "wave16k" / f"{name}.wav", "--transcript", beat2_mini / "textgrid" / f"{name}.TextGrid", "--model", place.model,
        "--index", index, "--out", tmp_path, "--format", "npz", "--steps", 3, "--retriever", "discourse",
    )  # fmt: skip
    assert own.code == 0, own.err
    trace = read_trace(tmp_path / f"{name}.trace.json")
    assert read_npz(tmp_path / f"{name}.npz").frames == round(30 * trace.speech.duration_s) and not trace.placements


TINY = """schema = 1
extends = "paper"
[model.denoiser]
width = 32
layers = 2
heads = 4
ff_dim = 48
time_dim = 64
[model.codec]
latent_dim = 16
[model.codec.vae]
num_layers = 3
num_heads = 2
ff_size = 24
"""


def test_trained_as_published_then_used(call: Call, place: Place, tmp_path: Path) -> None:
    """The profile 'paper' at a small size: windows of 499 vectors, by the published rules where asked, and a model that the index fits."""
    profile = tmp_path / "tiny.toml"
    profile.write_text(TINY)
    own = ("--data", place.corpus, "--out", tmp_path / "run", "--profile", profile, "--held-out", "", "--steps", 1, "--batch", 2)
    for command in ("vae", "denoiser"):
        found = call("train", command, *own)
        assert found.code == 0, found.err
    manifest = read_manifest(tmp_path / "run" / "model")
    assert (manifest.text_encoder, manifest.audio_encoder, manifest.denoiser.text_dim, manifest.denoiser.audio_dim) == ("bert", "wav2vec2", TEXT_DIM, AUDIO_DIM)
    used = call(
        "generate", place.speech(5.0), "--model", tmp_path / "run" / "model", "--index", place.index, "--out", tmp_path, "--format", "npz", "--steps", 3,
        "--retriever", "gesture-type",
    )  # fmt: skip
    assert used.code == 0, used.err
    assert read_npz(tmp_path / "talk5.npz").frames == 150


def test_training_follows_the_switches(place: Place) -> None:
    from raggesture.config import load_settings
    from raggesture.encoders.conditioning import OUR_RULES, RELEASED_RULES
    from raggesture.training.settings import recipe_of

    assert recipe_of(load_settings("paper"), name="a").rules == OUR_RULES
    assert recipe_of(load_settings("released"), name="a").rules == RELEASED_RULES


def test_the_released_loop_has_no_way_that_is_ours(call: Call, place: Place, tmp_path: Path) -> None:
    found = refused(call, place, tmp_path, "--profile", "released", "--inject", "noised")
    assert found.code == 4 and "inject 'noised': the released loop has no such way" in found.error


@pytest.mark.parametrize("how", ["inversion+guidance", "inversion", "inpaint", "none"])
def test_every_way_of_the_released_loop(call: Call, place: Place, tmp_path: Path, how: str) -> None:
    motion = made(call, place, tmp_path, "--profile", "released", "--inject", how, seconds=11.0)
    assert motion.frames == 330 and np.isfinite(motion.rotations).all()


def test_folders_can_be_named_in_a_profile(call: Call, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motion = made(call, place, tmp_path / "a", seconds=5.0)
    for published in (WAV2VEC2, BERT):
        monkeypatch.delenv(published.variable)
    profile = tmp_path / "mine.toml"
    profile.write_text(f'schema = 1\nextends = "default"\n[encoders]\nwav2vec2 = "{place.root / "wav2vec2"}"\nbert = "{place.root / "bert"}"\n')
    named = made(call, place, tmp_path / "b", "--profile", profile, seconds=5.0)
    np.testing.assert_array_equal(motion.rotations, named.rotations)


def test_an_empty_transcript(call: Call, place: Place, tmp_path: Path) -> None:
    """Silence: no words, wav2vec2 hears zeros, the motion has its length."""
    path = tmp_path / "quiet.wav"
    soundfile.write(path, np.zeros(16000 * 4, np.float32), 16000)
    found = call("generate", path, "--model", place.model, "--index", place.index, "--out", tmp_path, "--format", "npz", "--steps", 3)
    assert found.code == 0, found.err
    assert read_npz(tmp_path / "quiet.npz").frames == 120


def test_speech_shorter_than_a_window(call: Call, place: Place, tmp_path: Path) -> None:
    assert made(call, place, tmp_path, seconds=1.2).frames == 36


def refused(call: Call, place: Place, tmp_path: Path, *options: object) -> Any:
    return call("generate", place.speech(5.0), "--model", place.model, "--index", place.index, "--out", tmp_path, "--retriever", "gesture-type", *options)


def test_no_weights_of_the_encoders(call: Call, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(BERT.variable)
    found = refused(call, place, tmp_path)
    assert found.code == 5 and "hf download google-bert/bert-base-cased config.json" in found.error
    build = call("index", "build", place.corpus, "--out", tmp_path / "index", "--text-encoder", "bert", "--audio-encoder", "wav2vec2")
    assert build.code == 5 and "hf download google-bert/bert-base-cased" in build.error and not (tmp_path / "index").exists()


def test_encoders_of_another_size(call: Call, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BERT.variable, str(tiny_bert(tmp_path / "wide", hidden=32)))
    found = refused(call, place, tmp_path)
    assert found.code == 5 and f"takes text vectors of {TEXT_DIM} numbers, and its text encoder 'bert' gives 32" in found.error


def test_an_index_of_other_encoders(call: Call, place: Place, tmp_path: Path) -> None:
    found = refused(call, place, tmp_path, "--index", "starter")
    assert found.code == 5 and "its text encoder is 'minilm'; expected 'bert' as the model's" in found.error


def test_a_recording_that_is_gone(call: Call, place: Place, tmp_path: Path) -> None:
    corpus = shutil.copytree(place.corpus, tmp_path / "corpus")
    index = tmp_path / "index"
    assert call("index", "build", corpus, "--out", index, "--text-encoder", "bert", "--audio-encoder", "wav2vec2").code == 0
    shutil.rmtree(corpus / "wave16k")
    found = refused(call, place, tmp_path / "out", "--index", index)
    assert found.code == 5 and "the recording of clip" in found.error and "is gone; expected" in found.error and "build the index again" in found.error
    (corpus / "wave16k").mkdir()
    for path in (place.corpus / "wave16k").iterdir():
        (corpus / "wave16k" / path.name).write_bytes(b"RIFF, or so it says")
    damaged = refused(call, place, tmp_path / "out", "--index", index)
    assert damaged.code == 5 and "the recording of clip" in damaged.error and "cannot be used" in damaged.error
    alone = refused(call, place, tmp_path / "out", "--index", index, "--inject", "none", "--steps", 3, "--format", "npz")
    assert alone.code == 0, alone.err
