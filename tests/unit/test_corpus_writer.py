"""The starter corpus on disk: round trip, resumption, determinism, split."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from corpus_fakes import hum
from raggesture.corpus.annotations import gesture_of, kind_of
from raggesture.corpus.beat2 import read_corpus
from raggesture.corpus.clip import GestureLabel
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.style import STYLES
from raggesture.corpus.starter.texts import write_passages
from raggesture.corpus.starter.writer import make_take, plan_jobs, split_of, write_corpus
from raggesture.corpus.take import sem_name, take_exists, take_files
from raggesture.errors import ModelError, UsageError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("starter") / "corpus"
    report = write_corpus(root, 0.0, 1, styles=STYLES[:1], voice=hum, clips=2)
    assert report.clips == 2 and report.words > 150
    return root


@pytest.fixture(scope="module")
def job():
    return plan_jobs(write_passages(2, 1), STYLES[:1], 1)[0]


def test_what_is_written_is_what_is_read(corpus, job) -> None:
    take = make_take(job, hum)
    clip = next(clip for clip in read_corpus(corpus) if clip.name == job.name)
    assert clip.speaker == STYLES[0].speaker and clip.derived == ()
    assert [word.text for word in clip.transcript.words] == [word.text for word in take.transcript.words]
    assert [word.after for word in clip.transcript.words] == [word.after for word in take.transcript.words]
    np.testing.assert_allclose([w.start for w in clip.transcript.words], [w.start for w in take.transcript.words], atol=6e-4)
    np.testing.assert_allclose(clip.prominence, take.prominence, atol=6e-4)
    np.testing.assert_array_equal(clip.motion.rotations, take.motion.rotations[::2])
    assert [(label.word, label.kind, label.gesture) for label in clip.labels] == [(label.word, label.kind, label.gesture) for label in take.labels]
    for read, made in zip(clip.labels, take.labels, strict=True):
        np.testing.assert_allclose(read.phases, made.phases, atol=6e-4)
    assert len(clip.labels) > 5
    assert [(r.connective, r.sense) for r in clip.relations] == [(r.connective, r.sense) for r in take.relations]
    for read, made in zip(clip.relations, take.relations, strict=True):
        assert (read.connective_start, read.arg1, read.arg2) == (pytest.approx(made.connective_start, abs=1e-3), made.arg1, made.arg2)


def test_voice_and_motion_last_equally_long(corpus) -> None:
    import soundfile

    for clip in read_corpus(corpus):
        info = soundfile.info(clip.wave_path)
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert abs(clip.duration_s - info.duration) <= 1 / 15


def test_discourse_file_has_the_published_form(corpus, job) -> None:
    data = json.loads(take_files(corpus, job.name)["discourse"].read_text("utf-8"))
    tokens = [token for sentence in data["sentences"] for token in sentence["tokens"]]
    assert {"surface", "startSec", "endSec"} <= set(tokens[0]) and len(data["sentences"]) >= 8
    for relation in data["relations"]:
        texts = [tokens[index]["surface"].lower() for index in relation["Connective"]["TokenList"]]
        assert " ".join(texts) in relation["Connective"]["RawText"].lower().replace(",", "")
        assert isinstance(relation["Sense"][0], str) and relation["Arg2"]["TokenList"]


def test_a_clip_cut_off_is_made_again_with_the_same_bytes(corpus, job) -> None:
    files = take_files(corpus, job.name)
    before = {kind: path.read_bytes() for kind, path in files.items()}
    files["labels"].unlink()
    assert not take_exists(corpus, job.name)
    write_corpus(corpus, 0.0, 1, styles=STYLES[:1], voice=hum, clips=2)
    assert {kind: path.read_bytes() for kind, path in files.items()} == before
    assert not [path for path in corpus.rglob("*") if path.name.endswith(".part")]


def test_whole_clips_are_not_made_again(corpus) -> None:
    def silent(sentence, delivery):
        raise AssertionError("spoken again")

    assert write_corpus(corpus, 0.0, 1, styles=STYLES[:1], voice=silent, clips=2).clips == 2


def test_another_seed_or_a_foreign_folder_is_refused(corpus, tmp_path) -> None:
    with pytest.raises(UsageError, match="another folder"):
        write_corpus(corpus, 0.0, 2, voice=hum, clips=1)
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        write_corpus(tmp_path, 0.0, 1, voice=hum, clips=1)


def test_a_failing_voice_leaves_no_half_clip(tmp_path) -> None:
    def broken(sentence, delivery):
        raise ModelError("flite: program not found; expected it - install it")

    with pytest.raises(ModelError):
        write_corpus(tmp_path / "out", 0.0, 1, voice=broken, clips=1)
    assert not list((tmp_path / "out").rglob("*.npz"))


def test_every_speaker_is_in_train_and_test() -> None:
    jobs = plan_jobs(write_passages(3, 1) * 60, STYLES, 1)
    rows = split_of(jobs)
    assert len({name for name, _ in rows}) == len(jobs)
    for style in STYLES:
        kinds = Counter(kind for name, kind in rows if f"_{style.speaker}_" in name)
        assert kinds["test"] >= 0.08 * sum(kinds.values()) and kinds["val"] >= 1 and kinds["train"] > kinds["test"]


def test_split_file_is_the_published_one(corpus) -> None:
    with (corpus / "train_test_split.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["type"] for row in rows} == {"train", "test"} and set(rows[0]) == {"id", "type"}
    assert [clip.name for clip in read_corpus(corpus, "test")] == [row["id"] for row in rows if row["type"] == "test"]


def test_names_of_all_gestures_survive_the_sem_file() -> None:
    for gesture in load_lexicon().gestures:
        name = sem_name(GestureLabel("w", gesture.kind, gesture.name, 0, 1))
        assert (kind_of(name), gesture_of(name)) == (gesture.kind, gesture.name)
