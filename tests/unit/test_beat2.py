"""Reading corpora in BEAT2's layout: the real take, and files with faults."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from raggesture.corpus.beat2 import clip_ids, complete, read_clip, read_corpus, speaker_of, transcript_of
from raggesture.errors import InputError
from raggesture.motion import Motion, write_npz

NAME = "2_scott_0_1_1"
WORDS = (("so", 0.5, 0.7), ("big", 1.0, 1.4), ("but", 2.0, 2.2), ("it", 2.2, 2.3), ("is", 2.3, 2.4), ("n't", 2.3, 2.4), (".", 2.4, 2.4))


def _write(root: Path, name: str = NAME) -> Path:
    for folder in ("smplxflame_30", "sem", "discourse_rels", "prom", "strokes"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    frames = 90
    rng = np.random.default_rng(0)
    arrays = (rng.normal(0, 0.1, shape).astype(np.float32) for shape in ((frames, 55, 3), (frames, 3), (frames, 100)))
    write_npz(Motion(*arrays), root / "smplxflame_30" / f"{name}.npz")
    (root / "sem" / f"{name}.txt").write_text(
        "06_iconic_h\t1.0\t1.9\t0.9\t0.6\tbig\nneed_cut\t0\t1\t1\t0\n01_beat_align\t2.5\t9.0\t6.5\t0.1\n02_deictic_l\t5\t6\t1\t0.2\tnan\n"
    )
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


def test_real_take_completed(beat2_mini) -> None:
    (clip,) = read_corpus(beat2_mini)
    whole = complete(clip)
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
        read_corpus(tmp_path, "train")


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("sem/{}.txt", "06_iconic_h\t1.0\n", r"sem.*row 1 has 2 columns"),
        ("sem/{}.txt", "01_beat_align\t0\t1\n06_iconic_h\tx\t2\t1\t1\tbig\n", r"sem.*row 2, start is 'x'"),
        ("sem/{}.txt", "06_iconic_h\t3\t2\t1\t1\tbig\n", r"sem.*row 1 ends"),
        ("prom/{}.prom", "a\t1\t2\tbig\tnan\t0\n", r"prom.*row 1, prominence"),
        ("strokes/{}.tsv", "1\tbig\t0.5\t0.4\t0.6\t0.8\n", r"strokes.*row 1, times"),
        ("discourse_rels/{}_whisper_relations.json", "{", r"discourse_rels"),
        ("discourse_rels/{}_whisper_relations.json", '{"sentences": [{"tokens": [{"surface": "a"}]}], "relations": []}', r"sentence 1, token"),
        ("discourse_rels/{}_whisper_relations.json", '{"sentences": [], "relations": [{"Sense": []}]}', r"relation 1"),
    ],
)
def test_faults_name_file_and_row(tmp_path, file, text, says) -> None:
    _write(tmp_path)
    (tmp_path / file.format(NAME)).write_text(text)
    with pytest.raises(InputError, match=says):
        list(read_corpus(tmp_path))
    skipped: list[InputError] = []
    assert list(read_corpus(tmp_path, errors="skip", skipped=skipped)) == [] and len(skipped) == 1


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
    clip = read_clip(tmp_path, NAME)
    assert clip.derived == ("prominence",)
    with pytest.raises(InputError, match="wave16k"):
        complete(clip)


def test_speaker_of() -> None:
    assert speaker_of("30_katya_0_1_1") == "katya" and speaker_of("take7") == "take7"
