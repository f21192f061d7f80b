"""Facts of an event that are kept as numbers: which hand makes it, and what the program derived because the corpus did not say."""

from __future__ import annotations

from collections.abc import Collection

HANDS = ("", "left", "right", "both")
"""Handedness, in the order of its codes; "" where neither hand moves."""
DERIVED = ("labels", "relations", "prominence", "stroke", "words", "hands")
"""What may be derived, in the order of its bits."""


def derived_text(names: Collection[str]) -> str:
    """Names of derived pieces in their order, by commas."""
    return ",".join(name for name in DERIVED if name in names)


def bits_of(derived: str) -> int:
    """The names of derived pieces as bits."""
    names = derived.split(",")
    return sum(1 << bit for bit, name in enumerate(DERIVED) if name in names)


def names_of(bits: int) -> str:
    """Inverse of ``bits_of``."""
    return ",".join(name for bit, name in enumerate(DERIVED) if bits >> bit & 1)
