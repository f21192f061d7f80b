"""Corpora with faults: each is named by file and row, and one bad clip does not lose the build."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers_library import at_rate, humming, make_corpus, make_plain, make_take, moving, with_poses, without
from helpers_retrieval import ToyAudio, ToyText
from raggesture.corpus.take import take_files, write_split, write_take
from raggesture.errors import InputError
from raggesture.motion import Motion, write_npz
from raggesture.retrieval.index import Index
from raggesture.retrieval.update import Choice, Report, build_corpus
from raggesture.retrieval.verify import verify_index

GOOD, BAD = "1_ann_0_1_1", "2_bob_0_1_1"


def build(corpus: Path, **options: object) -> Report:
    return build_corpus(corpus, corpus.parent / "index", (ToyText(), ToyAudio()), Choice(**options))  # type: ignore[arg-type]


def _file(corpus: Path, kind: str) -> Path:
    return take_files(corpus, BAD)[kind]


def _nan(corpus: Path) -> None:
    poses = np.array(moving(10.5).rotations).reshape(-1, 165)
    poses[77, 12] = np.nan
    with_poses(_file(corpus, "motion"), poses)


def _flat_hands(corpus: Path) -> None:
    rotations = np.array(moving(10.5).rotations)
    rotations[:, 25:] = 0.1
    write_npz(Motion(rotations, np.zeros((315, 3), np.float32), np.zeros((315, 100), np.float32)), _file(corpus, "motion"))


def _voice_of(seconds: float) -> Callable[[Path], None]:
    import soundfile

    return lambda corpus: soundfile.write(_file(corpus, "wave"), humming(seconds), 16000)


def _discourse(corpus: Path, change: Callable[[dict[str, list[dict[str, object]]]], object]) -> None:
    path = _file(corpus, "discourse")
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _empty_textgrid(corpus: Path) -> None:
    without(corpus, BAD, "discourse", "prominence")
    text = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 10\ntiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n'
    text += '        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n        xmax = 10\n        intervals: size = 1\n'
    _file(corpus, "words").write_text(text + '        intervals [1]:\n            xmin = 0\n            xmax = 10\n            text = ""\n')


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "motion without audio": (lambda c: without(c, BAD, "wave"), rf"smplxflame_30/{BAD}\.npz: motion without audio"),
    "no motion": (lambda c: without(c, BAD, "motion"), rf"smplxflame_30/{BAD}\.npz: no such file"),
    "no words": (lambda c: without(c, BAD, "words", "discourse"), rf"textgrid/{BAD}\.TextGrid: no such file"),
    "audio too short": (_voice_of(4.0), rf"wave16k/{BAD}\.wav: 4\.00 s of audio for 10\.53? s of motion"),
    "audio too long": (_voice_of(60.0), rf"wave16k/{BAD}\.wav: 60\.00 s of audio"),
    "silent header": (lambda c: _file(c, "wave").write_bytes(b"RIFF"), rf"wave16k/{BAD}\.wav"),
    "SMPL-H": (lambda c: with_poses(_file(c, "motion"), np.zeros((60, 156))), rf"{BAD}\.npz: poses \(60, 156\); .*SMPL-H"),
    "flat hands": (_flat_hands, rf"{BAD}\.npz: flat hands"),
    "120 fps": (lambda c: write_take(c, at_rate(make_take(BAD), 120.0)), rf"{BAD}\.wav: 10.50 s of audio for 2.6"),
    "25 fps": (lambda c: write_take(c, at_rate(make_take(BAD), 25.0)), rf"{BAD}\.npz: 25 fps; expected 15 or a multiple"),
    "NaN": (_nan, rf"{BAD}\.npz: .*not finite at frame 77"),
    "not an npz": (lambda c: _file(c, "motion").write_bytes(b"PK\x03\x04 nothing"), rf"{BAD}\.npz: cannot be read"),
    "empty file": (lambda c: _file(c, "motion").write_bytes(b""), rf"{BAD}\.npz: cannot be read"),
    "empty TextGrid": (_empty_textgrid, rf"{BAD}.*(no words|cannot be read as a TextGrid)"),
    "broken TextGrid": (lambda c: (without(c, BAD, "discourse"), _file(c, "words").write_text("nonsense")), rf"{BAD}\.TextGrid: cannot be read"),
    "sem: too few columns": (lambda c: _file(c, "labels").write_text("06_iconic_h\t1.0\n"), rf"sem/{BAD}\.txt: row 1 has 2 columns"),
    "sem: no number": (
        lambda c: _file(c, "labels").write_text("01_beat\t1\t2\n01_beat\tone\t2\n"),
        rf"{BAD}\.txt: row 2, start is 'one'",
    ),
    "sem: ends before it starts": (lambda c: _file(c, "labels").write_text("06_iconic_h\t3\t2\t1\t0\tx\n"), rf"{BAD}\.txt: row 1 ends"),
    "strokes out of order": (lambda c: _file(c, "strokes").write_text("1\tbig\t3\t2\t1\t0\n"), rf"strokes/{BAD}\.tsv: row 1"),
    "prominence: no number": (lambda c: _file(c, "prominence").write_text(f"{BAD}\t0\t1\ta\thigh\t0\n"), rf"prom/{BAD}\.prom: row 1, prominence is 'high'"),
    "discourse: not JSON": (lambda c: _file(c, "discourse").write_text("{"), rf"{BAD}_whisper_relations\.json: cannot be read"),
    "discourse: token out of range": (
        lambda c: _discourse(c, lambda data: data["relations"][0]["Arg1"].update(TokenList=[999])),  # type: ignore[attr-defined]
        rf"{BAD}_whisper_relations\.json: relation 1",
    ),
    "discourse: token without time": (
        lambda c: _discourse(c, lambda data: data["sentences"][0]["tokens"][0].pop("startSec")),  # type: ignore[attr-defined]
        rf"{BAD}_whisper_relations\.json: sentence 1",
    ),
}


ROWS = (
    "sem: too few columns",
    "sem: no number",
    "sem: ends before it starts",
    "strokes out of order",
    "prominence: no number",
    "discourse: token out of range",
    "discourse: token without time",
)
"""Faults that cost a row, not its clip."""


@pytest.mark.parametrize("fault", ROWS)
def test_a_bad_row_is_left_out_and_named(tmp_path: Path, fault: str) -> None:
    corpus = make_corpus(tmp_path / "c", (GOOD, BAD))
    harm, message = FAULTS[fault]
    harm(corpus)
    with pytest.raises(InputError, match="--strict"):
        build(corpus, strict=True)
    report = build(corpus)
    assert report.clips == (GOOD, BAD)
    left = report.left_out[0]
    assert (left.clip, left.whole) == (BAD, False) and re.search(message, left.reason), left.reason
    assert {e.clip for e in Index.open(tmp_path / "index").exemplars} == {GOOD, BAD}


def test_a_row_outside_its_clip_is_named_and_no_fault(tmp_path: Path) -> None:
    """BEAT2's own labels have such rows; the published code drops them."""
    corpus = make_corpus(tmp_path / "c", (GOOD, BAD))
    sem = _file(corpus, "labels")
    sem.write_text(sem.read_text() + "06_iconic_h\t500\t501\t1\t0.6\tlate\n")
    report = build(corpus, strict=True)
    (left,) = report.left_out
    assert not left.whole and left.outside and re.search(rf"{BAD}\.txt: row 5", left.reason), left.reason
    assert "late" not in {e.word for e in Index.open(tmp_path / "index").exemplars}


