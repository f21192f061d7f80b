"""The lexicon's data and its reader."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from raggesture.corpus.starter.hands import SHAPES, shape_rotations
from raggesture.corpus.starter.lexicon import PALMS, direction
from raggesture.corpus.starter.lexicon_file import load_lexicon, read_lexicon
from raggesture.corpus.starter.style import STYLES, style_of
from raggesture.errors import ConfigError

GOOD = """
[family]
name = "f"
about = "of"
source = "x"
[gesture.a]
about = "it"
kind = "iconic"
hands = "single"
[[gesture.a.key]]
t = 0.0
pos = [0, 0, 1]
palm = "in"
shape = "flat"
"""


def test_enough_gestures_of_every_kind() -> None:
    lexicon = load_lexicon()
    kinds = Counter(gesture.kind for gesture in lexicon.gestures)
    assert len(lexicon.gestures) >= 150 and kinds["iconic"] >= 80 and kinds["metaphoric"] >= 60 and kinds["deictic"] >= 20 and kinds["beat"] >= 4
    assert len({gesture.family for gesture in lexicon.gestures}) >= 15
    assert sum(len(gesture.forms) > 1 for gesture in lexicon.gestures) >= 50
    for gesture in lexicon.gestures:
        assert gesture.senses
        assert gesture.additive or 2 <= len(gesture.words) <= 12, gesture.name
        for form in gesture.forms:
            assert form.keys[0].t < 0 <= form.keys[-1].t, gesture.name


def test_a_word_belongs_to_one_gesture() -> None:
    lexicon = load_lexicon()
    words = Counter(word for gesture in lexicon.gestures for word in gesture.words)
    assert [word for word, count in words.items() if count > 1] == []
    assert [gesture.name for gesture in lexicon.for_word("Huge")] == ["big"]
    assert lexicon.for_word("zebra") == ()


def test_every_palm_and_shape_is_known() -> None:
    assert all(direction(palm) != (0.0, 0.0, 0.0) for palm in PALMS)
    assert len({shape_rotations(shape).tobytes() for shape in SHAPES}) == len(SHAPES)


def test_unknown_gesture_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="over_there"):
        load_lexicon()["over_ther"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"iconic"', '"ironic"', "kind"),
        ('"single"', '"three"', "hands"),
        ("[0, 0, 1]", "[0, 0]", "three numbers"),
        ('"in"', '"inside"', "palm"),
        ("t = 0.0", "t = 9.0", "-1.5"),
        ("[[gesture.a.key]]", "[[gesture.a.key]]\nt = -0.02\npos = [0, 0, 0.5]\npalm = 'in'\nshape = 'flat'\n[[gesture.a.key]]", "40 ms apart"),
        ("[[gesture.a.key]]", "[[gesture.a.keys]]", "one of the fields"),
        ("[[gesture.a.key]]", "[[gesture.a.variant]]", "at least one key"),
        ("t = 0.0", "t = 0.5\nother_shape = 'paw'", "other.shape"),
        ("[0, 0, 1]", "[0, 0, 1.3]", "within 1.1 arm lengths"),
        ('hands = "single"', 'hands = "alternate"', "a place 'other'"),
        ('hands = "single"', 'hands = "single"\nalso = ["three"]', "also"),
        ('hands = "single"', 'hands = "single"\nhold = [1]', "least, most"),
        ('about = "it"', "", "gesture.a.about"),
        ('source = "x"', "", "literature"),
        ('name = "f"', "", "family.name"),
        ("kind =", "kind", "TOML"),
    ],
)
def test_faults_in_a_file_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "lexicon.toml"
    path.write_text(GOOD)
    assert read_lexicon([path]).names == ("a",)
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_lexicon([path])


def test_a_word_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.toml"
    entry = GOOD[GOOD.index("[gesture.a]") :].replace('about = "it"', 'about = "it"\nwords = ["big"]')
    path.write_text(GOOD[: GOOD.index("[gesture.a]")] + entry + entry.replace("gesture.a", "gesture.b"))
    with pytest.raises(ConfigError, match="'big' triggers 'a' too"):
        read_lexicon([path])


def test_variants_are_forms_of_their_gesture(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.toml"
    key = GOOD[GOOD.index("[[gesture.a.key]]") :].replace("[0, 0, 1]", "[0, 0.3, 0.8]")
    path.write_text(GOOD.replace('hands = "single"', 'hands = "single"\nalso = ["mirror"]') + "[[gesture.a.variant]]\n" + key.replace("a.key", "a.variant.key"))
    gesture = read_lexicon([path])["a"]
    assert [form.hands for form in gesture.forms] == ["single", "mirror", "single"]
    drawn = Counter(gesture.form(variant) for variant in range(3000))
    assert drawn[gesture.forms[0]] == pytest.approx(1800, rel=0.1)
    assert len(drawn) == len(set(gesture.forms)) == 3
    assert gesture.form(7) == gesture.form(7)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(ConfigError, match="twice"):
        read_lexicon([tmp_path / "one.toml", tmp_path / "two.toml"])


def test_styles() -> None:
    assert len(STYLES) >= 6 and len({style.voice for style in STYLES}) == 3
    assert len({style.speaker for style in STYLES}) == len(STYLES)
    assert style_of("ben").speaker == "ben" and style_of("nobody") is STYLES[0]
