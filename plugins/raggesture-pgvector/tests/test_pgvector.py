"""A library on a real server answers as the embedded index does, and stays whole whoever writes and reads it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psycopg
import pytest
from raggesture_pgvector import PgVector
from raggesture_pgvector.schema import Address

from raggesture.errors import ConfigError, InputError, ModelError, ServiceError
from raggesture.plugins.hookspecs import Library
from raggesture.plugins.manager import INDEX_BACKENDS, PluginManager
from raggesture.retrieval.index import Index
from raggesture.retrieval.product import product_of
from raggesture.retrieval.rank import by_terms
from raggesture.testing import IndexBackendContract
from raggesture.types import Query

helpers = pytest.importorskip("helpers_retrieval", reason="the toy corpus lies in raggesture's own tests")
QUERIES = (
    Query("huge", "iconic", 0, 1),
    Query("enormous", "iconic", 0, 1, prominence=0.9, speaker="ann"),
    Query("mountain", "iconic", 0, 1, speaker="bob"),
    Query("but", "Comparison.Contrast", 0, 1),
    Query("anything", "iconic", 0, 1, gesture="big"),
    Query("", "deictic", 0, 1),
    Query("nothing", "no-such-kind", 0, 1),
)
WRITER = """
import sys
sys.path[:0] = [sys.argv[1]]
import helpers_retrieval as h
from raggesture.plugins.hookspecs import Library
from raggesture.retrieval.product import product_of
from raggesture_pgvector import PgVector
text, audio = h.ToyText(), h.ToyAudio()
labels = [("huge", "iconic", "big"), ("there", "deictic", "there"), ("idea", "metaphoric", "idea")]
clips = [h.make_clip(f"{sys.argv[3]}_{k}", f"huge there idea {sys.argv[3]} word{k} other{k}", labels, sys.argv[3], seed=k) for k in range(8)]
backend = PgVector(PgVector.Options())
added = backend.add(sys.argv[2], [product_of(clip, text, audio) for clip in clips], Library(text, audio))
assert len(added) == 8, added
"""


class TestPgVector(IndexBackendContract):
    part = PgVector


def backend() -> PgVector:
    return PgVector(PgVector.Options())


def fill(location: str, clips: tuple | None = None) -> tuple[str, ...]:
    text, audio = helpers.ToyText(), helpers.ToyAudio()
    chosen = helpers.toy_corpus() if clips is None else clips
    return backend().add(location, [product_of(clip, text, audio) for clip in chosen], Library(text, audio, licence="toy"))


def opened(location: str) -> Index:
    index = backend().open(location)
    index.use_encoder(helpers.ToyText())
    return index


@pytest.fixture
def embedded(tmp_path: Path) -> Index:
    return Index.build(helpers.toy_corpus(), tmp_path / "index", text_encoder=helpers.ToyText(), audio_encoder=helpers.ToyAudio(), licence="toy")


def _told(index: Index, query: Query) -> list[tuple]:
    return [(hit.exemplar.clip, hit.exemplar.word, hit.exemplar.stroke, hit.exemplar.hand, tuple(hit.terms)) for hit in by_terms(query, index)]


def _scores(index: Index, query: Query) -> list[float]:
    """Equal to float32's last bits: products of matrices of another shape are summed in another order."""
    return [hit.score for hit in by_terms(query, index)]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.word}-{query.kind}-{query.gesture}")
def test_the_same_answers_as_the_embedded_index(location: str, embedded: Index, query: Query) -> None:
    fill(location)
    index = opened(location)
    assert _told(index, query) == _told(embedded, query)
    assert _scores(index, query) == pytest.approx(_scores(embedded, query), abs=1e-5)
    without = ["1_ann_0_1_1"]
    assert _told(index.excluding(without), query) == _told(embedded.excluding(without), query)
    assert all(hit.exemplar in index.exemplars for hit in by_terms(query, index))