@pytest.mark.parametrize("fault", [each for each in FAULTS if each not in ROWS])
def test_one_bad_clip_is_left_out_and_named(tmp_path: Path, fault: str) -> None:
    corpus = make_corpus(tmp_path / "c", (GOOD, BAD))
    harm, message = FAULTS[fault]
    harm(corpus)
    report = build(corpus)
    assert report.clips == (GOOD,)
    (left,) = report.left_out
    assert left.clip == BAD and re.search(message, left.reason), left.reason
    assert "; expected " in left.reason and " - " in left.reason, left.reason
    assert {e.clip for e in Index.open(tmp_path / "index").exemplars} == {GOOD}


def test_strict_builds_nothing_and_goes_on_after_the_repair(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "c", (GOOD, BAD))
    without(corpus, BAD, "wave")
    with pytest.raises(InputError, match=rf"1 clips or rows cannot be used .*{BAD}\.npz: motion without audio.*--strict"):
        build(corpus, strict=True)
    assert not (tmp_path / "index").exists()
    _voice_of(10.5)(corpus)
    assert build(corpus, strict=True).clips == (GOOD, BAD)


def test_audio_without_motion_is_named(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "c", (GOOD, BAD), split=None)
    without(corpus, BAD, "motion")
    (left,) = build(corpus).left_out
    assert left.clip == BAD and f"{BAD}.wav: audio without motion" in left.reason


def test_a_corpus_of_one_clip(tmp_path: Path) -> None:
    report = build(make_corpus(tmp_path / "c", (GOOD,)))
    assert report.clips == (GOOD,) and not report.left_out


