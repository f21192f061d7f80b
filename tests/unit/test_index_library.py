"""An index on disk as a library that lives: built, resumed, extended, thinned, read while it is written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers_library import make_corpus, make_plain, without
from helpers_retrieval import ToyAudio, ToyText
from raggesture.errors import InputError, ModelError, UsageError
from raggesture.retrieval.index import Index
from raggesture.retrieval.jobs import work_folder
from raggesture.retrieval.store import LOCK, read_manifest, writing
from raggesture.retrieval.update import Choice, add_corpus, build_corpus, remove_clips
from raggesture.retrieval.verify import verify_index
from raggesture.types import Query

TIMEOUT_S = 240
TESTS = Path(__file__).resolve().parents[1]


def toys() -> tuple[ToyText, ToyAudio]:
    return ToyText(), ToyAudio()


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpora") / "a")


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpora") / "b", ("3_eve_0_1_1", "2_bob_0_2_2"))


def build(corpus: Path, target: Path, **options: object) -> Index:
    build_corpus(corpus, target, toys(), **options)  # type: ignore[arg-type]
    return Index.open(target, text_encoder=ToyText())


def rows_of(index: Index) -> list[tuple[object, ...]]:
    """What is in an index, whatever its numbers are."""
    found = [(e.clip, e.speaker, e.word, e.kind, e.start, e.end, e.stroke, e.gesture, e.prominence, e.hand, e.derived) for e in index.exemplars]
    return [(*row, index.sentence(k), tuple(index.sentence_vectors[index.events.sentence[k]].tolist())) for k, row in enumerate(found)]


def test_a_corpus_becomes_an_index(corpus: Path, tmp_path: Path) -> None:
    index = build(corpus, tmp_path / "i")
    assert len(index.exemplars) == 3 * 5
    huge = next(e for e in index.exemplars if e.word == "huge")
    assert (huge.clip, huge.gesture, huge.derived, huge.hand) == ("1_ann_0_1_1", "big", "", "right")
    assert index.sentence(huge.row) == "a huge mountain stood there."
    assert index.clip("1_ann_0_1_1").wave == str((corpus / "wave16k" / "1_ann_0_1_1.wav").absolute())
    assert [path.name for path in tmp_path.iterdir()] == ["i"], "no work is left beside it"
    assert not verify_index(tmp_path / "i").faults


def test_sentence_vectors_are_unit_and_mapped(corpus: Path, tmp_path: Path) -> None:
    index = build(corpus, tmp_path / "i")
    vectors = index.sentence_vectors
    assert vectors.dtype == np.float16 and not vectors.flags.writeable and not vectors.flags.owndata
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=2e-3)
    expected = ToyText().sentences([index.sentence(0)])[0]
    np.testing.assert_allclose(vectors[index.events.sentence[0]], expected, atol=1e-3)
    nearest = int(index.sentence_similarities(index.sentence(0)).argmax())
    assert nearest == int(index.events.sentence[0])


KILLED = """
import os, signal, sys
from pathlib import Path
from helpers_retrieval import ToyAudio, ToyText
from raggesture.retrieval.update import {function}
def kill(name, done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
{call}
"""
BUILD = KILLED.format(function="build_corpus", call="build_corpus(Path(sys.argv[1]), Path(sys.argv[2]), (ToyText(), ToyAudio()), progress=kill)")
ADD = KILLED.format(function="add_corpus", call="add_corpus(Path(sys.argv[2]), Path(sys.argv[1]), (ToyText(), ToyAudio()), progress=kill)")


def test_a_killed_build_goes_on_where_it_stopped(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "i"
    assert run_python(BUILD, corpus, target).returncode == -signal.SIGKILL
    assert not target.exists(), "nothing half-built is found under its name"
    assert len(list((tmp_path / "i.work").glob("*.safetensors"))) == 2
    worked: list[str] = []
    build_corpus(corpus, target, toys(), progress=lambda name, done, total: worked.append(f"{name} {done}/{total}"))
    assert worked == ["2_bob_0_1_1 3/3"], "only the missing clip is worked on again"
    build(corpus, tmp_path / "whole")
    same = {each.role: each.sha256 for each in read_manifest(tmp_path / "whole").files}
    assert {each.role: each.sha256 for each in read_manifest(target).files} == same
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i", "whole"]


def test_a_changed_clip_is_worked_on_again(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "c")
    assert run_python(BUILD, corpus, tmp_path / "i").returncode == -signal.SIGKILL
    sem = corpus / "sem" / "1_ann_0_1_1.txt"
    sem.write_text(sem.read_text().replace("huge", "vast"))
    index = build(corpus, tmp_path / "i")
    assert {e.word for e in index.exemplars if e.clip == "1_ann_0_1_1"} >= {"vast"}


def test_a_killed_build_over_an_index_leaves_the_old_one(corpus: Path, more: Path, tmp_path: Path) -> None:
    before = rows_of(build(more, tmp_path / "i"))
    code = BUILD.replace("progress=kill", "progress=kill, force=True")
    assert run_python(code, corpus, tmp_path / "i").returncode == -signal.SIGKILL
    assert rows_of(Index.open(tmp_path / "i")) == before and not verify_index(tmp_path / "i").faults
    assert {e.clip for e in build(corpus, tmp_path / "i", force=True).exemplars} == {"1_ann_0_1_1", "1_ann_0_2_2", "2_bob_0_1_1"}


@pytest.mark.parametrize("point", ["swap_manifest", "write_tables", "put_in"])
def test_an_add_killed_at_any_point_leaves_the_old_index(corpus: Path, more: Path, tmp_path: Path, point: str) -> None:
    before = rows_of(build(corpus, tmp_path / "i"))
    code = f"""
import os, signal
import raggesture.retrieval.update as update
real = update.{point}
def kill(*given, **options):
    if "{point}" != "swap_manifest":
        real(*given, **options)
    os.kill(os.getpid(), signal.SIGKILL)
update.{point} = kill
""" + ADD.replace("if done == 2:", "if done == -1:")
    assert run_python(code, more, tmp_path / "i").returncode == -signal.SIGKILL
    assert rows_of(Index.open(tmp_path / "i")) == before and not verify_index(tmp_path / "i").faults
    add_corpus(tmp_path / "i", more, toys())
    whole = Index.open(tmp_path / "i")
    assert len(whole.exemplars) == 25 and not verify_index(tmp_path / "i").faults
    named = {each.name for each in whole.manifest.files} | {"manifest.json", LOCK}
    assert {path.name for path in (tmp_path / "i").iterdir()} == named, "what the killed writer left is swept away"


def test_what_is_added_is_as_if_built_at_once(corpus: Path, more: Path, tmp_path: Path) -> None:
    build(corpus, tmp_path / "i", licence="CC-A")
    report = add_corpus(tmp_path / "i", more, toys(), licence="CC-B")
    assert report.clips == ("3_eve_0_1_1", "2_bob_0_2_2") and not report.left_out
    grown = Index.open(tmp_path / "i", text_encoder=ToyText())
    both = make_corpus(tmp_path / "both", ("1_ann_0_1_1", "1_ann_0_2_2", "2_bob_0_1_1"))
    for name in ("smplxflame_30", "wave16k", "sem", "discourse_rels", "prom", "strokes", "textgrid"):
        shutil.copytree(more / name, both / name, dirs_exist_ok=True)
    (both / "train_test_split.csv").write_text((corpus / "train_test_split.csv").read_text() + "3_eve_0_1_1,train\n2_bob_0_2_2,train\n")
    whole = build(both, tmp_path / "w")
    assert rows_of(grown) == rows_of(whole)
    np.testing.assert_array_equal(grown.vectors, whole.vectors)
    np.testing.assert_array_equal(grown.clip_window("3_eve_0_1_1", 5).rotations, whole.clip_window("3_eve_0_1_1", 5).rotations)
    assert grown.manifest.licence == "CC-A; CC-B" and grown.manifest.speakers == ("ann", "bob", "eve")


def test_a_clip_that_is_there_is_not_added_again(corpus: Path, tmp_path: Path) -> None:
    build(corpus, tmp_path / "i")
    both = make_corpus(tmp_path / "c", ("1_ann_0_1_1", "9_new_0_1_1"))
    report = add_corpus(tmp_path / "i", both, toys())
    assert report.clips == ("9_new_0_1_1",)
    assert [each.clip for each in report.left_out] == ["1_ann_0_1_1"] and "already" in report.left_out[0].reason
    with pytest.raises(InputError, match="already"):
        add_corpus(tmp_path / "i", both, toys(), Choice(strict=True))


@pytest.mark.parametrize(("clips", "speakers"), [(("1_ann_0_2_2",), ()), ((), ("ann",)), (("2_bob_0_1_1",), ())])
def test_what_is_removed_is_as_if_never_built(corpus: Path, tmp_path: Path, clips: tuple[str, ...], speakers: tuple[str, ...]) -> None:
    build(corpus, tmp_path / "i")
    gone = set(remove_clips(tmp_path / "i", clips, speakers))
    thinned = Index.open(tmp_path / "i", text_encoder=ToyText())
    left = tuple(name for name in ("1_ann_0_1_1", "1_ann_0_2_2", "2_bob_0_1_1") if name not in gone)
    copy = tmp_path / "c"
    shutil.copytree(corpus, copy)
    (copy / "train_test_split.csv").write_text("id,type\n" + "".join(f"{name},train\n" for name in left))
    assert rows_of(thinned) == rows_of(build(copy, tmp_path / "w"))
    assert not verify_index(tmp_path / "i").faults
    for name in gone:
        assert name.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "i").iterdir()), "its data is gone, not hidden"
    assert [e.row for e in thinned.exemplars] == list(range(len(thinned.exemplars)))


def test_removing_what_is_not_there(corpus: Path, tmp_path: Path) -> None:
    build(corpus, tmp_path / "i")
    with pytest.raises(UsageError, match="did you mean '1_ann"):
        remove_clips(tmp_path / "i", ("1_ann_0_1_2",))
    with pytest.raises(UsageError, match="nothing to remove"):
        remove_clips(tmp_path / "i")
    with pytest.raises(UsageError, match="all 3 clips"):
        remove_clips(tmp_path / "i", (), ("ann", "bob"))
    assert len(Index.open(tmp_path / "i").exemplars) == 15


def test_a_reader_keeps_what_it_opened(corpus: Path, more: Path, tmp_path: Path) -> None:
    opened = build(corpus, tmp_path / "i")
    expected, window = rows_of(opened), opened.clip_window("1_ann_0_1_1", 3)
    remove_clips(tmp_path / "i", ("1_ann_0_1_1",))
    add_corpus(tmp_path / "i", more, toys())
    assert rows_of(opened) == expected, "rows, sentences and vectors of the generation that was opened"
    fresh = Index.open(tmp_path / "i")
    again = opened.clip_window("1_ann_0_1_1", 3)
    np.testing.assert_array_equal(again.rotations, window.rotations)
    np.testing.assert_array_equal(again.text, window.text)
    assert {e.clip for e in fresh.exemplars} == {"1_ann_0_2_2", "2_bob_0_1_1", "3_eve_0_1_1", "2_bob_0_2_2"}


READER = """
import sys
from pathlib import Path
from raggesture.retrieval.index import Index
from raggesture.types import Query
folder, stop = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
seen, rounds = set(), 0
while rounds < 20 or not stop.exists():
    index = Index.open(folder)
    clips = sorted({e.clip for e in index.exemplars})
    assert len(index.exemplars) == 5 * len(clips) == index.manifest.exemplars, (len(index.exemplars), clips)
    assert index.search(Query("huge", "iconic", 0, 1))[0].exemplar.word == "huge"
    index.clip_window(clips[-1], 0)
    seen.add(tuple(clips))
    rounds += 1
print(len(seen), rounds)
"""


def test_two_readers_and_one_writer_at_once(corpus: Path, more: Path, tmp_path: Path) -> None:
    build(corpus, tmp_path / "i")
    stop = tmp_path / "stop"
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    command = [sys.executable, "-c", READER, str(tmp_path / "i"), str(stop)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}) for _ in range(2)]
    try:
        for reader in readers:
            assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
        for _ in range(4):
            add_corpus(tmp_path / "i", more, toys())
            remove_clips(tmp_path / "i", (), ("eve",))
            remove_clips(tmp_path / "i", ("2_bob_0_2_2",))
        stop.touch()
        for reader in readers:
            out, err = reader.communicate(timeout=TIMEOUT_S)
            assert reader.returncode == 0, err
            assert int(out.split()[1]) >= 20
    finally:
        for reader in readers:
            reader.kill()
    assert len(Index.open(tmp_path / "i").exemplars) == 15


HOLD = """
import sys
from pathlib import Path
from raggesture.retrieval.store import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_refused(corpus: Path, more: Path, tmp_path: Path) -> None:
    build(corpus, tmp_path / "i")
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "i")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for change in (lambda: add_corpus(tmp_path / "i", more, toys()), lambda: remove_clips(tmp_path / "i", ("1_ann_0_1_1",))):
            with pytest.raises(UsageError, match="another process is changing this index"):
                change()
        assert len(Index.open(tmp_path / "i").exemplars) == 15, "reading is free"
        holder.send_signal(signal.SIGKILL)
        holder.wait(TIMEOUT_S)
        assert remove_clips(tmp_path / "i", ("1_ann_0_1_1",)) == ("1_ann_0_1_1",), "a killed writer holds no lock"
    finally:
        holder.kill()


