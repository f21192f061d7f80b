"""What an event knows: its hand, its sentence, its windows, what was derived; and old indexes brought to the present schema."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from helpers_retrieval import ToyAudio, ToyText, make_clip, make_motion, toy_corpus
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.errors import ModelError
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of
from raggesture.retrieval.arrays import MappedArrays, encode_texts, write_arrays
from raggesture.retrieval.events import GRID_FRAMES, events_of, grid_windows
from raggesture.retrieval.facts import DERIVED, bits_of, derived_text, names_of
from raggesture.retrieval.index import Index
from raggesture.retrieval.product import TRACKS, load_product, product_of, save_product
from raggesture.retrieval.sentences import MOST_WORDS, sentence_at, sentence_spans, sentence_text
from raggesture.retrieval.stroke import hand_of_stroke, hand_speeds
from raggesture.retrieval.upgrade import upgrade_index
from raggesture.types import GESTURE_KINDS, Word


def words(text: str, gap_after: int | None = None) -> tuple[Word, ...]:
    """One word a second; punctuation is split off; ``gap_after`` makes a pause of a second."""
    found = []
    for k, each in enumerate(text.split()):
        bare = each.rstrip(".!?,")
        later = 1.0 if gap_after is not None and k > gap_after else 0.0
        found.append(Word(bare, k + later, k + later + 0.9, each[len(bare) :]))
    return tuple(found)


# hands ------------------------------------------------------------------------------------------------------------------


def test_the_hand_that_moves_is_told() -> None:
    speeds = np.zeros((60, 2), np.float32)
    speeds[20:30, 1] = 1.0
    assert hand_of_stroke(speeds, 15.0, 30 / 15) == "right"
    assert hand_of_stroke(speeds[:, ::-1], 15.0, 30 / 15) == "left"
    speeds[20:30, 0] = 0.8
    assert hand_of_stroke(speeds, 15.0, 30 / 15) == "both"
    assert hand_of_stroke(speeds, 15.0, 55 / 15) == "", "neither moves there"
    assert hand_of_stroke(speeds, 15.0, -5.0) == hand_of_stroke(speeds, 15.0, 500.0) == ""


def test_speeds_of_a_lifted_arm() -> None:
    speeds = hand_speeds(make_motion(60, stroke_frame=30))
    assert speeds.shape == (60, 2) and speeds[26:30, 1].max() > 5 * speeds[26:30, 0].max()


def test_hands_of_the_packaged_gestures_are_those_of_the_lexicon() -> None:
    """Told from the motion alone, on authored gestures that overlap: three of four. Where one hand holds what the other works on, one moves."""
    index, lexicon = Index.open(packaged_dir(PACK_NAME, "index")), {gesture.name: gesture for gesture in load_lexicon().gestures}
    always = {name for name, gesture in lexicon.items() if len({form.two_handed for form in gesture.forms}) == 1}
    known = [e for e in index.exemplars if e.kind in GESTURE_KINDS[1:] and e.gesture in always]
    right = [(e.hand == "both") == lexicon[e.gesture].main.two_handed for e in known]
    assert len(known) > 300 and np.mean(right) > 0.75


# sentences --------------------------------------------------------------------------------------------------------------


def test_sentences_end_at_full_stops() -> None:
    spoken = words("So it is. Big, very big! And")
    spans = sentence_spans(spoken)
    assert [sentence_text(spoken[a:b]) for a, b in spans] == ["So it is.", "Big, very big!", "And"]


def test_sentences_end_at_pauses_where_nobody_wrote_stops() -> None:
    spoken = words("so it is big very big", gap_after=2)
    assert sentence_spans(spoken) == ((0, 3), (3, 6))
    assert sentence_spans(()) == ()


def test_long_sentences_are_split_and_no_word_is_lost() -> None:
    spoken = words(" ".join(f"w{k}" for k in range(95)))
    spans = sentence_spans(spoken)
    assert [k for first, stop in spans for k in range(first, stop)] == list(range(95))
    assert max(stop - first for first, stop in spans) <= MOST_WORDS


def test_the_sentence_at_an_instant() -> None:
    spoken = words("a b c. d e f.")
    spans = sentence_spans(spoken)
    assert [sentence_at(spans, spoken, at) for at in (-3.0, 0.0, 2.8, 3.2, 99.0)] == [0, 0, 0, 1, 1]
    assert sentence_at((), (), 1.0) == -1


# windows and marks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "starts"), [(149, ()), (150, (0,)), (224, (0,)), (225, (0, 75)), (390, (0, 75, 150, 225))])
def test_the_published_grid(frames: int, starts: tuple[int, ...]) -> None:
    """Every fifteenth window of the training grid (stride 5), whole seconds only."""
    assert grid_windows(frames) == starts
    usable = frames // 15 * 15
    every = list(range(0, usable - GRID_FRAMES + 1, 5)) if usable >= GRID_FRAMES else []
    assert list(starts) == every[::15]


def test_an_event_is_in_each_window_that_holds_it_whole() -> None:
    text = " ".join(f"w{k}" for k in range(26))
    clip = make_clip("c", text, [("w3", "iconic", ""), ("w7", "iconic", ""), ("w12", "beat", ""), ("w25", "iconic", "")])
    found = {(each.exemplar.word, each.window) for each in events_of(clip, grid="released")}
    assert found == {("w3", 0), ("w7", 0), ("w7", 75), ("w12", 75), ("w12", 150)}
    assert {each.window for each in events_of(clip)} == {-1}


def test_marks_survive_as_bits() -> None:
    for bits in range(1 << len(DERIVED)):
        assert bits_of(names_of(bits)) == bits
    assert derived_text({"stroke", "labels"}) == "labels,stroke" and derived_text(()) == ""


# products, arrays -------------------------------------------------------------------------------------------------------


def test_a_product_is_read_as_it_was_kept(tmp_path: Path) -> None:
    made = product_of(toy_corpus()[0], ToyText(), ToyAudio())
    save_product(made, tmp_path / "p.safetensors")
    read = load_product(tmp_path / "p.safetensors")
    assert (read.name, read.transcript, read.spans, read.events, read.prominence) == (made.name, made.transcript, made.spans, made.events, made.prominence)
    for name in TRACKS:
        np.testing.assert_array_equal(read.arrays[name], made.arrays[name])
    assert read.checksum == made.checksum
    data = (tmp_path / "p.safetensors").read_bytes()
    (tmp_path / "p.safetensors").write_bytes(data[:-100])
    with pytest.raises(ModelError, match=r"p\.safetensors"):
        load_product(tmp_path / "p.safetensors")


def test_mapped_arrays(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.float64).reshape(2, 3), "b": np.zeros((0, 4), np.float32), "c": np.arange(5, dtype=np.uint8)}
    write_arrays(tmp_path / "x", {**arrays, "texts": encode_texts(["é", "", "a\nb"])})
    stored = MappedArrays(tmp_path / "x")
    for name, array in arrays.items():
        np.testing.assert_array_equal(stored.get(name), array)
        assert stored.get(name).dtype == array.dtype
    assert stored.text("texts") == ("é", "", "a\nb")
    (tmp_path / "x").unlink()
    np.testing.assert_array_equal(stored.get("a"), arrays["a"])
    with pytest.raises(ModelError, match="no array 'z'"):
        stored.get("z")
    for content in (b"", b"123", (1 << 40).to_bytes(8, "little") + b"{}", (4).to_bytes(8, "little") + b"nope"):
        (tmp_path / "y").write_bytes(content)
        with pytest.raises(ModelError, match="y: "):
            MappedArrays(tmp_path / "y").names()


# the first schema -------------------------------------------------------------------------------------------------------

TABLES = """
CREATE TABLE clips (number INTEGER PRIMARY KEY, name TEXT, speaker TEXT, frames INTEGER, language TEXT, source TEXT);
CREATE TABLE words (clip INTEGER, position INTEGER, text TEXT, start REAL, end REAL, after TEXT, prominence REAL, PRIMARY KEY (clip, position));
CREATE TABLE vocabulary (number INTEGER PRIMARY KEY, word TEXT);
CREATE TABLE exemplars (row INTEGER PRIMARY KEY, clip INTEGER, kind TEXT, gesture TEXT, word TEXT, vocabulary INTEGER, start REAL, end REAL,
                        stroke REAL, prominence REAL);