def test_the_same_columns_words_windows_and_counts(location: str, embedded: Index) -> None:
    fill(location)
    index = opened(location)
    ours, theirs = index.info(), embedded.info()
    for name in ("duration_s", "kinds", "gestures", "speakers", "hands", "derived"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("clips", "frames", "words", "sentences", "exemplars", "speakers", "licence", "grid", "text_encoder", "audio_dim"):
        assert getattr(ours.manifest, name) == getattr(theirs.manifest, name), name
    assert index.clip_frames == embedded.clip_frames
    assert sorted(index.vocabulary) == sorted(embedded.vocabulary)
    assert [e.word for e in index.exemplars] == [e.word for e in embedded.exemplars]
    for row in range(len(embedded.exemplars)):
        assert index.sentence(index.exemplars[row].row) == embedded.sentence(row)
    assert np.array_equal(index.sentence_vectors, embedded.sentence_vectors)
    for start in (-20, 3, 200):
        ours_window, theirs_window = index.clip_window("1_ann_0_1_1", start), embedded.clip_window("1_ann_0_1_1", start)
        for name in ("rotations", "translation", "expression", "contacts", "text", "audio"):
            assert np.array_equal(getattr(ours_window, name), getattr(theirs_window, name)), name
    vector = helpers.ToyText().sentences(["big"])[0]
    near = index.nearest_words(vector, 3)
    assert [word for word, _ in near] == [word for word, _ in embedded.nearest_words(vector, 3)]


def test_the_same_prominence_of_every_word(location: str, embedded: Index) -> None:
    fill(location)
    index = opened(location)
    for view in (index, index.excluding(["1_ann_0_1_1"]), index.only(np.ones(len(index.events), bool))):
        ours, theirs = view.word_prominence(), embedded.word_prominence()
        assert view.events.clips == embedded.events.clips
        for name in ("clip", "start", "end", "prominence"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_a_library_grows_and_shrinks_while_it_is_open(location: str) -> None:
    first, *rest = helpers.toy_corpus()
    fill(location, (first,))
    index = opened(location)
    huge = Query("huge", "iconic", 0, 1)
    assert {hit.exemplar.clip for hit in by_terms(huge, index)} == {first.name}
    state = index.identity
    fill(location, tuple(rest))
    assert index.identity != state
    assert {hit.exemplar.clip for hit in by_terms(huge, index)} == {first.name, "2_bob_0_1_1"}
    assert len(index.exemplars) == len(index.columns.prominence) == 11
    assert {hit.exemplar.speaker for hit in by_terms(huge, index.only(index.events.speaker == index.events.speakers.index("bob")))} == {"bob"}
    assert backend().remove(location, [], ["bob"]) == ("2_bob_0_1_1",)
    assert {hit.exemplar.clip for hit in by_terms(huge, index)} == {first.name}
    assert "bob" not in index.manifest.speakers


def test_an_interrupted_addition_goes_on_and_another_clip_of_that_name_is_refused(location: str) -> None:
    clips = helpers.toy_corpus()
    fill(location, clips[:1])
    assert fill(location, clips) == tuple(clip.name for clip in clips[1:])  # what is there already is passed over
    other = helpers.make_clip(clips[0].name, "something else entirely here", [("else", "beat", "")])
    with pytest.raises(InputError, match=r"holds one of that name; expected a new name"):
        fill(location, (other,))
    assert opened(location).manifest.clips == 3


def test_a_clip_goes_in_whole_or_not_at_all(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(location, helpers.toy_corpus()[:1])

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("raggesture_pgvector.writer._copy_events", fail)
    with pytest.raises(KeyboardInterrupt):
        fill(location)
    index = opened(location)
    assert index.manifest.clips == 1 and backend().verify(location) == ()


def test_two_writers_and_ten_readers_at_once(location: str) -> None:
    fill(location, helpers.toy_corpus()[:1])
    done, faults, searches = threading.Event(), list[BaseException](), list[int]()
    per_clip = {"iconic": 1, "deictic": 1, "metaphoric": 1}

    def read() -> None:
        count = 0
        try:
            index = opened(location)
            while not (done.is_set() and count >= 3):
                for kind in per_clip:
                    by_terms(Query("huge", kind, 0, 1), index, limit=100)
                columns = index.columns
                clips = [columns.clip[row] for row in range(len(columns.clip))]
                assert all(clips.count(name) == 3 for name in set(clips) if name.startswith("writer")), "half a clip was seen"
                count += 1
        except BaseException as fault:  # an assertion in a thread is lost otherwise
            faults.append(fault)
        searches.append(count)

    readers = [threading.Thread(target=read) for _ in range(10)]
    for reader in readers:
        reader.start()
    source = str(Path(helpers.__file__).parent)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, source, location, f"writer{k}"], stderr=subprocess.PIPE, text=True) for k in range(2)]
    said = [writer.communicate(timeout=300)[1] for writer in writers]
    done.set()
    for reader in readers:
        reader.join(timeout=300)
    assert [writer.returncode for writer in writers] == [0, 0], said
    assert not faults, faults
    assert len(searches) == 10 and min(searches) >= 3
    index = opened(location)
    assert index.manifest.clips == 17
    assert backend().verify(location) == ()


