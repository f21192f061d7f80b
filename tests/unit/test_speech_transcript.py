"""Transcripts: every format, odd encodings, and those that do not fit their audio."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from praatio import textgrid
from praatio.data_classes.interval_tier import IntervalTier

from raggesture.errors import InputError
from raggesture.speech.transcript import CUE_SOURCE, find_sidecar, read_transcript, split_words
from raggesture.types import Transcript

WORDS = [("the", 0.5, 0.7), ("big", 0.7, 1.1), ("house", 1.4, 2.0)]


def spans(found: Transcript | str) -> list[tuple[str, float, float]]:
    assert isinstance(found, Transcript)
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in found.words]


@pytest.mark.parametrize("layout", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_textgrid_words_tier_among_others(tmp_path: Path, layout: str, encoding: str) -> None:
    path = tmp_path / "a.TextGrid"
    grid = textgrid.Textgrid()
    grid.addTier(IntervalTier("phones", [(0.5, 0.6, "DH")], 0, 3))
    grid.addTier(IntervalTier("words", [(a, b, t) for t, a, b in WORDS], 0, 3))
    grid.save(str(path), format=layout, includeBlankSpaces=True)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    found = read_transcript(path, 3.0)
    assert spans(found) == WORDS
    assert isinstance(found, Transcript) and found.source == "given"


def test_textgrid_without_a_words_tier_names_those_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    grid = textgrid.Textgrid()
    grid.addTier(IntervalTier("phones", [(0.5, 0.6, "DH")], 0, 3))
    grid.addTier(IntervalTier("mood", [(0.5, 0.6, "glad")], 0, 3))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
    with pytest.raises(InputError, match="'phones', 'mood'"):
        read_transcript(path, 3.0)


@pytest.mark.parametrize("shape", ["segments", "words", "plain", "text"])
def test_json_layouts(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "a.json"
    words = [{"word": f" {t}", "start": a, "end": b} for t, a, b in WORDS]
    texts = [{"text": t, "start": a, "end": b} for t, a, b in WORDS]
    data = {"segments": {"segments": [{"words": words[:2]}, {"words": words[2:]}]}, "words": {"words": words}, "plain": words, "text": texts}[shape]
    path.write_text(json.dumps(data))
    assert spans(read_transcript(path, 3.0)) == WORDS


def test_json_segments_without_words_are_captions_and_text_alone_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"segments": [{"text": "the big house", "start": 0.5, "end": 2.0}]}))
    found = read_transcript(path, 3.0)
    assert isinstance(found, Transcript) and found.source == CUE_SOURCE and found.text == "the big house"
    path.write_text(json.dumps({"text": "the big house"}))
    assert read_transcript(path, 3.0) == "the big house"


def test_srt_words_are_spread_inside_their_caption(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(
        "\ufeff1\r\n00:00:00,500 --> 00:00:02,000\r\n<i>The big</i>\r\nhouse. [music]\r\n\r\n2\r\n00:00:02,100 --> 00:00:02,900\r\nYes!\r\n".encode()
    )
    found = read_transcript(path, 3.0)
    assert isinstance(found, Transcript) and found.source == CUE_SOURCE
    assert [(word.text, word.after) for word in found.words] == [("The", ""), ("big", ""), ("house", "."), ("Yes", "!")]
    assert found.words[0].start == 0.5 and found.words[2].end == pytest.approx(2.0) and found.words[3].start == 2.1


def test_plain_text_in_odd_encodings(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        path.write_bytes("the café’s house".encode(encoding))
        assert read_transcript(path, 3.0) == "the café’s house"


def test_words_and_their_punctuation() -> None:
    found = split_words("“Well,” I'm *here* -- at 5% of $20... [laughs] 'cause (well) 'quoted' <eps> U.S. well-known")
    assert found == [
        ("Well", ","), ("I'm", ""), ("here", "--"), ("at", ""), ("5%", ""), ("of", ""), ("$20", "..."), ("'cause", ""), ("well", ""), ("quoted", ""),
        ("U.S", "."), ("well-known", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([("a", 0.1, 0.2), ("late", 9.0, 9.5)], "'late'"),
        ([("a", 0.1, 0.2), ("long", 2.0, 4.0)], "'long'"),
        ([("second", 1.0, 1.2), ("first", 0.5, 0.9)], "'first'"),
        ([("back", 1.0, 0.5)], "'back'"),
        ([("minus", -1.0, 0.5)], "'minus'"),
    ],
)
def test_words_that_do_not_fit_the_audio(tmp_path: Path, words: list[tuple[str, float, float]], says: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"word": t, "start": a, "end": b} for t, a, b in words]))
    with pytest.raises(InputError) as caught:
        read_transcript(path, 3.0)
    assert str(path) in str(caught.value) and says in str(caught.value)


def test_a_last_word_that_overhangs_a_little_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"word": "end", "start": 2.5, "end": 3.2}]))
    assert spans(read_transcript(path, 3.0)) == [("end", 2.5, 3.0)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.TextGrid", b"no grid at all"),
        ("a.TextGrid", b'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\n'),
        ("a.json", b"{"),
        ("a.json", b'{"a": 1}'),
        ("a.json", b'[{"word": "x"}]'),
        ("a.json", b'[{"word": "x", "start": true, "end": NaN}]'),
        ("a.json", b'[{"word": "x", "start": 0, "end": NaN}]'),
        ("a.json", b"[" * 100000),
        ("a.srt", b"just text"),
        ("a.txt", b""),
        ("a.txt", b"\x00\x01\x02\x03" * 40),
        ("a.lab", b"0.1 0.2 speech\n0.3 0.4 silence\n"),
    ],
)
def test_malformed_files_say_so(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_transcript(path, 3.0)
    assert str(path) in str(caught.value)


def test_sidecar_prefers_times_and_passes_over_labels(tmp_path: Path) -> None:
    audio = tmp_path / "a.wav"
    assert find_sidecar(audio) is None
    (tmp_path / "a.lab").write_text("0.2356\t0.2356\tspeech\n6.7\t6.7\tsilence\n")
    assert find_sidecar(audio) is None
    (tmp_path / "a.txt").write_text("hello there")
    assert find_sidecar(audio) == tmp_path / "a.txt"
    (tmp_path / "a.TextGrid").write_text("x")
    assert find_sidecar(audio) == tmp_path / "a.TextGrid"
