"""Ranking: the terms are the score, the order is the score's, and each term does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers_retrieval import ToyAudio, ToyText, make_clip, toy_corpus
from raggesture.retrieval.index import Index
from raggesture.retrieval.product import voice_of
from raggesture.retrieval.query import without_itself
from raggesture.retrieval.rank import Weights, best, by_terms
from raggesture.speech.audio import load_audio
from raggesture.types import Query, Speech


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index.build(toy_corpus(), tmp_path_factory.mktemp("index") / "toy", text_encoder=ToyText(), audio_encoder=ToyAudio())


QUERIES = [
    Query("huge", "iconic", 0, 1, speaker="bob", prominence=0.7),
    Query("mountain", "iconic", 0, 1),
    Query("there", "deictic", 0, 1, prominence=1.5),
    Query("zzz", "metaphoric", 0, 1, speaker="ann"),
    Query("", "beat", 0, 1),
    Query("but", "Comparison.Contrast", 0, 1),
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: q.word or "empty")
def test_terms_sum_to_the_score_and_order_falls(index: Index, query: Query) -> None:
    hits = by_terms(query, index)
    assert hits
    for hit in hits:
        assert hit.query is query
        assert hit.exemplar.kind == query.kind
        assert sum(hit.terms.values()) == pytest.approx(hit.score)
        assert 0 < hit.score <= 2 + 5 + 1 + 1
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_the_same_word_and_speaker_win(index: Index) -> None:
    first = by_terms(Query("Huge,", "iconic", 0, 1, speaker="bob"), index)[0]
    assert (first.exemplar.word, first.exemplar.speaker) == ("huge", "bob")
    assert dict(first.terms) == {"kind": 2.0, "word": 5.0, "speaker": 1.0}


def test_a_similar_word_beats_an_unlike_one(index: Index) -> None:
    hits = by_terms(Query("mountain", "iconic", 0, 1), index)
    assert hits[0].exemplar.word == "mountainous"
    similar = {h.exemplar.word: h.terms["similarity"] for h in hits}
    vector = index.word_vector("mountain")
    assert similar["mountainous"] == pytest.approx(3 * float(index.word_vector("mountainous") @ vector), abs=1e-5)
    assert similar["mountainous"] > similar["huge"]


def test_a_near_prominence_is_better(index: Index) -> None:
    weights = Weights(word=0, similarity=0, speaker=0, prominence=4)
    hits = by_terms(Query("x", "iconic", 0, 1, prominence=1.1), index, weights)
    assert hits[0].exemplar.word == "small"
    assert hits[0].terms["prominence"] == pytest.approx(4.0)
    far = next(h for h in hits if h.exemplar.word == "round")
    assert far.terms["prominence"] == pytest.approx(4 / (1 + 2 * 0.5))


def test_a_named_gesture_is_the_only_one(index: Index) -> None:
    hits = by_terms(Query("small", "iconic", 0, 1, gesture="big"), index)
    assert {h.exemplar.gesture for h in hits} == {"big"}
    forced = by_terms(Query("small", "iconic", 0, 1, gesture="idea"), index)
    assert {h.exemplar.gesture for h in forced} == {"idea"}
    assert by_terms(Query("small", "iconic", 0, 1, gesture="juggle"), index) == ()


def test_no_hit_is_an_answer(index: Index) -> None:
    assert by_terms(Query("x", "Temporal.Synchronous", 0, 1), index) == ()
    assert index.search(Query("x", "nothing", 0, 1)) == ()


def test_a_clip_never_retrieves_itself(index: Index) -> None:
    hits = by_terms(Query("huge", "iconic", 0, 1), index, exclude=["1_ann_0_1_1"])
    assert {h.exemplar.clip for h in hits} == {"2_bob_0_1_1"}
    assert by_terms(Query("huge", "iconic", 0, 1), index, exclude=[c.name for c in toy_corpus()]) == ()


def test_a_speech_is_known_by_its_samples_whatever_its_name(tmp_path: Path) -> None:
    rng, paths = np.random.default_rng(0), [tmp_path / f"{name}.wav" for name in ("one", "copy", "other")]
    waves = [rng.uniform(-0.5, 0.5, 16000 * 5).astype(np.float32) for _ in range(2)]
    for path, wave in zip(paths, (waves[0], waves[0], waves[1]), strict=True):
        soundfile.write(path, wave, 16000, subtype="PCM_16")
    labels = [("huge", "iconic", "big")]
    clips = [make_clip(f"{k}_ann_0_1_1", "so the huge thing was", labels, wave=path) for k, path in enumerate(paths, start=1)]
    built = Index.build(clips, tmp_path / "index", text_encoder=ToyText(), audio_encoder=ToyAudio())
    speech = Speech("3_ann_0_1_1", load_audio(paths[0]), clips[0].transcript)  # bears the name of a clip that it is not
    searched, note = without_itself(built, voice_of(speech.wave))
    assert [hit.exemplar.clip for hit in searched.search(Query("huge", "iconic", 0, 1))] == ["3_ann_0_1_1"]
    assert "1_ann_0_1_1, 2_ann_0_1_1" in note
    assert without_itself(built, voice_of(waves[0][:9000])) == (built, "")


def test_ties_keep_the_order_of_the_index(index: Index) -> None:
    weights = Weights(kind=2, word=0, similarity=0, speaker=0, prominence=0)
    rows = [h.exemplar.row for h in by_terms(Query("x", "iconic", 0, 1), index, weights)]
    assert rows == sorted(rows)
    assert len(by_terms(Query("x", "iconic", 0, 1), index, weights, limit=2)) == 2


def test_ranking_leaves_random_numbers_alone(index: Index) -> None:
    np.random.seed(3)
    expected = np.random.RandomState(3).uniform()
    by_terms(Query("whale", "iconic", 0, 1), index)
    assert np.random.uniform() == expected


def test_best_prefers_room_around_the_stroke(index: Index) -> None:
    hits = by_terms(Query("huge", "iconic", 0, 1), index)
    assert hits[0].exemplar.stroke == 1.5  # frame 22: too near to the clip's first frame
    chosen = best(hits, index)
    assert chosen is not None
    assert chosen.exemplar.stroke == 2.5
    assert best(hits[:1], index) is hits[0]
    assert best((), index) is None


def test_search_of_an_index_opened_elsewhere_is_the_same(index: Index, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(index.path, tmp_path / "copy")
    again = Index.open(tmp_path / "copy", text_encoder=ToyText())
    for query in QUERIES:
        assert [(h.exemplar, h.score) for h in again.search(query)] == [(h.exemplar, h.score) for h in index.search(query)]
