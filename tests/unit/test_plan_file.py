"""The plan as text: what is written is read back whole, what a person may write wrongly is named by its address, and nothing else ever comes of it."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers_plan import GESTURE, HEAD
from raggesture.errors import InputError, RaggestureError
from raggesture.plan_file.data import PlanDropped, PlanExemplar, PlanFile, PlanGesture, PlanMade, PlanSpeech
from raggesture.plan_file.reading import MAX_BYTES, parse_plan, read_plan
from raggesture.plan_file.writing import plan_text, write_plan
from raggesture.types import BRINGABLE, Transcript, Word

TEXT = st.one_of(
    st.text(max_size=12), st.sampled_from(['"', "'''", '"""', "\\", "\n", "a\r\nb", "\t", "]]", "[[gesture]]", "# no", "\x7f", "\x00", "\u2028", "é😀"])
)
SECONDS = st.one_of(st.floats(0, 1e9), st.integers(0, 40).map(float))
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | SECONDS
EXEMPLARS = st.builds(
    PlanExemplar, clip=TEXT, stroke=SECONDS, start=MAYBE, end=MAYBE, word=TEXT, kind=TEXT, gesture=TEXT, speaker=TEXT, score=st.none() | NUMBER
)


@st.composite
def gestures(draw: st.DrawFn) -> PlanGesture:
    start = draw(MAYBE)
    other = tuple(draw(st.lists(EXEMPLARS, max_size=3)))
    return PlanGesture(
        word=draw(TEXT), kind=draw(TEXT), gesture=draw(TEXT), start=start, end=None if start is None else draw(st.none() | st.just(start + 0.5)),
        stroke=draw(MAYBE), shift_s=draw(NUMBER), weight=draw(st.floats(0, 1)), parts=tuple(draw(st.lists(st.sampled_from(BRINGABLE), max_size=4))),
        slot=draw(st.none() | st.tuples(SECONDS, SECONDS)), prominence=draw(st.none() | NUMBER), use=draw(st.integers(0, len(other))),
        exemplar=draw(st.none() | EXEMPLARS), other=other,
    )  # fmt: skip


PLANS = st.builds(
    PlanFile,
    speech=st.builds(PlanSpeech, name=TEXT, duration_s=SECONDS, sha256=TEXT.filter(bool)),
    made=st.builds(PlanMade, retriever=TEXT, model=TEXT, model_sha256=TEXT, index=TEXT, index_sha256=TEXT),
    gesture=st.lists(gestures(), max_size=3).map(tuple),
    dropped=st.lists(st.builds(PlanDropped, word=TEXT, kind=TEXT, start=MAYBE, end=MAYBE, reason=TEXT), max_size=2).map(tuple),
    schema=st.just(1),
)
WHOLE = PlanFile(
    PlanSpeech("s", 10.0, "ab"),
    PlanMade("llm", "starter", "cd", "starter", "ef"),
    (
        PlanGesture(
            "huge", "iconic", "big", 1.0, 1.5, 1.25, -0.2, 0.5, ("upper", "head"), (0.0, 2.0), 1.31, 1,
            PlanExemplar("c", 2.0, 1.9, 2.1, "huge", "iconic", "big", "ann", 8.25), (PlanExemplar("d", 3.5),),
        ),
        PlanGesture("there", "deictic"),
    ),
    (PlanDropped("idea", "metaphoric", 7.0, 7.5, "no second left"),),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PLANS, st.lists(TEXT, max_size=3))
def test_what_is_written_is_read_back(plan: PlanFile, said: list[str]) -> None:
    transcript = Transcript(tuple(Word(text, k, k + 0.5) for k, text in enumerate(said)))
    text = plan_text(plan, transcript)
    assert parse_plan(text.encode(), "p") == plan
    assert plan_text(plan, transcript) == text


def test_half_a_surrogate_is_no_text() -> None:
    text = plan_text(replace(WHOLE, speech=PlanSpeech("\ud800", 1.0, "a")), Transcript((Word("\udfff", 0, 1),)))
    assert parse_plan(text.encode(), "p").speech.name == "?"


