"""Contract tests for the parts of third parties: subclass one, name your class, run pytest.

    from raggesture.testing import RetrieverContract

    class TestMine(RetrieverContract):
        part = MyRetriever

Each test states one clause of the contract; ``raggesture plugins check`` runs the same clauses. The speech, cues and index
they use are made here, of tones and still bodies: no weights, no network. Source: DESIGN section 5.
"""

from __future__ import annotations

import math
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MODEL_FPS, MOTION_FPS, SAMPLE_RATE_HZ, frames_of_seconds, sample_of_seconds
from raggesture.plugins.checks import EXPORTERS, INDEX_BACKENDS, METRICS, RETRIEVERS, SCHEDULES, PartKind, fault_of_part
from raggesture.types import GESTURE_KINDS, Cues, Query, Relation, Speech, Transcript, Word

__all__ = [
    "ExporterContract",
    "GuidanceScheduleContract",
    "IndexBackendContract",
    "MetricContract",
    "RetrieverContract",
    "problems_of_part",
    "sample_cues",
    "sample_index",
    "sample_speech",
]

_WORDS = ("we", "climbed", "that", "huge", "mountain", "over", "there", "because", "I", "love", "big", "ideas")
_PROMINENT = (0.3, 1.4, 0.4, 1.9, 1.5, 0.8, 1.7, 0.6, 0.5, 1.2, 1.3, 1.6)
_DURATION_S = 6.0
DIRECTIONS = ("lower", "higher", "reference")
"""What can be better in a metric."""
_TEXT_DIM, _AUDIO_DIM = 8, 4


def sample_speech(name: str = "sample") -> Speech:
    """Six seconds of a humming tone with twelve words, half a second each."""
    seconds = np.arange(sample_of_seconds(_DURATION_S)) / SAMPLE_RATE_HZ
    wave = (0.2 * np.sin(2 * np.pi * 140 * seconds) * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * seconds))).astype(np.float32)
    words = tuple(Word(text, 0.5 * k + 0.05, 0.5 * k + 0.45) for k, text in enumerate(_WORDS))
    return Speech(name, wave, Transcript(words), "speaker-a")


def sample_cues() -> Cues:
    """What was understood of ``sample_speech``: one causal relation and the prominence of each word."""
    because = sample_speech().transcript.words[_WORDS.index("because")]
    relation = Relation("because", "Contingency.Cause", 0.05, 5.95, because.start, because.end)
    return Cues((relation,), _PROMINENT, tuple(0.5 * k + 0.2 for k in range(len(_WORDS))))


@dataclass(frozen=True, slots=True)
class _HashedText:
    """A word's vector from its letters: alike where letters are."""

    name: str = "letters"
    dim: int = _TEXT_DIM
    per_window: bool = False

    def words(self, transcript: Transcript) -> NDArray[np.float32]:
        return self.sentences([word.text for word in transcript.words])

    def sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.full((len(texts), self.dim), 0.1, np.float32)
        for row, text in enumerate(texts):
            for letter in text.lower():
                vectors[row, ord(letter) % self.dim] += 1
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


