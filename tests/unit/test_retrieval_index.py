"""The embedded index: what goes in comes out, nothing else opens, nothing half-written stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers_retrieval import ToyAudio, ToyText, make_clip, make_motion, toy_corpus
from raggesture.encoders.base import frame_aligned
from raggesture.errors import InputError, ModelError, UsageError
from raggesture.retrieval.events import exemplars_of
from raggesture.retrieval.index import Index, clean_word
from raggesture.retrieval.packing import ROTATION_STEP_RAD, TRANSLATION_STEP_M, pack_track, pack_vectors, unpack_track, unpack_vectors
from raggesture.retrieval.stroke import stroke_from_motion
from raggesture.types import Query


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index.build(toy_corpus(), tmp_path_factory.mktemp("index") / "toy", text_encoder=ToyText(), audio_encoder=ToyAudio(), licence="made in code")


def build(folder: Path, **options: bool) -> Index:
    return Index.build(toy_corpus(), folder, text_encoder=ToyText(), audio_encoder=ToyAudio(), **options)


def test_exemplars_hold_every_label_and_relation(built: Index) -> None:
    kinds = [(e.word, e.kind, e.gesture) for e in built.exemplars]
    assert ("huge", "iconic", "big") in kinds
    assert ("all", "beat", "") in kinds
    assert ("but", "Comparison.Contrast", "") in kinds
    assert len(kinds) == sum(len(c.labels) + len(c.relations) for c in toy_corpus())
    assert [e.row for e in built.exemplars] == list(range(len(kinds)))
    huge = next(e for e in built.exemplars if e.word == "huge")
    assert (huge.clip, huge.speaker, huge.stroke, huge.prominence) == ("1_ann_0_1_1", "ann", 1.5, pytest.approx(0.6))


def test_columns_belong_to_the_exemplars(built: Index) -> None:
    for row, exemplar in enumerate(built.exemplars):
        assert built.columns.kind[row] == exemplar.kind
        assert built.columns.word[row] == clean_word(exemplar.word)
        assert built.columns.speaker[row] == exemplar.speaker
        assert built.vocabulary[built.columns.word_number[row]] == clean_word(exemplar.word)
    assert built.vectors.shape == (len(built.exemplars), ToyText.dim)
    np.testing.assert_allclose(np.linalg.norm(built.vectors, axis=1), 1, atol=2e-3)


def test_word_prominence_is_every_word_of_every_clip(tmp_path: Path) -> None:
    *known, last = toy_corpus()
    clips = (*known, replace(last, prominence=()))  # derived nowhere: a clip without a voice
    index = Index.build(clips, tmp_path / "i", text_encoder=ToyText(), audio_encoder=ToyAudio())
    found = index.excluding([clips[0].name]).word_prominence()
    assert len(found) == index.manifest.words == sum(len(clip.transcript.words) for clip in clips)
    for clip in clips:
        rows = found.clip == index.events.clips.index(clip.name)
        assert [(start, end) for start, end in zip(found.start[rows], found.end[rows], strict=True)] == [(w.start, w.end) for w in clip.transcript.words]
        expected = clip.prominence or [np.nan] * len(clip.transcript.words)
        np.testing.assert_allclose(found.prominence[rows], expected)
    batches = list(index._opened.rows.spoken(4))
    assert batches == list(index._opened.rows.spoken(1000)) and len(batches) == len(found)


@pytest.mark.parametrize("start", [-20, 0, 37, 180, 400])
def test_clip_window_is_the_clip_with_its_edges_repeated(built: Index, start: int) -> None:
    clip = toy_corpus()[0]
    window = built.clip_window(clip.name, start, frames=150, context=7)
    at = np.clip(np.arange(start - 7, start + 157), 0, clip.motion.frames - 1)
    np.testing.assert_allclose(window.rotations, clip.motion.rotations[at], atol=ROTATION_STEP_RAD / 2 + 1e-6)
    np.testing.assert_allclose(window.translation, clip.motion.translation[at], atol=TRANSLATION_STEP_M / 2 + 1e-6)
    np.testing.assert_allclose(window.expression, clip.motion.expression[at], atol=2**-8 + 1e-6)
    assert window.contacts.shape == (164, 4)
    assert set(np.unique(window.contacts)) <= {0.0, 1.0}
    inner = np.arange(start, start + 150)
    aligned = frame_aligned(ToyText().words(clip.transcript), clip.transcript, clip.motion.frames)
    expected = np.where(((inner >= 0) & (inner < clip.motion.frames))[:, None], aligned[inner.clip(0, clip.motion.frames - 1)], 0)
    np.testing.assert_allclose(window.text, expected, atol=0.02)
    assert window.audio.shape == (150, ToyAudio.dim)
    assert not window.audio[(inner < 0) | (inner >= clip.motion.frames)].any(), "nobody speaks outside the clip"
    assert window.speaker == "ann"
    assert {a.dtype for a in (window.rotations, window.translation, window.expression, window.contacts, window.text, window.audio)} == {np.dtype(np.float32)}


def test_audio_features_come_from_the_voice(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "v.wav", np.full(16000 * 6, 0.1, np.float32), 16000)
    clip = make_clip("c", "one two three four five six", [("two", "iconic", "")], wave=tmp_path / "v.wav")
    index = Index.build([clip], tmp_path / "i", text_encoder=ToyText(), audio_encoder=ToyAudio())
    audio = index.clip_window("c", 10, frames=20).audio
    np.testing.assert_allclose(audio[:, 0], np.arange(10, 30), atol=0.01)


def test_opened_again_it_is_the_same(built: Index) -> None:
    again = Index.open(built.path, text_encoder=ToyText())
    assert tuple(again.exemplars) == tuple(built.exemplars)
    assert again.manifest == built.manifest
    np.testing.assert_array_equal(again.clip_window("2_bob_0_1_1", 3).rotations, built.clip_window("2_bob_0_1_1", 3).rotations)
    assert again.clip("2_bob_0_1_1").transcript == toy_corpus()[2].transcript


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = build(tmp_path / "a"), build(tmp_path / "b")
    assert first.manifest.files == second.manifest.files


@pytest.mark.parametrize("name", ["rows-*.sqlite", "events-*.safetensors", "vectors-*.safetensors", "segment-*.safetensors", "manifest.json"])
@pytest.mark.parametrize("harm", ["truncate", "alter", "remove"])
def test_a_harmed_file_is_refused(tmp_path: Path, name: str, harm: str) -> None:
    index = build(tmp_path / "i")
    (path,) = index.path.glob(name)
    data = path.read_bytes()
    if harm == "remove":
        path.unlink()
    elif harm == "truncate":
        path.write_bytes(data[: len(data) // 2])
    else:
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])
    with pytest.raises(ModelError) as caught:
        Index.open(index.path)
    assert str(index.path) in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("schema", 99), ("kind", "model"), ("fps", 30), ("files", []), ("clips", None)])
def test_a_foreign_manifest_is_refused(tmp_path: Path, key: str, value: object) -> None:
    index = build(tmp_path / "i")
    path = index.path / "manifest.json"
    data = json.loads(path.read_text())
    if value is None:
        del data[key]
    else:
        data[key] = value
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError):
        Index.open(index.path)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="index build"):
        Index.open(tmp_path / "nowhere")


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def clips() -> object:
        yield toy_corpus()[0]
        raise InputError("corpus: broken")

    with pytest.raises(InputError, match="broken"):
        Index.build(clips(), tmp_path / "i", text_encoder=ToyText(), audio_encoder=ToyAudio())
    with pytest.raises(InputError, match="no clips"):
        Index.build([], tmp_path / "i", text_encoder=ToyText(), audio_encoder=ToyAudio())
    with pytest.raises(InputError, match="twice"):
        Index.build([toy_corpus()[0]] * 2, tmp_path / "i", text_encoder=ToyText(), audio_encoder=ToyAudio())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept_unless_forced(tmp_path: Path) -> None:
    build(tmp_path / "i")
    with pytest.raises(UsageError, match="force"):
        build(tmp_path / "i")
    assert len(build(tmp_path / "i", force=True).exemplars) == 11
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="not an index"):
        build(tmp_path / "mine", force=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i", "mine"]


def test_nearest_words_by_hnswlib_are_the_nearest(built: Index) -> None:
    vector = built.word_vector("mountains")
    found = built.nearest_words(vector, 4)
    cosines = built._vectors @ vector
    assert [word for word, _ in found] == [built.vocabulary[k] for k in np.argsort(-cosines, kind="stable")[:4]]
    np.testing.assert_allclose([c for _, c in found], np.sort(cosines)[::-1][:4], atol=2e-3)
    assert built.nearest_words(vector, 1000)[0] == found[0]


def test_known_words_need_no_encoder(tmp_path: Path) -> None:
    built = build(tmp_path / "i")
    encoder = ToyText()
    index = Index.open(built.path, text_encoder=encoder)
    index.word_vector("Huge,")
    assert encoder.asked == []
    index.word_vector("whale")
    index.word_vector("whale")
    assert encoder.asked == ["whale"]
    index.learn_words(["Whale", "huge", "eel", "cod", "", "eel"])
    assert encoder.asked == ["whale", "cod", "eel"]
    assert not index.word_vector("...").any()


def test_a_foreign_encoder_is_refused(built: Index) -> None:
    encoder = ToyText()
    encoder.dim = 8
    with pytest.raises(ModelError, match="encoder"):
        Index.open(built.path, text_encoder=encoder).word_vector("whale")


def test_the_graph_of_words_finds_what_comparing_one_by_one_finds(built: Index) -> None:
    exact = built.vocabulary_similarities("mountains")
    for word, cosine in built.nearest_words(built.word_vector("mountains"), k=len(built.vocabulary)):
        assert max(cosine, 0.0) == pytest.approx(float(exact[built.word_number(word)]), abs=2e-3)
    assert built.word_number("whalefish") == built.word_number("") == -1


def test_excluding_a_clip_leaves_the_rest(built: Index) -> None:
    query = Query("huge", "iconic", 0, 1)
    without = built.excluding(["1_ann_0_1_1"])
    assert {hit.exemplar.clip for hit in without.search(query)} == {"2_bob_0_1_1"}
    assert {hit.exemplar.clip for hit in built.search(query)} == {"1_ann_0_1_1", "2_bob_0_1_1"}


def test_info_counts(built: Index) -> None:
    info = built.info()
    assert dict(info.kinds) == {"iconic": 5, "deictic": 2, "metaphoric": 2, "beat": 1, "Comparison.Contrast": 1}
    assert dict(info.gestures)["big"] == 2
    assert info.manifest.licence == "made in code"
    assert info.manifest.speakers == ("ann", "bob")
    assert info.duration_s == pytest.approx(sum(c.duration_s for c in toy_corpus()))
    assert info.size_bytes == sum(p.stat().st_size for p in built.path.iterdir())


def test_an_unknown_clip_is_an_error(built: Index) -> None:
    with pytest.raises(ModelError, match="no clip"):
        built.clip_window("3_eve", 0)


def test_packing_is_lossless_after_rounding() -> None:
    rng = np.random.default_rng(5)
    track = np.cumsum(rng.normal(0, 0.02, (200, 7)), axis=0).astype(np.float32)
    back = unpack_track(pack_track(track, 2.0**-9), 200, 7, 2.0**-9)
    np.testing.assert_array_equal(back, np.round(track * 512) / 512)
    assert unpack_track(pack_track(np.zeros((0, 3), np.float32), 0.1), 0, 3, 0.1).shape == (0, 3)
    assert unpack_track(pack_track(np.zeros((4, 0), np.float32), 0.1), 4, 0, 0.1).shape == (4, 0)
    with pytest.raises(InputError):
        pack_track(np.full((2, 2), 1e12, np.float32), 2.0**-9)
    with pytest.raises(ModelError):
        unpack_track(pack_track(track, 0.1), 199, 7, 0.1)
    with pytest.raises(ModelError):
        unpack_track(np.zeros(9, np.uint8), 200, 7, 0.1)


def test_packed_vectors_keep_their_direction() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 384)).astype(np.float32)
    vectors[3] = 0
    back = unpack_vectors(*pack_vectors(vectors))
    kept = np.delete(np.arange(50), 3)
    cosine = (back * vectors).sum(1)[kept] / np.linalg.norm(back, axis=1)[kept] / np.linalg.norm(vectors, axis=1)[kept]
    assert cosine.min() > 0.9998
    assert not back[3].any()


@pytest.mark.parametrize("stroke", [12, 30, 47])
def test_the_stroke_is_where_the_fastest_movement_ends(stroke: int) -> None:
    motion = make_motion(60, stroke_frame=stroke)
    assert stroke_from_motion(motion, (stroke - 9) / 15, (stroke + 9) / 15) == pytest.approx(stroke / 15, abs=1.6 / 15)


def test_a_still_interval_has_its_stroke_in_the_middle() -> None:
    motion = replace(make_motion(30), rotations=np.zeros((30, 55, 3), np.float32))
    assert stroke_from_motion(motion, 0.4, 1.2) == pytest.approx(0.8)


def test_an_unlabelled_stroke_is_estimated() -> None:
    clip = make_clip("c", "a b c d", [("c", "iconic", "big")])
    moving = replace(clip, motion=make_motion(60, stroke_frame=35), labels=(replace(clip.labels[0], stroke=None),))
    (exemplar,) = exemplars_of(moving)
    assert exemplar.stroke == pytest.approx(35 / 15, abs=1.6 / 15)


def test_strokes_outside_the_clip_are_left_out() -> None:
    clip = make_clip("c", "a b", [("b", "iconic", "big")])
    late = replace(clip.labels[0], start=2.5, end=3.0, stroke=2.8)
    assert exemplars_of(replace(clip, labels=(late,))) == ()


def test_clean_word() -> None:
    assert clean_word("  Don’t, ") == "don't"
    assert clean_word("Well-known!") == "well-known"
    assert clean_word("as  soon AS") == "as soon as"
    assert clean_word("…") == ""