def test_a_corpus_of_bad_clips_alone(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "c", (BAD,))
    without(corpus, BAD, "wave")
    with pytest.raises(InputError, match=r"no clips to index .*motion without audio"):
        build(corpus)
    assert not (tmp_path / "index").exists()


def test_a_clip_listed_twice_is_taken_once(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "c", (GOOD, BAD))
    write_split(corpus, [(GOOD, "train"), (BAD, "train"), (GOOD, "train")])
    report = build(corpus)
    assert report.clips == (GOOD, BAD)
    assert [each.clip for each in report.left_out] == [GOOD] and "twice" in report.left_out[0].reason


def test_takes_of_one_name_in_two_folders(tmp_path: Path) -> None:
    make_plain(tmp_path / "c" / "ann", "hello")
    make_plain(tmp_path / "c" / "bob", "hello", 1)
    report = build(tmp_path / "c")
    assert report.clips == ("hello",) and "twice" in report.left_out[0].reason


@pytest.mark.parametrize(("suffix", "message"), [(".wav", "motion without audio"), (".npz", "audio without motion")])
def test_half_a_take(tmp_path: Path, suffix: str, message: str) -> None:
    make_plain(tmp_path / "c", "hello")
    make_plain(tmp_path / "c", "half", 1)
    (tmp_path / "c" / f"half{suffix}").unlink()
    (left,) = build(tmp_path / "c").left_out
    assert left.clip == "half" and message in left.reason


def test_a_take_with_a_broken_transcript(tmp_path: Path) -> None:
    make_plain(tmp_path / "c", "hello")
    make_plain(tmp_path / "c", "bad", 1)
    (tmp_path / "c" / "bad.json").write_text('{"words": [{"word": "a", "start": "soon", "end": 1}]}')
    (left,) = build(tmp_path / "c").left_out
    assert left.clip == "bad" and "bad.json" in left.reason


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), (" \n", "is empty"), ("a\x00b", "not a text file")])
def test_a_take_whose_text_file_cannot_be_read_does_not_lose_the_build(tmp_path: Path, content: str, message: str) -> None:
    make_plain(tmp_path / "c", "hello")
    make_plain(tmp_path / "c", "bad", 1)
    (tmp_path / "c" / "bad.json").unlink(missing_ok=True)
    (tmp_path / "c" / "bad.txt").write_text(content)
    report = build(tmp_path / "c")
    (left,) = report.left_out
    assert report.clips == ("hello",) and "bad.txt" in left.reason and message in left.reason


@pytest.mark.parametrize("root", ["empty", "nowhere"])
def test_no_corpus(tmp_path: Path, root: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="BEAT2"):
        build(tmp_path / root)
    assert not (tmp_path / "index.work").exists()


def test_odd_names_and_paths(tmp_path: Path) -> None:
    names = ("7_zoë o'hara_0_1_1", "8_李雷_0_1_1", "9_a%b;c--_0_1_1")
    root = tmp_path / "mein Körper & ich" / "c"
    make_corpus(root, names)
    report = build(root)
    assert report.clips == names and not report.left_out
    index = Index.open(root.parent / "index")
    assert set(index.events.speakers) == {"zoë o'hara", "李雷", "a%b;c--"}
    index.clip_window("8_李雷_0_1_1", 0)


def test_many_tiny_clips(tmp_path: Path) -> None:
    """Three hundred clips of a second; ten thousand were measured once (see the benchmark)."""
    names = tuple(f"{k}_sp{k % 7}_0_1_1" for k in range(300))
    root = tmp_path / "c"
    for seed, name in enumerate(names):
        write_take(root, make_take(name, seed, "huge"))
    report = build(root)
    assert len(report.clips) == 300 and not report.left_out
    assert len(Index.open(tmp_path / "index").events.clips) == 300


def test_what_is_no_npz_is_named_without_the_advice_to_load_it_unsafely(tmp_path: Path) -> None:
    make_plain(tmp_path / "c", "hello")
    make_plain(tmp_path / "c", "bad", 1)
    (tmp_path / "c" / "bad.npz").write_bytes(b"hello")
    (left,) = build(tmp_path / "c").left_out
    assert "bad.npz: cannot be read as npz" in left.reason and "allow_pickle" not in left.reason


def test_verify_calls_a_file_that_is_gone_one_of_the_index(tmp_path: Path) -> None:
    build(make_plain(tmp_path / "c"))
    next((tmp_path / "index").glob("vectors-*")).unlink()
    (fault,) = verify_index(tmp_path / "index").faults
    assert "vectors-" in fault and "no such file" in fault and "model" not in fault