"""
IN_MOTION = ("rotations", "translation", "expression", "expression_columns", "contacts")


def old_index(folder: Path, index: Index) -> Path:
    """The same index as version 0.1 wrote it."""
    folder.mkdir()
    order = sorted(index.vocabulary)
    with sqlite3.connect(folder / "rows.sqlite") as database:
        database.executescript(TABLES)
        for number, name in enumerate(index.events.clips):
            row = index.clip(name)
            database.execute("INSERT INTO clips VALUES (?, ?, ?, ?, 'en', 'given')", (number, name, row.speaker, row.frames))
            spoken = index._opened.rows.all("SELECT ?, position, text, start, end, after, prominence FROM words WHERE clip = ?", number, row.number)
            database.executemany("INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?)", spoken)
        database.executemany("INSERT INTO vocabulary VALUES (?, ?)", list(enumerate(order)))
        for e in index.exemplars:
            facts = (e.row, index.events.clips.index(e.clip), e.kind, e.gesture, e.word, order.index(index.vocabulary[index.events.word_number[e.row]]))
            database.execute("INSERT INTO exemplars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*facts, e.start, e.end, e.stroke, e.prominence))
    database.close()
    motion, conditions = {}, {"vocabulary": index.word_table[[index.vocabulary.index(word) for word in order]].astype(np.float16)}
    for number, name in enumerate(index.events.clips):
        for track in TRACKS:
            (motion if track in IN_MOTION else conditions)[f"{number:06d}.{track}"] = index.array(index.clip(name), track)
    write_arrays(folder / "motion.safetensors", motion)
    write_arrays(folder / "conditions.safetensors", conditions)
    files = {path.name: sha256_of(path) for path in folder.iterdir()}
    manifest = {"schema": 1, "kind": "index", "fps": 15, "text_encoder": "toy-text", "text_dim": 16, "audio_encoder": "toy-audio", "audio_dim": 3}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "licence": "made in code", "files": files}))
    return folder


def test_an_index_of_the_first_schema_is_brought_to_the_present_one(tmp_path: Path) -> None:
    built = Index.build(toy_corpus(), tmp_path / "new", text_encoder=ToyText(), audio_encoder=ToyAudio(), licence="made in code")
    folder = old_index(tmp_path / "old", built)
    with pytest.raises(ModelError, match="index upgrade"):
        Index.open(folder)
    upgrade_index(folder, text_encoder=ToyText())
    now = Index.open(folder, text_encoder=ToyText())
    assert tuple(now.exemplars) == tuple(built.exemplars)
    assert now.manifest.licence == "made in code"
    np.testing.assert_array_equal(now.sentence_vectors, built.sentence_vectors)
    np.testing.assert_array_equal(now.vectors, built.vectors)
    for name in built.events.clips:
        np.testing.assert_array_equal(now.clip_window(name, 4).rotations, built.clip_window(name, 4).rotations)
        np.testing.assert_array_equal(now.clip_window(name, 4).text, built.clip_window(name, 4).text)
    assert not {"rows.sqlite", "motion.safetensors", "conditions.safetensors"} & {path.name for path in folder.iterdir()}
    with pytest.raises(ModelError, match="no upgrade"):
        upgrade_index(folder, text_encoder=ToyText())


def test_a_harmed_old_index_is_not_upgraded(tmp_path: Path) -> None:
    built = Index.build(toy_corpus(), tmp_path / "new", text_encoder=ToyText(), audio_encoder=ToyAudio())
    folder = old_index(tmp_path / "old", built)
    path = folder / "motion.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(ModelError, match=r"motion\.safetensors"):
        upgrade_index(folder, text_encoder=ToyText())
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
