"""The published windows of a synthetic clip, every field of every window. See goldens/retrieval/README.md."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raggesture.corpus.annotations import LabelRow
from raggesture.corpus.published_windows import OUR_CUT, RELEASED_CUT, Annotations, cut_clip, read_annotations, usable_frames, window_places

CLIP, FRAMES, SAMPLES = "1_x_0_1_1", 397, 26 * 16000 + 100


@pytest.fixture(scope="module")
def golden(goldens: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((goldens / "retrieval" / "windows.json").read_text())
    return found


@pytest.fixture(scope="module")
def annotations(golden: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Annotations:
    root = tmp_path_factory.mktemp("clip")
    for folder in ("discourse_rels", "prom", "sem"):
        (root / folder).mkdir()
    (root / "discourse_rels" / f"{CLIP}_whisper_relations.json").write_text(json.dumps(golden["annotation"]))
    (root / "prom" / f"{CLIP}.prom").write_text("".join("\t".join(map(str, row)) + "\n" for row in golden["prominence"]))
    rows = [f"01_{s['name']}\t{s['start']}\t{s['end']}\t{s['end'] - s['start']}\t0.5\t{s['word']}\n" for s in golden["sem"]]
    (root / "sem" / f"{CLIP}.txt").write_text("".join(rows))
    return read_annotations(root, CLIP)


def _close(found: Any, wanted: Any) -> None:
    """Texts exactly, times to a nanosecond."""
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        if isinstance(theirs, str):
            assert mine == theirs
        elif isinstance(theirs, list | tuple):
            _close(mine, theirs)
        else:
            assert mine == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("mode", "count"), [("train", 49), ("test", 2), ("full", 1)])
def test_every_field_of_every_window(golden: dict[str, Any], annotations: Annotations, mode: Any, count: int) -> None:
    windows = cut_clip(CLIP, annotations, FRAMES, SAMPLES, mode, RELEASED_CUT)
    assert len(windows) == len(golden["windows"][mode]) == count
    for mine, theirs in zip(windows, golden["windows"][mode], strict=True):
        assert (mine.key, mine.name, mine.first_frame, mine.frames) == (theirs["key"], theirs["name"], theirs["first_frame"], theirs["n"])
        assert (mine.audio_first, mine.audio_samples, mine.sentence) == (theirs["audio_first"], theirs["audio_n"], theirs["sentence"])
        assert mine.word_of_frame.tolist() == theirs["framealigned_word_index"]
        _close(mine.discourse, theirs["discourse"])
        _close(mine.segments, [(*span, text) for span, text in theirs["text_segments"]])
        _close(mine.prominence, theirs["prominence"])
        _close(mine.labels, [(s["name"], s["start"], s["end"], s["word"]) for s in theirs["sem"]])
        known = {
            "key",
            "name",
            "first_frame",
            "n",
            "audio_first",
            "audio_n",
            "sentence",
            "framealigned_word_index",
            "discourse",
            "text_segments",
            "sem",
            "prominence",
        }
        assert set(theirs) == known  # no field is left untested


def test_our_cut_loses_nothing_at_borders(golden: dict[str, Any], annotations: Annotations) -> None:
    ours, theirs = (cut_clip(CLIP, annotations, FRAMES, SAMPLES, "test", rules) for rules in (OUR_CUT, RELEASED_CUT))
    spoken = [token.text for token in annotations.tokens if token is not None and (token.start + token.end) / 2 < 20]
    assert [text for window in ours for _, _, text in window.segments] == spoken
    assert len([1 for window in theirs for _ in window.segments]) < len(spoken)
    for window in ours:
        for start, end in [(s[0], s[1]) for s in window.segments] + [(p[1], p[2]) for p in window.prominence] + [(s[1], s[2]) for s in window.labels]:
            assert 0 <= start <= end <= 10 + 1e-9
    values = [value for window in ours for *_, value in window.prominence]
    assert values == [row.prominence for row in annotations.prominence if (row.start + row.end) / 2 < 20]


def test_an_empty_window_costs_the_clip_only_by_the_published_rules(annotations: Annotations) -> None:
    silent = replace(annotations, tokens=tuple(token for token in annotations.tokens if token is not None and token.end < 9), relations=())
    assert cut_clip(CLIP, silent, FRAMES, SAMPLES, "train", RELEASED_CUT) == ()
    ours = cut_clip(CLIP, silent, FRAMES, SAMPLES, "train", OUR_CUT)
    assert len(ours) == 49 and ours[-1].sentence == "" and not ours[-1].word_of_frame.any()


def test_long_texts_cost_their_window_and_numbers_shift_as_published(annotations: Annotations) -> None:
    def count(sentence: str) -> int:
        return 513 if "goes nowhere" in sentence or sentence.startswith("well") else 10

    published, ours = (cut_clip(CLIP, annotations, FRAMES, SAMPLES, "train", rules, first_key=7, count_tokens=count) for rules in (RELEASED_CUT, OUR_CUT))
    lost = 49 - len(published)
    assert lost >= 1 and published[0].name == f"{CLIP}/0" and ours[0].name == f"{CLIP}/{ours[0].first_frame // 5}" != f"{CLIP}/0"
    assert published[0].key == ours[0].key == "00007" and published[0].first_frame > 0


def test_places_of_windows() -> None:
    assert usable_frames(397, SAMPLES) == 390 and usable_frames(397, 16000 * 20) == 300 and usable_frames(397, SAMPLES, 160) == 150
    assert window_places(149, "train") == () and window_places(150, "train") == ((0, 150),) and window_places(161, "train")[-1] == (10, 150)
    assert window_places(390, "test") == ((0, 150), (150, 150)) and window_places(390, "full") == ((0, 390),) and window_places(0, "full") == ()


def test_labels_and_scores_are_clipped() -> None:
    rows = (LabelRow(1, "iconic", "", "a", -1.0, 0.5, 0.7), LabelRow(2, "beat", "", "", 0.4, 99.0, 0.1), LabelRow(3, "beat", "", "", 30.0, 31.0, 0.9))
    (window,) = cut_clip("x", Annotations((), labels=rows), 150, 160_000, "test", OUR_CUT)
    assert window.labels == (("iconic", 0.0, 0.5, "a"), ("beat", 0.4, 10.0, ""))
    np.testing.assert_array_equal(window.score, np.array([0.7] * 8 + [0.1] * 142, np.float32))
