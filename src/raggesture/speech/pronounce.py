"""A pronunciation for words that the aligner's dictionary does not have.

In this order: a word of the dictionary with an ending, two words of the dictionary put together, initials, and letter to
sound by rules of our own. Good enough to find a word in its sentence; nobody should learn English from it. Phones are
those of the CMU dictionary, without stress.
"""

from __future__ import annotations

from collections.abc import Callable

Lookup = Callable[[str], str | None]
"""Gives the phones of a known word, separated by blanks, or None."""

_LETTERS = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY", "j": "JH EY", "k": "K EY",
    "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW",
    "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip
_ENDINGS = (
    ("'s", "z"), ("s'", "z"), ("s", "z"), ("es", "z"), ("ed", "d"), ("d", "d"), ("ing", "IH NG"), ("in'", "IH N"), ("in", "IH N"), ("er", "ER"),
    ("ers", "ER Z"), ("ly", "L IY"), ("y", "IY"), ("ish", "IH SH"), ("ness", "N AH S"), ("less", "L AH S"), ("ful", "F AH L"),
    ("able", "AH B AH L"), ("ment", "M AH N T"), ("'ll", "AH L"), ("'ve", "AH V"), ("'d", "d"), ("'re", "ER"), ("est", "AH S T"),
    ("ism", "IH Z AH M"), ("ist", "IH S T"), ("ize", "AY Z"), ("ized", "AY Z D"),
)  # fmt: skip
_BEGINNINGS = (("un", "AH N"), ("re", "R IY"), ("non", "N AA N"), ("pre", "P R IY"), ("over", "OW V ER"), ("mis", "M IH S"), ("dis", "D IH S"))
_RULES: tuple[tuple[str, str], ...] = (
    ("tion", "SH AH N"), ("sion", "ZH AH N"), ("cious", "SH AH S"), ("tious", "SH AH S"), ("ture", "CH ER"), ("ough", "OW"), ("augh", "AO"),
    ("eigh", "EY"), ("igh", "AY"), ("tch", "CH"), ("dge", "JH"), ("sch", "S K"), ("eau", "OW"), ("ous", "AH S"), ("ire", "AY ER"), ("are", "EH R"),
    ("air", "EH R"), ("ear", "IH R"), ("eer", "IH R"), ("oor", "AO R"), ("our", "AW ER"), ("ore", "AO R"), ("ure", "Y UH R"), ("all", "AO L"),
    ("ch", "CH"), ("sh", "SH"), ("th", "TH"), ("ph", "F"), ("gh", "G"), ("wh", "W"), ("wr", "R"), ("kn", "N"), ("gn", "N"), ("ps", "P S"), ("qu", "K W"),
    ("ck", "K"), ("ng", "NG"), ("nk", "NG K"), ("sc", "S K"), ("ee", "IY"), ("ea", "IY"), ("ei", "EY"), ("ie", "IY"), ("ey", "IY"), ("eu", "UW"), ("ew", "UW"),
    ("oo", "UW"), ("oa", "OW"), ("ou", "AW"), ("ow", "OW"), ("oi", "OY"), ("oy", "OY"), ("ai", "EY"), ("ay", "EY"), ("au", "AO"), ("aw", "AO"), ("ue", "UW"),
    ("ui", "UW"), ("ar", "AA R"), ("er", "ER"), ("ir", "ER"), ("or", "AO R"), ("ur", "ER"), ("yr", "ER"), ("le$", "AH L"), ("ia", "IY AH"), ("io", "IY OW"),
    ("ce", "S EH"), ("ci", "S IH"), ("cy", "S IY"), ("ge$", "JH"), ("gi", "JH IH"), ("gy", "JH IY"), ("ce$", "S"), ("y$", "IY"), ("a$", "AH"), ("o$", "OW"),
    ("i$", "IY"), ("e$", ""), ("s$", "Z"), ("x", "K S"), ("a", "AE"), ("b", "B"), ("c", "K"), ("d", "D"), ("e", "EH"), ("f", "F"), ("g", "G"), ("h", "HH"),
    ("i", "IH"), ("j", "JH"), ("k", "K"), ("l", "L"), ("m", "M"), ("n", "N"), ("o", "AA"), ("p", "P"), ("q", "K"), ("r", "R"), ("s", "S"), ("t", "T"),
    ("u", "AH"), ("v", "V"), ("w", "W"), ("y", "Y"), ("z", "Z"),
)  # fmt: skip
_MAGIC_E = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"}
_VOWELS = "aeiouy"
_SHORTEST_PART = 3