@dataclass(frozen=True, slots=True)
class _NoAudio:
    name: str = "none"
    dim: int = _AUDIO_DIM
    rate_hz: float = float(MODEL_FPS)
    per_window: bool = False

    def encode(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros((frames_of_seconds(len(wave) / SAMPLE_RATE_HZ, MODEL_FPS), self.dim), np.float32)


def sample_index(folder: Path) -> Any:
    """A small index, built in ``folder``: two speakers, all four kinds, strokes well inside their clips."""
    from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS
    from raggesture.corpus.clip import Clip, GestureLabel
    from raggesture.motion import Motion
    from raggesture.retrieval.index import Index

    def clip(speaker: str) -> Clip:
        frames = frames_of_seconds(20.0, MODEL_FPS)
        still = Motion(np.zeros((frames, N_JOINTS, 3)), np.zeros((frames, 3)), np.zeros((frames, N_EXPRESSIONS)), float(MODEL_FPS))  # type: ignore[arg-type]
        words = tuple(Word(text, 4.0 + k, 4.5 + k) for k, text in enumerate(_WORDS))
        labels = tuple(
            GestureLabel(word.text, GESTURE_KINDS[k % len(GESTURE_KINDS)], f"sample_{word.text.lower()}", word.start, word.end, word.start + 0.2)
            for k, word in enumerate(words)
        )
        relation = Relation("because", "Contingency.Cause", 4.0, 15.0, 11.0, 11.5)
        return Clip(f"clip-{speaker}", speaker, still, Transcript(words), (relation,), labels, _PROMINENT)

    return Index.build([clip("speaker-a"), clip("speaker-b")], folder / "index", text_encoder=_HashedText(), audio_encoder=_NoAudio())


@contextmanager
def _global_randomness_watched() -> Iterator[Callable[[], bool]]:
    """Gives a function that tells whether a global random state was touched; puts it back afterwards."""
    import torch

    before = (random.getstate(), np.random.get_state(), torch.random.get_rng_state())
    try:
        yield (
            lambda: (
                random.getstate() != before[0]
                or not all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), before[1], strict=True))
                or not torch.equal(torch.random.get_rng_state(), before[2])
            )
        )
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.random.set_rng_state(before[2])


class PartContract:
    """What holds for every part. ``part``: the class under test; ``options``: an instance of its Options, None for the defaults."""

    kind: ClassVar[PartKind]
    part: ClassVar[Any]
    options: ClassVar[Any] = None

    def make(self) -> Any:
        """The part, constructed."""
        return self.part(self.part.Options() if self.options is None else self.options)

    def test_class_is_a_part(self) -> None:
        """Name, Options and signatures are as the protocol has them."""
        reason = fault_of_part(self.kind, self.part)
        assert not reason, reason

    def test_options_survive_json(self) -> None:
        """Options can be written into a trace and read back."""
        options = self.part.Options()
        assert type(options).model_validate_json(options.model_dump_json()) == options, "Options change on their way through JSON"

    def test_construction_is_repeatable(self) -> None:
        """Constructing twice touches no global random state."""
        with _global_randomness_watched() as touched:
            self.make()
            self.make()
            assert not touched(), "the constructor uses global random state"


class RetrieverContract(PartContract):
    """The contract of a retriever."""

    kind = RETRIEVERS

    def queries(self) -> Sequence[Query]:
        """Queries for the sample speech."""
        queries: Sequence[Query] = self.make().queries(sample_speech(), sample_cues())
        return queries

    def test_queries_are_in_the_speech(self) -> None:
        """Queries are ``Query`` objects in time order, each inside the speech."""
        queries = self.queries()
        for query in queries:
            assert isinstance(query, Query), f"queries returned {type(query).__name__}, not Query"
            assert query.end <= _DURATION_S and 0 <= query.stroke_s <= _DURATION_S, f"query {query.word!r} lies outside the speech"
        starts = [query.start for query in queries]
        assert starts == sorted(starts), "queries are not in time order"

    def test_queries_repeat(self) -> None:
        """The same speech gives the same queries, and global random state is left alone."""
        with _global_randomness_watched() as touched:
            first, second = list(self.queries()), list(self.queries())
            assert not touched(), "queries uses global random state"
            assert first == second, "two calls gave different queries"

    def test_a_speech_without_words_is_no_error(self) -> None:
        """Silence gives no query."""
        silence = Speech("silence", np.zeros(sample_of_seconds(2.0), np.float32), Transcript(()))
        assert not list(self.make().queries(silence, Cues())), "queries found words in silence"

    def test_hits_are_sorted_and_explained(self) -> None:
        """Hits come best first, each for its query, finite, with terms that sum to its score."""
        with tempfile.TemporaryDirectory() as folder:
            index, retriever = sample_index(Path(folder)), self.make()
            for query in self.queries() or [Query("huge", "iconic", 1.5, 2.0)]:
                hits = list(retriever.rank(query, index))
                scores = [hit.score for hit in hits]
                assert scores == sorted(scores, reverse=True), f"hits for {query.word!r} are not best first"
                for hit in hits:
                    assert hit.query == query, f"a hit for {query.word!r} carries another query"
                    assert math.isfinite(hit.score), f"a hit for {query.word!r} has score {hit.score}"
                    assert math.isclose(sum(hit.terms.values()), hit.score, rel_tol=1e-6, abs_tol=1e-9), (
                        f"terms of a hit for {query.word!r} do not sum to its score"
                    )
                    assert hit.exemplar in index.exemplars, f"a hit for {query.word!r} is not of the index"
                assert [hit.exemplar for hit in retriever.rank(query, index)] == [hit.exemplar for hit in hits], "two calls ranked differently"


