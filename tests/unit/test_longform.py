"""Long speech with a tiny model: the same windows as at once, the same bytes after a kill, every word in one window."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers_synthesis import Asking, Rates, toy_pipeline
from raggesture.account import Account
from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import CHUNK_FRAMES, MOTION_FPS, WINDOW_CHUNKS, frames_of_seconds
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import ConfigError, InputError, UsageError
from raggesture.leapfrog import batches
from raggesture.longform import LongForm, LongSpeech, ReadyWindow
from raggesture.longform_files import whole_of, write_whole
from raggesture.longform_work import Work, open_work
from raggesture.motion import Motion, read_npz, write_npz
from raggesture.options import GenerateOptions
from raggesture.pipeline import Pipeline
from raggesture.plan_file.reading import read_plan
from raggesture.plan_file.writing import write_plan
from raggesture.retrieval.place import owner_of
from raggesture.speech.sections import Timed
from raggesture.speech.voice_file import VoiceFile
from raggesture.trace import Trace
from raggesture.types import Cues, Query, Speech, Transcript, Word
from raggesture.windowing import WindowMade
from raggesture.windows import window_starts

STEPS = 6
OPTIONS = GenerateOptions(steps=STEPS)
HOLD = Hold(HoldOptions())
SAID = ["a", "huge", "mountain", "over", "there", "you", "had", "one", "idea"]
SECONDS = 200.3


class EveryFifth:
    """Asks for a gesture on every fifth word of what it is given, whatever that is."""

    name = "fifth"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def queries(self, speech: Speech, cues: Cues) -> list[Query]:
        self.asked.append(speech.transcript.text)
        kinds = {"huge": "iconic", "mountain": "iconic", "there": "deictic", "idea": "metaphoric"}
        return [Query(w.text, kinds[w.text], w.start, w.end) for w in speech.transcript.words if w.text in kinds]

    def rank(self, query, index):
        return Asking().rank(query, index)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return toy_pipeline(tmp_path_factory.mktemp("index") / "toy")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes of a hum that comes and goes, and a word a second."""
    path = tmp_path_factory.mktemp("voice") / "long.wav"
    t = np.arange(round(SECONDS * 16_000)) / 16_000
    wave = 0.2 * np.sin(2 * np.pi * 150 * t) * np.clip(np.sin(2 * np.pi * t / 1.0), 0, 1)
    soundfile.write(path, wave, 16_000, subtype="FLOAT")
    return path


TRANSCRIPT = Transcript(tuple(Word(SAID[k % len(SAID)], k + 0.1, k + 0.7) for k in range(int(SECONDS))))


def long_speech(path: Path) -> LongSpeech:
    return LongSpeech("long", VoiceFile(path), Timed(TRANSCRIPT))


def form(pipeline: Pipeline, options: GenerateOptions = OPTIONS, **more: int) -> LongForm:
    return LongForm(pipeline, options, EveryFifth(), HOLD, **more)


def made(pipeline: Pipeline, recording: Path, folder: Path, options: GenerateOptions = OPTIONS, **more: int) -> tuple[Trace, Motion, Work]:
    work = open_work(folder, {"what": "test"}, resume=True)
    account = form(pipeline, options, **more).run(long_speech(recording), work)
    trace = account.trace(pipeline.identities, options.seed, None, recording)
    return trace, whole_of(work.motions()), work


@pytest.fixture(scope="module")
def whole(pipeline: Pipeline, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Motion, Work]:
    return made(pipeline, recording, tmp_path_factory.mktemp("work") / "long")