def test_the_file_is_as_the_format_says(tmp_path: Path) -> None:
    write_plan(WHOLE, tmp_path / "p.toml", Transcript((Word("huge", 1.0, 1.5), Word("there", 2.0, 2.5))))
    text = (tmp_path / "p.toml").read_text(encoding="utf-8")
    data = tomli.loads(text)
    assert list(data) == ["schema", "speech", "made", "gesture", "dropped"]
    assert list(data["gesture"][0]) == [field.name for field in fields(PlanGesture)]
    assert data["gesture"][0]["exemplar"]["clip"] == "c" and data["gesture"][0]["other"] == [
        {"clip": "d", "stroke": 3.5, "word": "", "kind": "", "gesture": "", "speaker": ""}
    ]
    assert data["gesture"][1] == {"word": "there", "kind": "deictic", "gesture": "", "shift_s": 0.0, "weight": 1.0, "use": 0}
    assert data["dropped"] == [{"word": "idea", "kind": "metaphoric", "start": 7.0, "end": 7.5, "reason": "no second left"}]
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert all(any(key in line for line in comments) for key in ("shift_s", "weight", "parts", "slot", "use"))
    assert comments[-1].split() == ["#", "huge", "1.00", "there", "2.00"]
    assert read_plan(tmp_path / "p.toml").file == WHOLE


