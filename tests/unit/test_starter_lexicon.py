"""The lexicon's data and its reader."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from raggesture.corpus.starter.hands import shape_rotations
from raggesture.corpus.starter.lexicon import PALMS, SHAPES, direction, load_lexicon, read_lexicon
from raggesture.corpus.starter.style import STYLES, style_of
from raggesture.errors import ConfigError

GOOD = '[gesture.a]\nkind = "iconic"\nhands = "single"\n[[gesture.a.key]]\nt = 0.0\npos = [0, 0, 1]\npalm = "in"\nshape = "flat"\n'


def test_enough_gestures_of_every_kind() -> None:
    lexicon = load_lexicon()
    kinds = Counter(gesture.kind for gesture in lexicon.gestures)
    assert kinds["iconic"] >= 8 and kinds["metaphoric"] >= 8 and kinds["deictic"] >= 8 and kinds["beat"] >= 4
    for gesture in lexicon.gestures:
        assert gesture.senses
        assert gesture.additive or 6 <= len(gesture.words) <= 12, gesture.name
        assert gesture.keys[0].t < 0 <= gesture.keys[-1].t


def test_a_word_belongs_to_one_gesture() -> None:
    lexicon = load_lexicon()
    words = Counter(word for gesture in lexicon.gestures for word in gesture.words)
    assert [word for word, count in words.items() if count > 1] == []
    assert [gesture.name for gesture in lexicon.for_word("Huge")] == ["big"]
    assert lexicon.for_word("zebra") == ()


def test_every_palm_and_shape_is_known() -> None:
    assert all(direction(palm) != (0.0, 0.0, 0.0) for palm in PALMS)
    assert len({shape_rotations(shape).tobytes() for shape in SHAPES}) == len(SHAPES)


def test_unknown_gesture_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="over_there"):
        load_lexicon()["nope"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"iconic"', '"ironic"', "kind"),
        ('"single"', '"three"', "hands"),
        ("[0, 0, 1]", "[0, 0]", "three numbers"),
        ('"in"', '"inside"', "palm"),
        ("t = 0.0", "t = 9.0", "-1.5"),
        ("[[gesture.a.key]]", "[[gesture.a.keys]]", "at least one key"),
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


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(ConfigError, match="twice"):
        read_lexicon([tmp_path / "one.toml", tmp_path / "two.toml"])


def test_styles() -> None:
    assert len(STYLES) >= 6 and len({style.voice for style in STYLES}) == 3
    assert len({style.speaker for style in STYLES}) == len(STYLES)
    assert style_of("ben").speaker == "ben" and style_of("nobody") is STYLES[0]