def test_length_sections_and_account(whole: tuple[Trace, Motion, Work]) -> None:
    trace, motion, work = whole
    assert motion.frames == frames_of_seconds(SECONDS, MOTION_FPS) == 6009
    assert len(list(work.folder.glob("section-*.json"))) >= 3
    assert len(list(work.folder.glob("window-*"))) == len(window_starts(SECONDS)) == 23
    assert [w.text for w in trace.transcript.words] == [w.text for w in TRANSCRIPT.words]
    np.testing.assert_allclose([w.start for w in trace.transcript.words], [w.start for w in TRANSCRIPT.words], atol=1e-9)
    assert len(trace.cues.prominence) == len(TRANSCRIPT.words)
    assert trace.speech.duration_s == pytest.approx(SECONDS) and trace.speech.file == "long.wav"
    assert len(trace.placements) + len(trace.drops) == len(trace.queries) > 60
    assert {q.word for q in trace.queries} == {"huge", "mountain", "there", "idea"}


def test_every_query_once_and_strokes_on_their_frames(whole: tuple[Trace, Motion, Work]) -> None:
    trace, _, _ = whole
    wanted = [(w.text, w.start) for w in TRANSCRIPT.words if w.text in ("huge", "mountain", "there", "idea")]
    asked = [(q.word, q.start) for q in trace.queries]
    assert [word for word, _ in asked] == [word for word, _ in wanted]
    np.testing.assert_allclose([s for _, s in asked], [s for _, s in wanted], atol=1e-9)
    placed = sorted((p.start_s, p.end_s) for p in trace.placements)
    assert all(a[1] <= b[0] for a, b in pairwise(placed))
    for place in trace.placements:
        assert place.start_s <= trace.queries[place.query].stroke_s < place.end_s
    assert {p.window for p in trace.placements} >= set(range(1, 20))


