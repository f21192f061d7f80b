"""The retriever ``contour``: its contract, and whose contour it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from raggesture_example import Contour, Emphasis
from raggesture_example.shape import BINS, contours, distances

from raggesture.retrieval.index import Index
from raggesture.testing import RetrieverContract, sample_cues, sample_index, sample_speech
from raggesture.types import Cues, Query, Speech, Transcript, Word

helpers = pytest.importorskip("helpers_retrieval", reason="the toy corpus lies in raggesture's own tests")
WORDS = 9


class TestContour(RetrieverContract):
    part = Contour

    def test_it_asks_as_emphasis_does(self) -> None:
        chosen = {"kind": "iconic", "spacing_s": 1.0, "threshold": 0.5, "weight": 0.5}
        ours = Contour(Contour.Options(**chosen)).queries(sample_speech(), sample_cues())
        assert ours == Emphasis(Emphasis.Options(**chosen)).queries(sample_speech(), sample_cues()) and ours

    def test_the_sample_index_has_hits(self, tmp_path: Path) -> None:
        retriever, index = self.make(), sample_index(tmp_path)
        assert all(retriever.rank(query, index) for query in retriever.queries(sample_speech(), sample_cues()))


def _clip(name: str, prominence: tuple[float, ...], speaker: str = "ann"):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    spoken = "one two three four huge six seven eight nine"
    return replace(helpers.make_clip(name, spoken, [("huge", "iconic", "big")], speaker), prominence=prominence)


def _index(folder: Path, *clips: object) -> Index:
    return Index.build(clips, folder / "index", text_encoder=helpers.ToyText(), audio_encoder=helpers.ToyAudio())


def _speech(prominence: tuple[float, ...]) -> tuple[Speech, Cues]:
    words = tuple(Word(f"w{k}", k + 0.2, k + 0.8) for k in range(len(prominence)))
    return Speech("talk", np.zeros(16000 * WORDS, np.float32), Transcript(words)), Cues((), prominence)


RISING, FALLING, PEAK, FLAT = (
    (1, 1, 0.2, 0.8, 1.5, 2.2, 1, 1, 1),
    (1, 1, 2.2, 1.9, 1.5, 0.2, 1, 1, 1),
    (0.1, 0.1, 0.1, 0.1, 1.5, 0.1, 0.1, 0.1, 0.1),
    (1.5,) * WORDS,
)
SHAPES = {"rising": RISING, "falling": FALLING, "peak": PEAK, "flat": FLAT}


@pytest.mark.parametrize("planted", sorted(SHAPES))
def test_a_planted_contour_is_found_first(tmp_path: Path, planted: str) -> None:
    """Every exemplar has the same word, kind and prominence of its own: only what is round it can tell."""
    index = _index(tmp_path, *(_clip(name, shape) for name, shape in SHAPES.items()))
    retriever = Contour(Contour.Options(threshold=0.0, spacing_s=0.5))
    query = next(each for each in retriever.queries(*_speech(SHAPES[planted])) if each.word == "w4")
    hits = retriever.rank(query, index)
    assert hits[0].exemplar.clip == planted and hits[0].score == pytest.approx(1.0)
    assert len(hits) == 4 and hits[1].score < 0.9
    assert planted not in {hit.exemplar.clip for hit in retriever.rank(query, index.excluding([planted]))}  # a clip never finds itself
    assert len(retriever.rank(query, index.excluding([planted]))) == 3


def test_the_pipelines_changes_of_a_query_do_not_lose_its_contour(tmp_path: Path) -> None:
    from dataclasses import replace

    index = _index(tmp_path, _clip("bobs", PEAK, "bob"), _clip("anns", RISING))
    retriever = Contour(Contour.Options(threshold=1.4, speaker=1.0))
    (query,) = retriever.queries(*_speech(PEAK))
    assert retriever.rank(replace(query, weight=0.3), index)[0].exemplar.clip == "bobs"
    first = retriever.rank(replace(query, speaker="ann"), index)[0]
    assert first.exemplar.clip == "anns" and first.terms["speaker"] == 1.0 and first.score == sum(first.terms.values())


def test_height_counts_not_only_shape(tmp_path: Path) -> None:
    """The contours are not z-normalised: a murmur is no storm."""
    index = _index(tmp_path, _clip("storm", tuple(2 * each for each in RISING)), _clip("murmur", tuple(0.5 * each for each in RISING)))
    retriever = Contour(Contour.Options(threshold=0.0))
    queries = retriever.queries(*_speech(tuple(1.8 * each for each in RISING)))
    assert {retriever.rank(query, index)[0].exemplar.clip for query in queries if query.word == "w5"} == {"storm"}


def test_kind_and_limit(tmp_path: Path) -> None:
    index = _index(tmp_path, *(_clip(name, shape) for name, shape in SHAPES.items()))
    asked = Query("w4", "beat", 4.2, 4.8, prominence=1.5)
    assert len(Contour(Contour.Options()).rank(asked, index)) == 4
    assert not Contour(Contour.Options(same_kind=True)).rank(asked, index)
    assert len(Contour(Contour.Options(limit=2)).rank(asked, index)) == 2


def test_a_query_from_elsewhere_knows_its_own_word(tmp_path: Path) -> None:
    index = _index(tmp_path, _clip("loud", (0.5,) * 4 + (2.0,) + (0.5,) * 4), _clip("soft", (0.5,) * 9))
    rank = Contour(Contour.Options()).rank
    assert [hit.exemplar.clip for hit in rank(Query("x", "iconic", 0.0, 0.6, prominence=2.0), index)] == ["loud", "soft"]
    assert [hit.exemplar.clip for hit in rank(Query("x", "iconic", 0.0, 0.6, prominence=0.4), index)] == ["soft", "loud"]
    assert not rank(Query("x", "iconic", 0.0, 0.6), index)


def test_an_index_without_prominence_gives_no_hits(tmp_path: Path) -> None:
    index = _index(tmp_path, _clip("silent", ()))
    retriever = Contour(Contour.Options(threshold=0.0))
    queries = retriever.queries(*_speech(PEAK))
    assert queries and not any(retriever.rank(query, index) for query in queries)


def test_the_index_is_read_once_for_all_its_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, read = _index(tmp_path, _clip("a", PEAK), _clip("b", FLAT)), []
    words = Index.word_prominence
    monkeypatch.setattr(Index, "word_prominence", lambda self: read.append(1) or words(self))
    retriever = Contour(Contour.Options())
    for view in (index, index.excluding(["a"]), index):
        retriever.rank(Query("x", "iconic", 0.0, 0.6, prominence=2.0), view)
    assert len(read) == 1


def test_a_contour_is_the_share_of_time_of_what_is_spoken() -> None:
    """One word from -0.5 s to 0.25 s round the instant, then a pause; the next clip is not heard."""
    start, end = np.array([9.5, 0.0]), np.array([10.25, 0.5])
    (shape, unheard) = contours(np.array([0, 2], np.int32), np.array([10.0, 5.0]), np.array([0, 1], np.int32), start, end, np.array([2.0, 9.0]))
    assert shape.tolist() == [0.0] * 4 + [2.0] * 3 + [0.0] * 5 and np.isnan(unheard).all()
    (halved,) = contours(np.zeros(1, np.int32), np.array([10.05]), np.zeros(1, np.int32), start[:1], end[:1], np.array([2.0]))
    assert halved[6] == pytest.approx(2.0 * 4 / 5)


def test_distance_is_over_what_both_know() -> None:
    shapes = np.full((3, BINS), np.nan, np.float32)
    shapes[0], shapes[1, :6] = 1.0, 3.0
    wanted = np.where(np.arange(BINS) < 8, 1.0, np.nan).astype(np.float32)
    assert np.array_equal(distances(shapes, wanted), [0.0, 2.0, np.nan], equal_nan=True)