def test_a_plan_without_gestures() -> None:
    assert parse_plan(HEAD.encode(), "p").gesture == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p: no schema; expected schema = 1"),
        (HEAD.replace("1", "2", 1), "p: schema 2, written for a newer raggesture; expected schema 1"),
        (HEAD.replace("1", '"1"', 1), "p: schema '1'; expected schema = 1"),
        (HEAD.replace("1", "true", 1), "p: schema True; expected schema = 1"),
        ("schema = 1", r"p: no speech; expected a table \[speech\]"),
        (HEAD.replace("sha256", "sha265"), "p: speech: unknown key 'sha265'; did you mean 'sha256'"),
        ("speach = 1\n" + HEAD, "p: unknown key 'speach'; did you mean 'speech'"),
        ("made = 1\n" + HEAD, r"p: made 1; expected a table \[made\]"),
        (HEAD + '[gesture]\nword = "a"', r"p: gesture .*expected tables \[\[gesture\]\]"),
        ("gesture = [3]\n" + HEAD, r"p: gesture 1: 3; expected tables \[\[gesture\]\]"),
        (HEAD + 2 * GESTURE + GESTURE + "wieght = 0.5", "p: gesture 3: unknown key 'wieght'; did you mean 'weight'"),
        (HEAD + GESTURE.replace("word", "wrod"), "p: gesture 1: unknown key 'wrod'; did you mean 'word'"),
        (HEAD + '[[gesture]]\nkind = "iconic"', "p: gesture 1: no word; expected text"),
        (HEAD + GESTURE + "weight = 1.5", "p: gesture 1: weight 1.5; expected a number from 0 to 1"),
        (HEAD + GESTURE + "weight = nan", "p: gesture 1: weight nan; expected a number from 0 to 1"),
        (HEAD + GESTURE + "weight = true", "p: gesture 1: weight True; expected a number from 0 to 1"),
        (HEAD + GESTURE + "weight = 1" + 400 * "0", "p: gesture 1: weight 1000.*; expected a number from 0 to 1"),
        (HEAD + GESTURE + "weight = 1" + 5000 * "0", "p: is not TOML: "),
        (HEAD + GESTURE + "start = -1", "p: gesture 1: start -1; expected seconds, 0 or more"),
        (HEAD + GESTURE + "start = inf", "p: gesture 1: start inf; expected seconds"),
        (HEAD + GESTURE + "start = 2026-01-01", "p: gesture 1: start .*2026-01-01.*; expected seconds"),
        (HEAD + GESTURE + "end = 2.0", "p: gesture 1: end without start"),
        (HEAD + GESTURE + 'parts = ["uper"]', "p: gesture 1: parts: 'uper' is unknown; did you mean 'upper'"),
        (HEAD + GESTURE + 'parts = "upper"', "p: gesture 1: parts 'upper'; expected a list of upper"),
        (HEAD + GESTURE + "parts = [1]", "p: gesture 1: parts: element 1: 1; expected a list of upper"),
        (HEAD + GESTURE + "slot = [1.0]", r"p: gesture 1: slot \[1.0\]; expected two times"),
        (HEAD + GESTURE + "slot = [1, 2, 3]", r"p: gesture 1: slot \[1, 2, 3\]; expected two times"),
        (HEAD + GESTURE + 'slot = [1, "a"]', "p: gesture 1: slot: element 2: 'a'; expected two times"),
        (HEAD + GESTURE + "use = 1", r"p: gesture 1: use 1; expected 0: it has 0 \[\[gesture.other\]\]"),
        (HEAD + GESTURE + 'use = 2\n[[gesture.other]]\nclip = "a"\nstroke = 1', "p: gesture 1: use 2; expected 0 to 1"),
        (HEAD + GESTURE + "use = 1.0", "p: gesture 1: use 1.0; expected 0 or the number"),
        (HEAD + GESTURE + '[gesture.exemplar]\nclip = "a"', "p: gesture 1: exemplar: no stroke; expected seconds"),
        (HEAD + GESTURE + '[[gesture.other]]\nclip = "a"\nstroke = 1\n[[gesture.other]]\nclip = 2\nstroke = 1', "p: gesture 1: other 2: clip 2; expected text"),
        (HEAD + "[[dropped]]\nword = 1", "p: dropped 1: word 1; expected text"),
        (HEAD + "[[gesture\nword", r"p: is not TOML: .*line 6"),
        ("a = " + 5000 * "[", "p: is not TOML"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_address(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_plan(text.encode(), "p")
    assert len(str(caught.value)) < 500 and caught.value.exit_code == 3


def test_files_that_are_no_plan(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(HEAD.encode() + 'word = "\xe9"'.encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.toml: line 6: is not UTF-8"):
        read_plan(tmp_path / "latin.toml")
    with pytest.raises(InputError, match=r"none.toml: cannot be read \(No such file"):
        read_plan(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read_plan(tmp_path)
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match=r"huge.toml: 32 MB; expected a plan, at most 32 MB"):
        read_plan(tmp_path / "huge.toml")


def test_a_byte_order_mark_and_windows_lines_are_no_fault() -> None:
    text = plan_text(WHOLE).replace("\n", "\r\n")
    assert parse_plan(b"\xef\xbb\xbf" + text.encode(), "p") == WHOLE


def _mutated(content: bytes, rng: random.Random) -> bytes:
    """One to four edits: bytes changed, cut out, doubled, or pieces of TOML put in."""
    pieces = (
        b"[",
        b"]",
        b"=",
        b'"',
        b"\n",
        b"nan",
        b"-1",
        b"1e999",
        b"[[gesture]]\n",
        b"[gesture.exemplar]\n",
        b"\xff",
        b"\\u0000",
        b"true",
        b"{a=1}",
        b"'''",
        b"#",
    )
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at : at + rng.randint(1, 30)] = b""
            case 1:
                data[at:at] = rng.choice(pieces)
            case 2:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                data[at:at] = data[at : at + rng.randint(1, 200)]
    return bytes(data)


def test_no_text_whatever_raises_anything_but_our_errors() -> None:
    rng, refused, whole = random.Random(5), 0, plan_text(WHOLE).encode()
    body = whole[whole.index(b"schema") :]
    for _ in range(3000):
        try:
            parse_plan(_mutated(body, rng), "p")
        except RaggestureError as fault:
            refused += 1
            assert str(fault).startswith("p: ") and "\n" not in str(fault).rstrip()
    assert 1000 < refused < 3000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_in_any_place_is_taken_or_named(data: Any) -> None:
    import tomli_w

    tree = tomli.loads(plan_text(WHOLE))
    value = data.draw(VALUES.filter(lambda v: _is_toml(v)))
    target: Any = data.draw(st.sampled_from([tree, tree["speech"], tree["made"], tree["gesture"][0], tree["gesture"][0]["exemplar"], tree["dropped"][0]]))
    key = data.draw(st.sampled_from([*target, "more"]))
    target[key] = value
    try:
        parse_plan(tomli_w.dumps(tree).encode(), "p")
    except InputError as fault:
        assert str(fault).startswith("p: ")


def _is_toml(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_toml, value.values()))
    return all(map(_is_toml, value)) if isinstance(value, list) else value is not None