def pronounce(word: str, lookup: Lookup) -> str:
    """Return phones for ``word`` (lower case, letters and apostrophes); never empty for a word with a letter."""
    for attempt in (_exact, _with_ending, _with_beginning, _compound):
        phones = attempt(word, lookup)
        if phones:
            return phones
    letters = word.replace("'", "")
    if letters and (not any(letter in _VOWELS for letter in letters) or len(letters) == 1):
        return " ".join(_LETTERS[letter] for letter in letters if letter in _LETTERS)
    return letter_to_sound(letters) or " ".join(_LETTERS[letter] for letter in letters if letter in _LETTERS)


def _exact(word: str, lookup: Lookup) -> str | None:
    return lookup(word) or lookup(word.replace("'", ""))


def _with_ending(word: str, lookup: Lookup) -> str | None:
    for ending, sound in sorted(_ENDINGS, key=lambda pair: -len(pair[0])):
        stem = word[: -len(ending)]
        if not word.endswith(ending) or len(stem) < _SHORTEST_PART:
            continue
        candidates = [stem, stem + "e"]
        if stem.endswith("i"):
            candidates.append(stem[:-1] + "y")
        if len(stem) > _SHORTEST_PART and stem[-1] == stem[-2]:
            candidates.append(stem[:-1])
        for candidate in candidates:
            phones = lookup(candidate)
            if phones:
                return f"{phones} {_after(phones.split()[-1], sound)}"
    return None


def _after(last: str, sound: str) -> str:
    """The plural's and the past's sound depends on the phone before it."""
    if sound == "z":
        return "AH Z" if last in ("S", "Z", "SH", "ZH", "CH", "JH") else "S" if last in ("P", "T", "K", "F", "TH") else "Z"
    if sound == "d":
        return "AH D" if last in ("T", "D") else "T" if last in ("P", "K", "F", "TH", "S", "SH", "CH") else "D"
    return sound


def _with_beginning(word: str, lookup: Lookup) -> str | None:
    for beginning, sound in _BEGINNINGS:
        rest = word[len(beginning) :]
        if word.startswith(beginning) and len(rest) >= _SHORTEST_PART:
            phones = lookup(rest) or _with_ending(rest, lookup)
            if phones:
                return f"{sound} {phones}"
    return None


def _compound(word: str, lookup: Lookup) -> str | None:
    cuts = sorted(range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1), key=lambda cut: abs(2 * cut - len(word)))
    for cut in cuts:
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first and second:
            return f"{first} {second}"
    return None


def letter_to_sound(word: str) -> str:
    """Phones by rules, the longest rule first; a silent final e lengthens the vowel before it.

    >>> letter_to_sound("blick"), letter_to_sound("vade")
    ('B L IH K', 'V EY D')
    """
    phones: list[str] = []
    at = 0
    while at < len(word):
        if at and word[at] == word[at - 1] and word[at] not in _VOWELS:
            at += 1
            continue
        tail = word[at + 1 :]
        if word[at] in _MAGIC_E and len(tail) == 2 and tail[0] not in _VOWELS + "rwx" and tail[1] == "e":
            phones.append(_MAGIC_E[word[at]])
            at += 1
            continue
        letters, sound = _rule_at(word, at)
        phones.append(sound)
        at += letters
    return " ".join(" ".join(phones).split())


def _rule_at(word: str, at: int) -> tuple[int, str]:
    left = word[at:]
    for pattern, sound in sorted(_RULES, key=lambda rule: -len(rule[0])):
        letters = pattern.rstrip("$")
        if left == letters or (left.startswith(letters) and not pattern.endswith("$")):
            if pattern == "kn" and at > 0:
                continue
            return len(letters), sound
    return 1, ""
