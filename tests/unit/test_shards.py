"""The store of features: what it holds, what makes it new, what a kill leaves, and what one bad clip costs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers_beat2 import NAMES, LengthText, MeanAudio, tiny_corpus
from raggesture.body.features import features_of
from raggesture.corpus.beat2 import read_clip
from raggesture.corpus.build import corpus_features
from raggesture.corpus.faults import Skipped
from raggesture.corpus.features import window_starts
from raggesture.corpus.shards import FeatureStore
from raggesture.encoders.base import frame_aligned
from raggesture.encoders.conditioning import RELEASED_RULES, ConditionEncoder
from raggesture.errors import InputError, ModelError
from raggesture.speech.audio import load_audio

ENCODER = ConditionEncoder(LengthText(), MeanAudio())
WINDOWED = ConditionEncoder(LengthText(per_window=True), MeanAudio(per_window=True), RELEASED_RULES)
REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_corpus(tmp_path_factory.mktemp("corpus"))


def test_holds_what_the_encoders_say(corpus: Path, tmp_path: Path) -> None:
    store = corpus_features(corpus, "train", tmp_path, ENCODER)
    assert store.names == NAMES[:3] and store.computed == 3 and not store.skipped
    clip = read_clip(corpus, NAMES[1])
    found, body = store.clip(NAMES[1]), features_of(clip.motion)
    np.testing.assert_array_equal(found.lower, body.lower[0].numpy())
    np.testing.assert_array_equal(found.hands, body.hands[0].numpy().astype(np.float16))
    np.testing.assert_array_equal(found.words, LengthText().words(clip.transcript))
    aligned = np.where(found.word_of_frame[:, None] < 0, 0, found.words[found.word_of_frame])
    np.testing.assert_array_equal(aligned, frame_aligned(LengthText().words(clip.transcript), clip.transcript, found.frames))
    track = MeanAudio().encode(load_audio(clip.wave_path))
    np.testing.assert_array_equal(found.audio, track[np.arange(found.frames).clip(0, len(track) - 1)])
    assert found.contacts.shape == (found.frames, 4) and set(np.unique(found.contacts)) <= {0, 1}
    with pytest.raises(InputError, match="no clip 'x'"):
        store.clip("x")


def test_windows_are_stored_where_encoders_work_on_windows(corpus: Path, tmp_path: Path) -> None:
    store = corpus_features(corpus, "test", tmp_path, WINDOWED, stride_frames=30)
    clip = read_clip(corpus, NAMES[3])
    found = store.clip(NAMES[3])
    starts = window_starts(found.frames, 30)
    assert starts[-1] + 150 <= found.frames and found.audio.shape == (len(starts), 3, 2) and found.word_of_frame.shape == (len(starts), 150)
    speech = WINDOWED.speech(clip.transcript, found.frames, lambda: load_audio(clip.wave_path))
    for row, start in enumerate(starts):
        direct = speech.window(start)
        owner = found.word_of_frame[row]
        np.testing.assert_array_equal(np.where(owner[:, None] < 0, 0, found.words[owner]), direct.text.astype(np.float16))
        np.testing.assert_array_equal(found.audio[row], direct.audio.astype(np.float16))


def test_short_clips_have_one_window() -> None:
    assert window_starts(20, 5) == (0,) and window_starts(150, 5) == (0,) and window_starts(161, 5) == (0, 5, 10)


def test_nothing_is_computed_twice_and_changes_are_seen(corpus: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    first = corpus_features(root, "train", tmp_path / "s", ENCODER)
    again = corpus_features(root, "train", tmp_path / "s", ENCODER)
    assert (again.computed, again.key, again.rows) == (0, first.key, first.rows)
    assert corpus_features(root, None, tmp_path / "s", ENCODER).computed == 1  # the test clip
    wide = LengthText()
    wide.dim = 5  # another encoder of the same name
    wide.words = lambda transcript: np.zeros((len(transcript.words), 5), np.float32)
    assert corpus_features(root, "train", tmp_path / "s", replace(ENCODER, text=wide)).computed == 3
    wave = root / "wave16k" / f"{NAMES[0]}.wav"
    content = bytearray(wave.read_bytes())
    content[5000] ^= 1
    wave.write_bytes(content)
    changed = corpus_features(root, "train", tmp_path / "s", ENCODER)
    assert changed.computed == 1 and changed.key != first.key
    (root / "sem" / f"{NAMES[0]}.txt").write_text("")  # annotations are no features
    assert corpus_features(root, "train", tmp_path / "s", ENCODER).computed == 0


def test_weights_are_part_of_the_key(corpus: Path, tmp_path: Path) -> None:
    encoder = LengthText()
    encoder.folder = tmp_path / "weights"
    encoder.folder.mkdir()
    (encoder.folder / "model.safetensors").write_bytes(b"one")
    task = replace(ENCODER, text=encoder)
    assert corpus_features(corpus, "test", tmp_path / "s", task).computed == 1
    assert corpus_features(corpus, "test", tmp_path / "s", task).computed == 0
    (encoder.folder / "model.safetensors").write_bytes(b"other")
    assert corpus_features(corpus, "test", tmp_path / "s", task).computed == 1
    shutil.rmtree(encoder.folder)
    with pytest.raises(ModelError, match="weights of the encoder"):
        corpus_features(corpus, "test", tmp_path / "s", task)


def test_processes_give_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    one = corpus_features(corpus, None, tmp_path / "one", ENCODER)
    two = corpus_features(corpus, None, tmp_path / "two", ENCODER, workers=2)
    assert one.rows == two.rows and one.key == two.key and two.computed == 4
    for row in one:
        assert (tmp_path / "one" / row.file).read_bytes() == (tmp_path / "two" / row.file).read_bytes()


KILLED = """
import os, signal, sys
from pathlib import Path
from raggesture.corpus import shards
from raggesture.corpus.build import corpus_features
from raggesture.encoders.conditioning import ConditionEncoder
from helpers_beat2 import LengthText, MeanAudio