class GuidanceScheduleContract(PartContract):
    """The contract of a guidance schedule."""

    kind = SCHEDULES

    def test_rates_are_fractions(self) -> None:
        """As many rates as steps, each a finite number in [0, 1], for any number of steps."""
        for n_steps in (1, 2, 5, 20, 50, 200):
            rates = self.make().rates(n_steps)
            assert isinstance(rates, tuple) and len(rates) == n_steps, (
                f"rates({n_steps}) gave {len(rates)} values in a {type(rates).__name__}; expected a tuple of {n_steps}"
            )
            assert all(isinstance(rate, float) and 0.0 <= rate <= 1.0 for rate in rates), f"rates({n_steps}) has a value that is no float in [0, 1]"

    def test_rates_repeat(self) -> None:
        """The same number of steps gives the same rates; one object serves any."""
        schedule = self.make()
        first = schedule.rates(50)
        schedule.rates(7)
        assert schedule.rates(50) == first == self.make().rates(50), "two calls gave different rates"


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    name: str
    motion: Any
    speech: Speech | None
    trace: Any


class ExporterContract(PartContract):
    """The contract of an exporter."""

    kind = EXPORTERS

    def scene(self, speech: Speech | None = None) -> _Scene:
        """A still body for two seconds."""
        from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS
        from raggesture.motion import Motion

        frames = frames_of_seconds(2.0, MOTION_FPS)
        motion = Motion(np.zeros((frames, N_JOINTS, 3)), np.zeros((frames, 3)), np.zeros((frames, N_EXPRESSIONS)), float(MOTION_FPS))  # type: ignore[arg-type]
        return _Scene("sample", motion, speech, None)

    def test_suffix_is_one(self) -> None:
        """The suffix starts with a dot and names no folder."""
        suffix = self.part.suffix
        assert suffix.startswith(".") and len(suffix) > 1 and Path(f"a{suffix}").name == f"a{suffix}", f"suffix {suffix!r} is not like '.npz'"

    def test_writes_the_file_it_was_given(self) -> None:
        """Exactly the file of that name is written, with and without a voice, the same bytes each time."""
        for speech in (None, sample_speech()):
            with tempfile.TemporaryDirectory() as folder:
                paths = [Path(folder, f"{name}{self.part.suffix}") for name in ("one", "two")]
                for path in paths:
                    self.make().write(self.scene(speech), path)
                found = sorted(each.name for each in Path(folder).iterdir())
                assert found == sorted(path.name for path in paths), f"write left {found}"
                assert paths[0].stat().st_size > 0, "write left an empty file"
                assert paths[0].read_bytes() == paths[1].read_bytes(), "the same scene gave other bytes"


class IndexBackendContract(PartContract):
    """The contract of an index backend, as far as it holds without a server; a plugin tests the rest on a server of its own."""

    kind = INDEX_BACKENDS

    def test_scheme_is_one(self) -> None:
        """The scheme can stand before ``://``."""
        scheme = self.part.scheme
        assert re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme), f"scheme {scheme!r} cannot stand before '://'"


