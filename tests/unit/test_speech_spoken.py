"""What is said for what is written, and how a word unknown to the dictionary sounds."""

from __future__ import annotations

import pytest

from raggesture.speech.pronounce import letter_to_sound, pronounce
from raggesture.speech.spoken import cardinal, spoken


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("25%", "twenty five percent"), ("$5", "five dollars"), ("$3.50", "three dollars fifty"), ("1990", "nineteen ninety"),
        ("2005", "two thousand five"),
        ("1905", "nineteen oh five"), ("90s", "nineties"), ("3rd", "third"), ("21st", "twenty first"), ("20th", "twentieth"), ("3.14", "three point one four"),
        ("10:30", "ten thirty"), ("10:05", "ten oh five"), ("1,200", "one thousand two hundred"), ("U.S.", "u s"), ("well-known", "well known"),
        ("R&B", "r and b"), ("café", "cafe"), ("DON’T", "don't"), ("Müller", "muller"), ("日本", ""), ("...", ""), ("'", ""), ("0", "zero"), ("5kg", "five kg"),
    ],
)  # fmt: skip
def test_spoken(written: str, said: str) -> None:
    assert " ".join(spoken(written)) == said


def test_cardinals_are_read_back() -> None:
    ones = {" ".join(cardinal(number)) for number in range(2000)}
    assert len(ones) == 2000
    assert " ".join(cardinal(10**12 + 3)) == "one trillion three"


def test_spoken_never_fails_on_any_text() -> None:
    for code in range(0x20, 0x2600):
        for written in (chr(code), f"a{chr(code)}1", f"{chr(code) * 3}"):
            assert all(set(token) <= set("abcdefghijklmnopqrstuvwxyz'") for token in spoken(written))


WORDS = {
    "mountain": "M AW N T AH N",
    "climb": "K L AY M",
    "gesture": "JH EH S CH ER",
    "snow": "S N OW",
    "board": "B AO R D",
    "stop": "S T AA P",
    "happy": "HH AE P IY",
}


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("mountains", "M AW N T AH N Z"), ("climbed", "K L AY M D"), ("gesturing", "JH EH S CH ER IH NG"), ("snowboard", "S N OW B AO R D"),
        ("stopped", "S T AA P T"), ("unhappy", "AH N HH AE P IY"), ("snow's", "S N OW Z"), ("tv", "T IY V IY"), ("blick", "B L IH K"), ("vade", "V EY D"),
    ],
)  # fmt: skip
def test_pronounce(word: str, phones: str) -> None:
    assert pronounce(word, WORDS.get) == phones


def test_letter_to_sound_gives_known_phones() -> None:
    known = set(
        "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
    )
    for word in ("raggesture", "szczyt", "xylophage", "queueing", "aaa", "e", "phthisis", "knighthood", "blorptastic"):
        sound = letter_to_sound(word).split() or pronounce(word, WORDS.get).split()
        assert sound and set(sound) <= known
