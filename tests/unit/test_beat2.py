"""Reading corpora in BEAT2's layout: the real take, and files with faults."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raggesture.corpus.beat2 import clip_ids, complete, read_clip, read_corpus, speaker_of, transcript_of
from raggesture.corpus.body_file import read_body
from raggesture.corpus.faults import STRICT, Skipped
from raggesture.corpus.split import published_speaker, speaker_number
from raggesture.errors import InputError
from raggesture.motion import Motion, write_npz

NAME = "2_scott_0_1_1"
WORDS = (("so", 0.5, 0.7), ("big", 1.0, 1.4), ("but", 2.0, 2.2), ("it", 2.2, 2.3), ("is", 2.3, 2.4), ("n't", 2.3, 2.4), (".", 2.4, 2.4))


def _write(root: Path, name: str = NAME) -> Path:
    for folder in ("smplxflame_30", "sem", "discourse_rels", "prom", "strokes", "wave16k"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    frames = 90
    rng = np.random.default_rng(0)
    arrays = (rng.normal(0, 0.1, shape).astype(np.float32) for shape in ((frames, 55, 3), (frames, 3), (frames, 100)))
    write_npz(Motion(*arrays), root / "smplxflame_30" / f"{name}.npz")
    t = np.arange(3 * 16000) / 16000
    soundfile.write(root / "wave16k" / f"{name}.wav", (0.2 * np.sin(700 * t)).astype(np.float32), 16000)
    (root / "sem" / f"{name}.txt").write_text("06_iconic_h\t1.0\t1.9\t0.9\t0.6\tbig\nneed_cut\t0\t1\t1\t0\n01_beat_align\t2.5\t9.0\t6.5\t0.1\n")
    (root / "prom" / f"{name}.prom").write_text(f"{name}\t1.0\t1.4\tbig\t1.75\t0\n{name}\t2.0\t2.2\tbut\t0.5\t1\n")
    tokens = [{"surface": text, "startSec": start, "endSec": end} for text, start, end in WORDS]
    relation = {
        "Connective": {"RawText": "but", "TokenList": [2]},
        "Arg1": {"TokenList": [0, 1]},
        "Arg2": {"TokenList": [3, 4, 5]},
        "Sense": ["Comparison.Contrast"],
    }
    empty = {"Connective": {"RawText": "", "TokenList": []}, "Arg1": {"TokenList": []}, "Arg2": {"TokenList": []}, "Sense": ["x"]}
    sentences = [{"tokens": tokens[:2]}, {"tokens": tokens[2:]}]
    (root / "discourse_rels" / f"{name}_whisper_relations.json").write_text(json.dumps({"sentences": sentences, "relations": [relation, empty]}))
    return root


def test_real_take(beat2_mini) -> None:
    (clip,) = read_corpus(beat2_mini)
    assert (clip.name, clip.speaker, clip.motion.fps) == (NAME, "scott", 15.0)
    assert len(clip.transcript.words) == 199 and clip.transcript.words[0].text == "the"
    assert [label.kind for label in clip.labels[:3]] == ["beat", "iconic", "beat"]
    assert clip.labels[1].word == "relaxing" and clip.labels[1].stroke is None and clip.labels[1].gesture == ""
    assert clip.derived == ("relations", "prominence") and clip.wave_path is not None
    assert clip.betas is not None and clip.betas.shape == (300,) and clip.betas.any() and clip.labels[1].score == pytest.approx(0.7)


def test_real_take_completed(beat2_mini) -> None:
    (whole,) = read_corpus(beat2_mini, derive=True)
    assert whole.derived == ("relations", "prominence")
    assert len(whole.prominence) == 199 and whole.relations and np.std(whole.prominence) > 0.1


def test_all_pieces(tmp_path) -> None:
    clip = read_clip(_write(tmp_path), NAME)
    assert [word.text for word in clip.transcript.words] == ["so", "big", "but", "it", "isn't"]
    assert clip.transcript.words[-1].after == "."
    assert clip.prominence == (0.0, 1.75, 0.5, 0.0, 0.0) and clip.derived == ()
    (relation,) = clip.relations
    assert (relation.arg1, relation.arg2, relation.sense) == ("so big", "it is n't", "Comparison.Contrast")
    assert (relation.start, relation.end, relation.connective_start) == (0.5, 2.4, 2.0)
    assert [(label.kind, label.word, label.end) for label in clip.labels] == [("iconic", "big", 1.9), ("beat", "", 3.0)]
    assert complete(clip) is clip


def test_window_of_words(tmp_path) -> None:
    clip = read_clip(_write(tmp_path), NAME)
    assert [(word.text, round(word.start, 2)) for word in transcript_of(clip, 0.9, 2.2).words] == [("big", 0.1), ("but", 1.1)]


def test_splits_and_speakers(tmp_path) -> None:
    names = ("2_scott_0_1_1", "3_lu_0_1_1", "2_scott_0_2_2", "2_scott_0_9_9")
    for name in names:
        _write(tmp_path, name)
    (tmp_path / "train_test_split.csv").write_text(
        "id,type\n" + "".join(f"{n},{k}\n" for n, k in zip(names, ("train", "test", "train", "additional"), strict=True))
    )
    assert clip_ids(tmp_path, "train") == (names[3], names[0], names[2])
    assert clip_ids(tmp_path, None, {"lu"}) == ("3_lu_0_1_1",)
    assert [clip.speaker for clip in read_corpus(tmp_path, "test")] == ["lu"]
    with pytest.raises(InputError, match="did you mean 'test'"):
        read_corpus(tmp_path, "tset")


def test_no_corpus_and_no_split_file(tmp_path) -> None:
    with pytest.raises(InputError, match="BEAT2's layout"):
        read_corpus(tmp_path)
    _write(tmp_path)
    with pytest.raises(InputError, match="train_test_split"):
        read_corpus(tmp_path, "train")
    (tmp_path / "train_test_split.csv").write_text("name,kind\na,b\n")
    with pytest.raises(InputError, match="id,type"):
        read_corpus(tmp_path, "train")
    (tmp_path / "train_test_split.csv").write_text("id,type\n../x,train\n")
    with pytest.raises(InputError, match="row 2"):
        read_corpus(tmp_path, "train", strict=True)


@pytest.mark.parametrize(
    ("file", "text", "says", "row"),
    [
        ("sem/{}.txt", "06_iconic_h\t1.0\n", r"sem.*row 1 has 2 columns", 1),
        ("sem/{}.txt", "01_beat_align\t0\t1\n06_iconic_h\tx\t2\t1\t1\tbig\n", r"sem.*row 2, start is 'x'", 2),
        ("sem/{}.txt", "06_iconic_h\t1\t2\t1\tnan\tbig\n", r"sem.*row 1, score is 'nan'", 1),
        ("sem/{}.txt", "06_iconic_h\t3\t2\t1\t1\tbig\n", r"sem.*row 1 ends at 2.0 s before", 1),
        ("sem/{}.txt", "06_iconic_h\t9\t10\t1\t1\tbig\n", r"sem.*row 1, from 9.0 s to 10.0 s; expected times inside the 3.00 s", 1),
        ("sem/{}.txt", "06_iconic_h\t-2\t-1\t1\t1\tbig\n", r"sem.*row 1, from -2.0 s to -1.0 s", 1),
        ("prom/{}.prom", "a\t1\t2\tbig\tnan\t0\n", r"prom.*row 1, prominence", 1),
        ("prom/{}.prom", "a\t1\t2\tbig\t1\t0\na\t2\t1\tbut\t1\t0\n", r"prom.*row 2, from 2.0 s to 1.0 s", 2),
        ("strokes/{}.tsv", "1\tbig\t0.5\t0.4\t0.6\t0.8\n", r"strokes.*row 1, times", 1),
        ("discourse_rels/{}_whisper_relations.json", '{"sentences": [{"tokens": [{"surface": "a"}]}], "relations": []}', r"sentence 1, token .* row 1", 1),
        ("discourse_rels/{}_whisper_relations.json", '{"sentences": [{"tokens": ["a"]}], "relations": []}', r"sentence 1, token 'a'", 1),
        ("discourse_rels/{}_whisper_relations.json", '{"sentences": [], "relations": [{"Sense": []}]}', r"relation 1", 1),
    ],
)
def test_a_bad_row_costs_the_row(tmp_path, file, text, says, row) -> None:
    _write(tmp_path)
    (tmp_path / file.format(NAME)).write_text(text)
    lost: list[Skipped] = []
    (clip,) = read_corpus(tmp_path, skipped=lost.append)
    assert clip.name == NAME and [(fault.clip, fault.row, fault.whole) for fault in lost] == [(NAME, row, False)]
    assert re.search(says, lost[0].reason) and lost[0].path == tmp_path / file.format(NAME)
    with pytest.raises(InputError, match=says):
        list(read_corpus(tmp_path, strict=True))


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("discourse_rels/{}_whisper_relations.json", b"{", r"discourse_rels.*expected JSON"),
        ("sem/{}.txt", b"\xff\xfe\x00\x01", r"sem.*expected tab-separated"),
        ("prom/{}.prom", b"\xff\xfe\x00\x01", r"prom.*expected tab-separated"),
        ("smplxflame_30/{}.npz", b"PK", r"smplxflame_30.*expected a motion"),
        ("smplxflame_30/{}.npz", None, r"smplxflame_30.*no such file"),
        ("wave16k/{}.wav", None, r"wave16k.*no such file; expected the clip's recording"),
        ("discourse_rels/{}_whisper_relations.json", None, r"no such file, nor"),
    ],
)
def test_a_bad_file_costs_the_clip_and_no_other(tmp_path, file, content, says, caplog) -> None:
    other = "3_lu_0_1_1"
    _write(tmp_path), _write(tmp_path, other)
    (tmp_path / "train_test_split.csv").write_text(f"id,type\n{NAME},train\n{other},train\n")
    path = tmp_path / file.format(NAME)
    path.unlink() if content is None else path.write_bytes(content)
    lost: list[Skipped] = []
    assert [clip.name for clip in read_corpus(tmp_path, "train", skipped=lost.append)] == [other]
    assert [(fault.clip, fault.row) for fault in lost] == [(NAME, None)] and re.search(says, lost[0].reason)
    assert list(read_corpus(tmp_path, "train")) and NAME in caplog.text
    with pytest.raises(InputError, match=says):
        list(read_corpus(tmp_path, "train", strict=True))


@pytest.mark.parametrize(("file", "piece"), [("sem/{}.txt", "labels"), ("prom/{}.prom", "prominence")])
def test_missing_annotations_are_no_crash(tmp_path, file, piece) -> None:
    """The published code crashes on both."""
    _write(tmp_path)
    (tmp_path / file.format(NAME)).unlink()
    (clip,) = read_corpus(tmp_path, strict=True)
    assert clip.derived == (piece,) and not getattr(clip, piece)
    (whole,) = read_corpus(tmp_path, strict=True, derive=True)
    assert whole.derived == (piece,) and (piece == "labels" or len(whole.prominence) == len(whole.transcript.words))


def _npz(path: Path, **changes: np.ndarray | None) -> None:
    arrays = {
        "poses": np.zeros((120, 165), np.float32), "trans": np.zeros((120, 3), np.float32), "expressions": np.zeros((120, 100), np.float32),
        "betas": np.ones(300, np.float32), "mocap_frame_rate": np.array(30),
    }  # fmt: skip
    arrays["poses"][:, 0] = np.arange(120)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: array for name, array in {**arrays, **changes}.items() if array is not None})


@pytest.mark.parametrize(("fps", "frames", "third"), [(30, 60, 4), (60, 30, 8), (120, 15, 16), (15, 120, 2), (45, 40, 6)])
def test_other_rates_are_taken_where_frames_fit(tmp_path, fps, frames, third) -> None:
    _npz(tmp_path / "a.npz", mocap_frame_rate=np.array(fps))
    body = read_body(tmp_path / "a.npz")
    assert (body.motion.fps, body.motion.frames, body.file_fps, body.motion.rotations[2, 0, 0]) == (15.0, frames, fps, third)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mocap_frame_rate": np.array(25)}, "25 fps; expected 15 or a multiple of it"),
        ({"mocap_frame_rate": np.array(0)}, "0 fps; expected"),
        ({"mocap_frame_rate": np.array(np.nan)}, "nan fps; expected"),
        ({"poses": np.zeros((120, 156), np.float32)}, r"poses \(120, 156\); expected \(frames, 165\).*SMPL-H"),
        ({"poses": np.full((120, 165), np.nan, np.float32)}, "rotations is not finite at frame 0"),
        ({"trans": np.zeros((119, 3), np.float32)}, r"translation has shape \(119, 3\); expected \(120, 3\)"),
        ({"expressions": np.zeros((120, 50), np.float32)}, "expression has shape"),
        ({"betas": np.full(300, np.inf, np.float32)}, "betas"),
        ({"betas": np.zeros((2, 3, 4), np.float32)}, "betas"),
        ({"betas": np.array([{"a": 1}], dtype=object)}, "without pickles"),
        ({"poses": np.zeros((0, 165), np.float32), "trans": np.zeros((0, 3), np.float32), "expressions": np.zeros((0, 100), np.float32)}, "no frames"),
    ],
)
def test_bodies_that_are_refused(tmp_path, changes, says) -> None:
    _write(tmp_path)
    path = tmp_path / "smplxflame_30" / f"{NAME}.npz"
    _npz(path, **changes)
    with pytest.raises(InputError, match=says) as caught:
        read_clip(tmp_path, NAME)
    assert str(caught.value).startswith(str(path))


def test_shapes_of_bodies(tmp_path) -> None:
    _npz(tmp_path / "a.npz", betas=np.arange(10.0))
    assert read_body(tmp_path / "a.npz").betas[:11].tolist() == [*range(10), 0]
    _npz(tmp_path / "b.npz", betas=np.tile(np.arange(300.0), (120, 1)), expressions=None, mocap_frame_rate=None)
    body = read_body(tmp_path / "b.npz")
    assert body.betas.tolist() == list(range(300)) and body.file_fps == 30 and not body.motion.expression.any()
    _npz(tmp_path / "c.npz", betas=None)
    assert not read_body(tmp_path / "c.npz").betas.any()


def test_duplicate_ids_and_rows_without_an_id(tmp_path) -> None:
    _write(tmp_path)
    (tmp_path / "train_test_split.csv").write_text(f"id,type\n{NAME},train\n,train\n{NAME},train\n")
    lost: list[Skipped] = []
    assert len(list(read_corpus(tmp_path, "train", skipped=lost.append))) == 1
    assert [fault.row for fault in lost] == [3, 4] and "first in row 2" in lost[1].reason
    with pytest.raises(InputError, match="row 3 is ''"):
        read_corpus(tmp_path, "train", strict=True)
    (tmp_path / "train_test_split.csv").write_text(f"id,type\n{NAME},train\n{NAME},train\n")
    with pytest.raises(InputError, match="row 3 names '2_scott_0_1_1' again"):
        read_corpus(tmp_path, "train", strict=True)


def test_published_speakers() -> None:
    ids = [*(n for n in range(1, 26) if n not in (8, 14, 19)), 27, 28, 30]
    found = [published_speaker(f"{n}_x_0_1_1") for n in ids]
    assert sorted(found) == list(range(25)) and found[-3:] == [18, 13, 7] and published_speaker("2_scott_0_1_1") == 1
    for clip, says in (("take7", "no number"), ("29_x_0_1_1", "speaker number 29"), ("0_x_0_1_1", "speaker number 0")):
        with pytest.raises(InputError, match=says):
            published_speaker(clip)
    assert speaker_number("take7") is None and speaker_number("7_take") == 7


def test_published_selection(tmp_path) -> None:
    (tmp_path / "smplxflame_30").mkdir()
    rows = [(f"2_scott_0_{k}_{k}", "train") for k in range(10)] + [("3_lu_0_1_1", "test"), ("2_scott_1_0_0", "additional"), ("odd", "train")]
    (tmp_path / "train_test_split.csv").write_text("id,type\n" + "".join(f"{name},{kind}\n" for name, kind in rows))
    assert clip_ids(tmp_path, "train", {2})[:2] == ("2_scott_1_0_0", "2_scott_0_0_0") and "odd" not in clip_ids(tmp_path, "train", {2})
    assert "odd" in clip_ids(tmp_path, "train") and clip_ids(tmp_path, "train", {2}, additional=False)[0] == "2_scott_0_0_0"
    assert clip_ids(tmp_path, "test", {2}) == () and clip_ids(tmp_path, "test", {3}) == ("3_lu_0_1_1",)
    assert clip_ids(tmp_path, "test", {2}, fallback=True) == tuple(f"2_scott_0_{k}_{k}" for k in range(8))


def test_rows_outside_are_left_out_of_a_single_clip_too(tmp_path, caplog) -> None:
    _write(tmp_path)
    (tmp_path / "sem" / f"{NAME}.txt").write_text("06_iconic_h\t9\t10\t1\t1\tbig\n06_iconic_h\t1\t2\t1\t1\tbig\n")
    assert len(read_clip(tmp_path, NAME).labels) == 1 and "row 1, from 9.0 s" in caplog.text
    with pytest.raises(InputError, match=r"row 1, from 9\.0 s"):
        read_clip(tmp_path, NAME, STRICT)


def test_relations_of_tokens_that_were_left_out(tmp_path) -> None:
    _write(tmp_path)
    path = tmp_path / "discourse_rels" / f"{NAME}_whisper_relations.json"
    data = json.loads(path.read_text())
    data["sentences"][0]["tokens"][0]["startSec"] = "?"  # of the first argument: the relation stays
    path.write_text(json.dumps(data))
    (clip,) = read_corpus(tmp_path, skipped=lambda fault: None)
    assert clip.relations[0].arg1 == "big" and clip.relations[0].start == 1.0
    data["sentences"][1]["tokens"][0]["endSec"] = None  # the connective
    path.write_text(json.dumps(data))
    (clip,) = read_corpus(tmp_path, skipped=lambda fault: None)
    assert clip.relations == () and [word.text for word in clip.transcript.words] == ["big", "it", "isn't"]


def test_missing_words_and_broken_motion(tmp_path) -> None:
    _write(tmp_path)
    (tmp_path / "discourse_rels" / f"{NAME}_whisper_relations.json").unlink()
    with pytest.raises(InputError, match="TextGrid"):
        read_clip(tmp_path, NAME)
    (tmp_path / "textgrid").mkdir()
    (tmp_path / "textgrid" / f"{NAME}.TextGrid").write_text("nonsense")
    with pytest.raises(InputError, match="TextGrid"):
        read_clip(tmp_path, NAME)
    (tmp_path / "smplxflame_30" / f"{NAME}.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="npz"):
        read_clip(tmp_path, NAME)


def test_completing_without_a_voice_says_so(tmp_path) -> None:
    _write(tmp_path)
    (tmp_path / "prom" / f"{NAME}.prom").unlink()
    (tmp_path / "wave16k" / f"{NAME}.wav").unlink()
    clip = read_clip(tmp_path, NAME)
    assert clip.derived == ("prominence",)
    with pytest.raises(InputError, match="wave16k"):
        complete(clip)


def test_speaker_of() -> None:
    assert speaker_of("30_katya_0_1_1") == "katya" and speaker_of("take7") == "take7"