class MetricContract(PartContract):
    """The contract of a metric, on clips made in code (``raggesture.metrics.samples``)."""

    kind = METRICS

    def test_says_what_it_is(self) -> None:
        """Unit, direction, needs, source, meaning, version and ``asked_only`` are there and known."""
        from raggesture.metrics.clip import NEEDS

        for attribute in ("unit", "source", "meaning"):
            assert getattr(self.part, attribute, "").strip(), f"{attribute} is empty; expected words"
        assert self.part.direction in DIRECTIONS, f"direction is {self.part.direction!r}; expected one of {', '.join(DIRECTIONS)}"
        needs = getattr(self.part, "needs", None)
        assert isinstance(needs, tuple) and set(needs) <= set(NEEDS), f"needs is {needs!r}; expected a tuple of {', '.join(NEEDS)}"
        assert type(getattr(self.part, "version", None)) is int and self.part.version >= 1, "version is missing; expected a whole number from 1"
        assert isinstance(getattr(self.part, "asked_only", None), bool), "asked_only is missing; expected True or False"

    def test_measures_numbers_and_repeats(self) -> None:
        """A clip gives the same named arrays of numbers each time; global random state is left alone."""
        with tempfile.TemporaryDirectory() as folder, _global_randomness_watched() as touched:
            for clip in self._clips(Path(folder)):
                first, second = dict(self.make().measure(clip)), dict(self.make().measure(clip))
                assert all(isinstance(key, str) for key in first), "measure gave a name that is no string"
                assert all(np.asarray(value).dtype.kind in "fiub" for value in first.values()), "measure gave something else than numbers"
                assert first.keys() == second.keys(), "two calls measured different things"
                assert all(np.array_equal(first[key], second[key], equal_nan=True) for key in first), "two calls measured differently"
            assert not touched(), "measure uses global random state"

    def test_figures_are_of_counted_clips(self) -> None:
        """Figures are pairs of numbers under the same labels however often clips count, the same each time; rows have a value a clip."""
        from raggesture.metrics.measured import Measurements

        with tempfile.TemporaryDirectory() as folder, _global_randomness_watched() as touched:
            clips = self._clips(Path(folder))
            measured = Measurements([clip.name for clip in clips], [self.make().measure(clip) for clip in clips])
            combined, again = self.make().combine(measured), self.make().combine(measured)
            ones = np.ones(len(clips))
            first = combined.figures(ones)
            for counts in (ones, np.array([2.0, 1.0, 1.0, 0.0])):
                figures = combined.figures(counts)
                assert set(figures) == set(first), "the labels change with the counts"
                for pair in figures.values():
                    assert len(pair) == 2 and all(isinstance(value, float) for value in pair), f"a figure is {pair!r}; expected two floats"
            assert all(np.array_equal(first[label], again.figures(ones)[label], equal_nan=True) for label in first), "two calls gave different figures"
            for ours, theirs in combined.rows.values():
                assert len(ours) == len(theirs) == len(clips), "rows do not have a value for each clip"
            assert not touched(), "combine uses global random state"

    def test_nothing_measured_is_no_number(self) -> None:
        """Of clips that gave nothing there is no figure, and no fault."""
        from raggesture.metrics.measured import Measurements

        figures = self.make().combine(Measurements(["a", "b"], [{}, {}])).figures(np.ones(2))
        assert all(math.isnan(value) for pair in figures.values() for value in pair), f"figures {figures} of nothing; expected NaN"

    def _clips(self, folder: Path) -> Sequence[Any]:
        from raggesture.metrics.samples import sample_clips

        return sample_clips(sample_index(folder))


_CONTRACTS: dict[PartKind, type[PartContract]] = {
    RETRIEVERS: RetrieverContract,
    SCHEDULES: GuidanceScheduleContract,
    EXPORTERS: ExporterContract,
    INDEX_BACKENDS: IndexBackendContract,
    METRICS: MetricContract,
}


def problems_of_part(kind: PartKind, part: Any) -> tuple[str, ...]:
    """Run the contract of ``kind`` on a class; one line for each clause that does not hold."""
    contract = type("Contract", (_CONTRACTS[kind],), {"part": part})
    problems = []
    for name in sorted(each for each in dir(contract) if each.startswith("test_")):
        try:
            getattr(contract(), name)()
        except Exception as error:  # a foreign class may raise anything; here that is the answer
            problems.append(f"{name.removeprefix('test_').replace('_', ' ')}: {' '.join((str(error) or type(error).__name__).split())}")
    return tuple(problems)