root, store, moment, survive = sys.argv[1:]
seen = []
if moment == "encoding":
    plain = LengthText.words
    def words(self, transcript):
        if len(seen) == int(survive):
            os.kill(os.getpid(), signal.SIGKILL)
        seen.append(1)
        return plain(self, transcript)
    LengthText.words = words
else:  # when the file is written but has not got its name
    plain = Path.replace
    def replace(self, target):
        if str(self).endswith(".partial"):
            if len(seen) == int(survive):
                os.kill(os.getpid(), signal.SIGKILL)
            seen.append(1)
        return plain(self, target)
    Path.replace = replace
corpus_features(Path(root), None, Path(store), ConditionEncoder(LengthText(), MeanAudio()))
"""


@pytest.mark.parametrize("moment", ["encoding", "writing"])
def test_killed_build_is_resumed_to_the_same_bytes(corpus: Path, tmp_path: Path, moment: str) -> None:
    whole = corpus_features(corpus, None, tmp_path / "whole", ENCODER)
    store = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPO / "src"), str(REPO / "tests"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(corpus), str(store), moment, "2"], env=environment, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list((store / "clips").glob("[!.]*.safetensors"))) == 2
    with pytest.raises(ModelError, match="0 sets"):
        FeatureStore.open(store)  # never taken for a whole one
    resumed = corpus_features(corpus, None, store, ENCODER)
    assert resumed.computed == 2 and (resumed.rows, resumed.key) == (whole.rows, whole.key)
    assert sorted(p.name for p in store.rglob("*")) == sorted(p.name for p in (tmp_path / "whole").rglob("*"))
    for row in whole:
        assert (store / row.file).read_bytes() == (tmp_path / "whole" / row.file).read_bytes()
    opened = FeatureStore.open(store)
    opened.verify()
    assert opened.rows == whole.rows and opened.settings == whole.settings


def test_damage_is_found_and_mended(corpus: Path, tmp_path: Path) -> None:
    store = corpus_features(corpus, "train", tmp_path, ENCODER)
    path = tmp_path / store.rows[1].file
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    with pytest.raises(ModelError, match="altered"):
        store.verify()
    with pytest.raises(ModelError, match="cannot be read"):
        FeatureStore.open(tmp_path).clip(NAMES[1])
    mended = corpus_features(corpus, "train", tmp_path, ENCODER)
    assert mended.computed == 1 and path.read_bytes() == content
    path.unlink()
    with pytest.raises(ModelError, match="no such file"):
        FeatureStore.open(tmp_path)
    (next(tmp_path.glob("train-*.json"))).write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        FeatureStore.open(tmp_path)


def test_one_bad_clip_is_left_out_and_named(corpus: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    (root / "smplxflame_30" / f"{NAMES[0]}.npz").write_bytes(b"PK")
    (root / "wave16k" / f"{NAMES[1]}.wav").write_bytes(b"RIFF")
    lost: list[Skipped] = []
    store = corpus_features(root, "train", tmp_path / "s", ENCODER, workers=2, report=lost.append)
    assert store.names == (NAMES[2],) and store.skipped == tuple(lost) and [fault.clip for fault in lost] == list(NAMES[:2])
    assert FeatureStore.open(tmp_path / "s").skipped == store.skipped
    with pytest.raises(InputError, match=NAMES[0]):
        corpus_features(root, "train", tmp_path / "s", ENCODER, strict=True)
    (root / "smplxflame_30" / f"{NAMES[2]}.npz").unlink()
    with pytest.raises(InputError, match="no clip of the split 'train' can be used"):
        corpus_features(root, "train", tmp_path / "s", ENCODER, report=lost.append)