def test_altered_tracks_are_found_and_named(location: str) -> None:
    fill(location)
    address = Address.parse(location)
    with psycopg.connect(address.dsn) as connection:
        connection.execute(f"UPDATE {address.library}.clips SET tracks = set_byte(tracks, 100, 1 + get_byte(tracks, 100) % 255) WHERE name = '1_ann_0_2_2'")
        connection.execute(f"UPDATE {address.library}.exemplars SET stroke = 9999 WHERE row = 1")
    faults = backend().verify(location)
    assert len(faults) == 2 and "1_ann_0_2_2" in faults[0] and "event 1" in faults[1]
    with pytest.raises(ModelError, match=r"1_ann_0_2_2.*checksum"):
        opened(location).clip_window("1_ann_0_2_2", 0)


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("postgresql://me:secret@host/db", ConfigError, "holds a secret; expected none - set PGPASSWORD"),
        ("postgresql://host/db?password=secret", ConfigError, "holds a secret"),
        ("postgresql://host/db#Two words", ConfigError, "expected a name like"),
        ("postgresql://127.0.0.1:1/db", ServiceError, "cannot be reached"),
    ],
)
def test_addresses_that_cannot_be_used(address: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        backend().open(address)
    assert "secret@" not in str(caught.value) and "=secret" not in str(caught.value)


def test_no_library_another_schema_other_encoders(location: str) -> None:
    with pytest.raises(ModelError, match="no library there"):
        opened(location)
    fill(location)
    text = helpers.ToyText()
    text.name = "another"
    with pytest.raises(ModelError, match="its text encoder is 'toy-text'; expected 'another'"):
        backend().add(location, [], Library(text, helpers.ToyAudio()))
    address = Address.parse(location)
    with psycopg.connect(address.dsn) as connection:
        connection.execute(f"UPDATE {address.library}.library SET schema = 99")
    with pytest.raises(ModelError, match="schema 99; expected 1"):
        opened(location)


def test_a_server_that_goes_away_is_a_service_error(location: str) -> None:
    fill(location)
    index = opened(location)
    index._connection.close()
    with pytest.raises(ServiceError, match="expected an answer"):
        by_terms(QUERIES[0], index)


def test_it_is_found_by_its_scheme() -> None:
    manager = PluginManager(allowed=frozenset({"pgvector"}))
    if not manager.names(INDEX_BACKENDS):
        pytest.skip("raggesture-pgvector is on the path but not installed")
    assert manager.part(INDEX_BACKENDS, "pgvector").cls.scheme == "postgresql"