def test_short_speech_is_what_generate_makes(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    t = np.arange(round(31.7 * 16_000)) / 16_000
    wave = (0.2 * np.sin(2 * np.pi * 150 * t)).astype(np.float32)
    soundfile.write(path, wave, 16_000, subtype="FLOAT")
    words = Transcript(tuple(w for w in TRANSCRIPT.words if w.end < 31))
    work = open_work(tmp_path / "work", {}, resume=True)
    account = form(pipeline).run(LongSpeech("short", VoiceFile(path), Timed(words)), work)
    at_once = pipeline.generate(Speech("short", wave, words), OPTIONS, retriever=EveryFifth(), schedule=HOLD, file=path)
    motion = whole_of(work.motions())
    np.testing.assert_array_equal(motion.rotations, at_once.motion.rotations)
    np.testing.assert_array_equal(motion.translation, at_once.motion.translation)
    trace = account.trace(pipeline.identities, 0, None, path)
    for name in ("speech", "transcript", "cues", "queries", "hits", "placements", "drops", "model", "index"):
        assert getattr(trace, name) == getattr(at_once.trace, name), name


def killed(folder: Path, whole: Work, windows: int, sections: int) -> None:
    """A folder as a kill after some windows leaves it."""
    folder.mkdir(parents=True)
    for path in whole.folder.iterdir():
        kind, _, number = path.stem.partition("-")
        if kind == "job" or (kind == "section" and int(number) < sections) or (kind in ("window", "motion") and int(number) < windows):
            (folder / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize(("windows", "sections"), [(1, 1), (8, 2), (13, 3), (23, 3)])
def test_what_was_cut_off_ends_with_the_same_bytes(
    pipeline: Pipeline, recording: Path, whole: tuple[Trace, Motion, Work], tmp_path: Path, windows: int, sections: int
) -> None:
    killed(tmp_path / "work", whole[2], windows, sections)
    (tmp_path / "work" / f".window-{windows:06d}.partial.safetensors").write_bytes(b"half of a file")
    work = open_work(tmp_path / "work", {"what": "test"}, resume=True)
    assert work.resumed
    retriever = EveryFifth()
    account = LongForm(pipeline, OPTIONS, retriever, HOLD).run(long_speech(recording), work)
    assert len(retriever.asked) == len(list(whole[2].folder.glob("section-*"))) - sections
    ours, theirs = work.motions(), whole[2].motions()
    assert [path.name for path in ours] == [path.name for path in theirs]
    assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]
    trace = account.trace(pipeline.identities, 0, None, recording)
    assert replace(trace, timings_s={}) == replace(whole[0], timings_s={})


def test_a_damaged_window_is_made_again(pipeline: Pipeline, recording: Path, whole: tuple[Trace, Motion, Work], tmp_path: Path) -> None:
    killed(tmp_path / "work", whole[2], 99, 99)
    path = tmp_path / "work" / "window-000009.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "work" / "motion-000009.npz").unlink()
    work = open_work(tmp_path / "work", {"what": "test"}, resume=True)
    form(pipeline).run(long_speech(recording), work)
    assert [path.read_bytes() for path in work.motions()] == [path.read_bytes() for path in whole[2].motions()]


def test_pieces_put_together_are_the_whole(whole: tuple[Trace, Motion, Work], tmp_path: Path) -> None:
    _, motion, work = whole
    write_whole(work.motions(), motion.frames, tmp_path / "pieces.npz")
    write_npz(motion, tmp_path / "once.npz")
    assert (tmp_path / "pieces.npz").read_bytes() == (tmp_path / "once.npz").read_bytes()
    np.testing.assert_array_equal(read_npz(tmp_path / "pieces.npz").rotations, motion.rotations)
    assert all(read_npz(path).frames for path in work.motions())


def test_work_of_another_job_is_not_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    work = open_work(folder, {"settings": {"generate.seed": 0}}, resume=True)
    with pytest.raises(UsageError, match="another process"):
        open_work(folder, {"settings": {"generate.seed": 0}}, resume=True)
    work.put_window(0, WindowMade(torch.zeros(1, 43, 8), (0.5,)))
    work.close()
    with pytest.raises(UsageError, match=r"generate\.seed was 0, is 1.*--no-resume"):
        open_work(folder, {"settings": {"generate.seed": 1}}, resume=True)
    again = open_work(folder, {"settings": {"generate.seed": 0}}, resume=True)
    assert again.resumed and again.window(0) is not None
    again.close()
    anew = open_work(folder, {"settings": {"generate.seed": 1}}, resume=False)
    assert not anew.resumed and anew.window(0) is None
    anew.remove()
    assert not folder.exists()


@pytest.mark.parametrize("parallel", [0, 2])
def test_a_plan_of_many_sections_followed_unedited_changes_no_byte_and_edited_what_it_says(
    pipeline: Pipeline, recording: Path, whole: tuple[Trace, Motion, Work], tmp_path: Path, parallel: int
) -> None:
    free = whole[2] if not parallel else made(pipeline, recording, tmp_path / "free", parallel=parallel)[2]
    planning = open_work(tmp_path / "planning", {}, resume=True)
    planned, heard = form(pipeline, parallel=parallel).plan(long_speech(recording), planning)
    assert not planning.motions() and [w.text for w in heard.words] == [w.text for w in TRANSCRIPT.words]
    path = tmp_path / "long.plan.toml"
    write_plan(planned, path, heard)
    retriever = EveryFifth()
    work = open_work(tmp_path / "followed", {}, resume=True)
    account = LongForm(pipeline, OPTIONS, retriever, HOLD, parallel=parallel).run(long_speech(recording), work, read_plan(path))
    assert retriever.asked == []
    assert [p.read_bytes() for p in work.motions()] == [p.read_bytes() for p in free.motions()]
    assert len(account.inserted) == len(planned.gesture) and any("followed the plan" in note for note in account.notes)
    fewer = replace(planned, gesture=planned.gesture[1:])
    write_plan(fewer, path, heard)
    edited = open_work(tmp_path / "edited", {}, resume=True)
    account = form(pipeline, parallel=parallel).run(long_speech(recording), edited, read_plan(path))
    assert len(account.inserted) == len(planned.gesture) - 1
    assert edited.motions()[0].read_bytes() != work.motions()[0].read_bytes()
    other = replace(planned, speech=replace(planned.speech, sha256="0" * 64))
    write_plan(other, path)
    with pytest.raises(InputError, match="is for 'long'"):
        form(pipeline, parallel=parallel).run(long_speech(recording), open_work(tmp_path / "other", {}, resume=True), read_plan(path))


@pytest.mark.parametrize("parallel", [1, 3])
def test_in_parallel(pipeline: Pipeline, recording: Path, whole: tuple[Trace, Motion, Work], tmp_path: Path, parallel: int) -> None:
    trace, motion, work = made(pipeline, recording, tmp_path / "work", parallel=parallel)
    assert motion.frames == whole[1].frames
    assert [q.word for q in sorted(trace.queries, key=lambda q: q.start)] == [q.word for q in whole[0].queries]
    assert len(trace.placements) + len(trace.drops) == len(trace.queries)
    starts = [9.0 * k for k in range(23)]
    for place in trace.placements:
        chunks = [round(s) for s in np.arange(place.start_s, place.end_s)]
        assert all(owner_of(chunk, [round(15 * s) for s in starts], leapfrog=True) == place.window for chunk in chunks)
    places = forward_kinematics(torch.from_numpy(motion.rotations.copy()))[0].numpy()[:, [20, 21]]
    steps = np.linalg.norm(np.diff(places, axis=0), axis=-1).max(axis=1)
    seams = np.concatenate([np.arange(30 * second, 30 * second + 30) for second in range(9, 198, 9)])
    assert steps[seams].max() <= 1.2 * np.delete(steps, seams).max()
    killed(tmp_path / "killed", work, 9, 2)
    again = open_work(tmp_path / "killed", {"what": "test"}, resume=True)
    form(pipeline, parallel=parallel).run(long_speech(recording), again)
    assert [path.read_bytes() for path in again.motions()] == [path.read_bytes() for path in work.motions()]


class _Window:
    def __init__(self, number: int) -> None:
        self.number = number


@given(windows=st.integers(1, 60), size=st.integers(1, 9))
def test_batches_hold_every_window_once_and_none_before_its_neighbours(windows: int, size: int) -> None:
    done: set[int] = set()
    for batch in batches((_Window(k) for k in range(windows)), size, windows):
        numbers = [window.number for window in batch]
        assert numbers and len(numbers) <= size + 1 and len({n % 2 for n in numbers}) == 1
        for number in numbers:
            assert number not in done
            if number % 2:
                assert number - 1 in done and (number + 1 in done or number + 1 == windows)
        done.update(numbers)
    assert done == set(range(windows))


@settings(max_examples=60)
@given(seconds=st.floats(0.5, 400), leapfrog=st.booleans())
def test_every_second_has_one_owner_that_sees_it(seconds: float, leapfrog: bool) -> None:
    starts = window_starts(seconds)
    for chunk in range(-(-round(seconds * 15) // CHUNK_FRAMES)):
        owner = owner_of(chunk, starts, leapfrog=leapfrog)
        assert owner is not None and 0 <= chunk - starts[owner] // CHUNK_FRAMES < WINDOW_CHUNKS


def test_refusals(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigError, match="parallel: -1"):
        form(pipeline, parallel=-1)
    with pytest.raises(ConfigError, match="released"):
        form(pipeline, replace(OPTIONS, guided_loop="released"))
    with pytest.raises(ConfigError, match="given"):
        LongForm(pipeline, OPTIONS, EveryFifth(), Rates([0.5]))


def test_an_account_without_words_says_silence(recording: Path) -> None:
    assert Account("x", VoiceFile(recording)).transcript == Transcript((), source="silence")
    assert ReadyWindow.__slots__


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "talk.longform"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    for resume in (True, False):
        with pytest.raises(UsageError, match=r"holds 'thesis\.tex', which is none of this program's"):
            open_work(folder, {}, resume=resume)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_section_of_silence_does_not_name_the_source_of_all_words(recording: Path) -> None:
    account = Account("x", VoiceFile(recording))
    for transcript in (Transcript((), source="silence"), Transcript((Word("so", 0.1, 0.3),), source="whisper+aligned")):
        account.understand(Trace.of(speech=Speech("x", np.zeros(16_000, np.float32), transcript), cues=Cues()), 0.0)
    assert account.transcript.source == "whisper+aligned"
