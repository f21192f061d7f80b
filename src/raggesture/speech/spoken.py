"""Written words to what is said: numbers, currencies, symbols, hyphens and initials as plain lower-case words."""

from __future__ import annotations

import re
import unicodedata

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth", "twelve": "twelfth"}
_CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros"}
_SYMBOLS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "°": "degrees"}
_LIGATURES = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ð": "th", "þ": "th", "ł": "l", "’": "'", "‘": "'"})


def spoken(word: str) -> tuple[str, ...]:
    """Return the words that are said for one written word; letters a-z and apostrophes only, () when nothing can be said.

    >>> spoken("25%"), spoken("$5"), spoken("1990"), spoken("well-known"), spoken("3rd"), spoken("U.S.")
    (('twenty', 'five', 'percent'), ('five', 'dollars'), ('nineteen', 'ninety'), ('well', 'known'), ('third',), ('u', 's'))
    """
    text = word.strip().translate(_LIGATURES)
    if re.fullmatch(r"(?:[A-Za-z]\.){2,}[A-Za-z]?\.?", text):
        return tuple(re.findall(r"[a-z]", text.lower()))
    text = unicodedata.normalize("NFKD", text.lower()).translate(_LIGATURES)
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    said: list[str] = []
    for piece in re.findall(r"[$£€]?\d[\d,]*(?:[.:]\d+)?(?:st|nd|rd|th|s|%)?(?![a-z])|\d+|[a-z']+|[&+=@°%]", text):
        if any(sign.isdigit() for sign in piece):
            said += _number(piece)
        elif piece in _SYMBOLS:
            said.append(_SYMBOLS[piece])
        elif piece == "%":
            said.append("percent")
        elif piece.strip("'"):
            said.append(piece if piece.endswith("in'") else piece.rstrip("'"))
    return tuple(said)


def _number(piece: str) -> list[str]:
    currency = _CURRENCIES.get(piece[0])
    match = re.match(r"[$£€]?([\d,]+)(?:([.:])(\d+))?(.*)", piece)
    if match is None:
        return []
    whole, mark, part, ending = match.groups()
    digits = whole.replace(",", "")
    if len(digits) > 15:
        return [_ONES[int(digit)] for digit in digits]
    if mark is None and "," not in whole and currency is None and ending in ("", "s") and len(digits) == 4 and 1100 <= int(digits) < 2100:
        words = _year(int(digits))
    else:
        words = cardinal(int(digits))
    if mark == ":":
        words += [] if int(part) == 0 else (["oh"] if part[0] == "0" else []) + cardinal(int(part))
    elif mark == "." and currency is None:
        words += ["point", *(_ONES[int(digit)] for digit in part)]
    if currency is not None:
        words.append(currency)
        if mark == ".":
            words += cardinal(int(part))
    if ending in ("st", "nd", "rd", "th"):
        words[-1] = _ordinal(words[-1])
    elif ending == "s":
        words[-1] = words[-1][:-1] + "ies" if words[-1].endswith("y") else words[-1] + "s"
    elif ending == "%":
        words.append("percent")
    return words


def cardinal(number: int) -> list[str]:
    """Words of a whole number: 0 <= number < 10**15.

    >>> " ".join(cardinal(1234))
    'one thousand two hundred thirty four'
    """
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        tens, ones = divmod(number, 10)
        return [_TENS[tens]] + ([_ONES[ones]] if ones else [])
    for size, name in _SCALES:
        if number >= size:
            many, rest = divmod(number, size)
            return [*cardinal(many), name, *(cardinal(rest) if rest else [])]
    return []


def _year(number: int) -> list[str]:
    century, rest = divmod(number, 100)
    if number % 1000 < 10:
        return cardinal(number)
    if rest == 0:
        return [*cardinal(century), "hundred"]
    return cardinal(century) + (["oh"] if rest < 10 else []) + cardinal(rest)


def _ordinal(word: str) -> str:
    return _ORDINALS.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")