def test_a_second_build_of_the_same_target_is_refused(corpus: Path, tmp_path: Path) -> None:
    with work_folder(tmp_path / "i"), pytest.raises(UsageError, match="another process is building"):
        build(corpus, tmp_path / "i")


def test_a_failed_add_leaves_no_trace(corpus: Path, more: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(corpus, tmp_path / "i")
    (tmp_path / "i" / "mine.safetensors").write_text("somebody else's file in the folder is left alone")
    before = {path.name: path.read_bytes() for path in (tmp_path / "i").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("raggesture.retrieval.update.write_tables", full)
    with pytest.raises(OSError, match="No space"):
        add_corpus(tmp_path / "i", more, toys())
    assert {path.name: path.read_bytes() for path in (tmp_path / "i").iterdir() if path.name != LOCK} == {k: v for k, v in before.items() if k != LOCK}


def test_an_index_with_another_encoder_is_not_added_to(corpus: Path, more: Path, tmp_path: Path) -> None:
    build(corpus, tmp_path / "i")
    other = ToyText()
    other.name = "other"
    with pytest.raises(UsageError, match="use its encoders"):
        add_corpus(tmp_path / "i", more, (other, ToyAudio()))


def test_processes_give_what_one_gives(corpus: Path, tmp_path: Path) -> None:
    """Two workers with the embedded encoders; the same bytes as one process."""
    from raggesture.encoders.registry import audio_encoder, text_encoder

    encoders = (text_encoder("minilm"), audio_encoder("prosody"))
    one, two = tmp_path / "1" / "i", tmp_path / "2" / "i"
    for target, workers in ((one, 1), (two, 2)):
        target.parent.mkdir()
        build_corpus(corpus, target, encoders, Choice(workers=workers))
    first, second = Index.open(one), Index.open(two)
    assert tuple(first.exemplars) == tuple(second.exemplars)
    np.testing.assert_allclose(second.sentence_vectors, first.sentence_vectors, atol=2e-3)
    np.testing.assert_array_equal(second.clip_window("2_bob_0_1_1", 0).rotations, first.clip_window("2_bob_0_1_1", 0).rotations)


@pytest.mark.parametrize("role", ["rows", "events", "vectors", "segment-0000"])
def test_a_large_index_names_the_file_that_is_harmed(corpus: Path, tmp_path: Path, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond ``CHECKED_BYTES`` opening looks at sizes; an altered byte is found by ``verify``, or when the clip it belongs to is read."""
    monkeypatch.setattr("raggesture.retrieval.store.CHECKED_BYTES", 0)
    index = build(corpus, tmp_path / "i")
    path = index.path / index.manifest.file(role).name
    data = path.read_bytes()
    path.write_bytes(data[:-7])
    with pytest.raises(ModelError, match=path.name):
        Index.open(index.path)
    path.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
    faults = verify_index(index.path).faults
    assert faults and path.name in faults[0]


def test_an_altered_track_of_a_large_index_is_refused_when_it_is_read(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raggesture.retrieval.store.CHECKED_BYTES", 0)
    index = build(corpus, tmp_path / "i")
    path = index.path / index.manifest.segments[0].name
    data = bytearray(path.read_bytes())
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    begin = 8 + int.from_bytes(data[:8], "little")
    for name in ("000001.rotations", "000001.text", "000001.audio"):
        harmed = bytearray(data)
        harmed[begin + sum(header[name]["data_offsets"]) // 2] ^= 1
        path.write_bytes(bytes(harmed))
        with pytest.raises(ModelError, match=path.name):
            Index.open(index.path).clip_window("1_ann_0_2_2", 0)
        Index.open(index.path).clip_window("1_ann_0_1_1", 0)


def test_rows_that_disagree_with_the_arrays_are_found(corpus: Path, tmp_path: Path) -> None:
    import sqlite3
    from dataclasses import replace

    from raggesture.retrieval.store import settle, swap_manifest

    index = build(corpus, tmp_path / "i")
    rows = index.manifest.file("rows")
    partial = index.path / ".rows.partial"
    shutil.copyfile(index.path / rows.name, partial)
    with sqlite3.connect(partial) as database:
        database.execute("UPDATE exemplars SET word = 'tiny' WHERE row = 4")
    database.close()
    with writing(index.path):
        files = tuple(each for each in index.manifest.files if each.role != "rows")
        swap_manifest(index.path, replace(index.manifest, files=(*files, settle(index.path, partial, "rows"))))
    (fault,) = verify_index(index.path).faults
    assert "exemplar 4" in fault and "tiny" in fault


def test_the_released_grid(corpus: Path, tmp_path: Path) -> None:
    """Windows of 150 frames every 75: an event belongs to each window that holds it whole. Ten seconds hold one window."""
    index = build(corpus, tmp_path / "i", grid="released")
    assert index.manifest.grid == "released"
    assert set(index.events.window.tolist()) == {0}
    assert all(e.end <= 10.0 for e in index.exemplars)
    assert len(index.exemplars) == 15


def test_a_voice_is_known_under_another_name(corpus: Path, tmp_path: Path) -> None:
    from raggesture.retrieval.product import voice_of
    from raggesture.speech.audio import load_audio

    index = build(corpus, tmp_path / "i")
    copy = tmp_path / "renamed.wav"
    shutil.copyfile(corpus / "wave16k" / "1_ann_0_2_2.wav", copy)
    assert index.clips_of_voice(voice_of(load_audio(copy))) == ("1_ann_0_2_2",)
    assert index.clips_of_voice("") == ()


def test_a_plain_folder_of_takes(tmp_path: Path) -> None:
    root = tmp_path / "mes prises ü"
    make_plain(root, "hello", 0)
    make_plain(root / "zoë & co", "good bye", 1)
    index = build(root, tmp_path / "i")
    assert {(e.clip, e.speaker) for e in index.exemplars} == {("hello", "hello"), ("good bye", "zoë & co")}
    kinds = {e.word: e.kind for e in index.exemplars if e.clip == "hello"}
    assert kinds["huge"] == "iconic" and kinds["there"] == "deictic" and kinds["but"].startswith("Comparison")
    derived = {e.word: e.derived for e in index.exemplars}
    assert derived["huge"] == "labels,prominence,stroke" and derived["but"] == "relations,prominence,stroke"
    assert all(e.prominence is not None for e in index.exemplars)
    assert index.search(Query("huge", "iconic", 0, 1))[0].exemplar.word == "huge"


def test_what_a_corpus_lacks_is_derived_and_marked(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "c")
    without(corpus, "1_ann_0_1_1", "labels", "discourse", "prominence")
    index = build(corpus, tmp_path / "i")
    marks = {(e.word, e.derived) for e in index.exemplars if e.clip == "1_ann_0_1_1"}
    assert ("huge", "labels,prominence,stroke") in marks and ("but", "relations,prominence,stroke") in marks
    assert {e.derived for e in index.exemplars if e.clip == "2_bob_0_1_1"} <= {"", "stroke"}
    shares = dict(index.info().derived)
    assert 0 < shares["labels"] < 1 and shares["words"] == 0


def test_many_words_keep_their_graph_on_disk(corpus: Path, more: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raggesture.retrieval.build.GRAPH_WORDS", 2)
    opened = build(corpus, tmp_path / "i")
    assert opened.manifest.has("words-graph")
    vector = ToyText().sentences(["hugely"])[0]
    best = opened.vocabulary[int((opened.word_table @ vector).argmax())]
    add_corpus(tmp_path / "i", more, toys())
    remove_clips(tmp_path / "i", (), ("ann",))
    assert opened.nearest_words(vector, 1)[0][0] == best, "its file is gone, its handle is not"
    fresh = Index.open(tmp_path / "i")
    assert fresh.word_graph().get_current_count() == len(fresh.vocabulary)
    nearest = fresh.nearest_words(vector, 3)
    cosines = np.sort(fresh.word_table @ vector)[::-1]
    np.testing.assert_allclose([cosine for _, cosine in nearest], cosines[:3], atol=2e-3)
    (path,) = (tmp_path / "i").glob("words-graph-*")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match="words-graph"):
        Index.open(tmp_path / "i")


def test_a_graph_grows_by_what_is_new(tmp_path: Path) -> None:
    from raggesture.retrieval.graph import StoredGraph, write_graph

    vectors = np.random.default_rng(3).normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    write_graph(tmp_path / "a", vectors[:40])
    write_graph(tmp_path / "b", vectors, tmp_path / "a", 40)
    numbers, _ = StoredGraph(tmp_path / "b", 60, 8).get(vectors).knn_query(vectors, k=1)
    assert numbers[:, 0].tolist() == list(range(60))
    with pytest.raises(ModelError, match="60 words; expected 61"):
        StoredGraph(tmp_path / "b", 61, 8).get(vectors)
