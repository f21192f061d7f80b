"""Which gesture a word has in the packaged lexicon: what a small index, in which few of its 1,803 words occur, cannot say by itself.

A plain look at the lexicon's files: what they must be like is checked where a corpus is made of them (``corpus/starter/lexicon_file.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import tomli

LEXICON = Path(__file__).parents[1] / "corpus" / "starter" / "lexicon"


@dataclass(frozen=True, slots=True)
class Served:
    """A gesture by its name in an index, and its kind."""

    gesture: str
    kind: str


@cache
def served_words() -> Mapping[str, Served]:
    """Word (lower case) -> its gesture. Words that trigger theirs only as a connective are left out."""
    words: dict[str, Served] = {}
    for path in sorted(LEXICON.glob("*.toml")):
        for name, entry in tomli.loads(path.read_text("utf-8")).get("gesture", {}).items():
            if not entry.get("relations"):
                words.update({word.lower(): Served(name, entry["kind"]) for word in entry.get("words", ())})
    return MappingProxyType(words)
