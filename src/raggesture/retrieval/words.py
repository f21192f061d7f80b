"""What two words are compared by."""

from __future__ import annotations


def clean_word(text: str) -> str:
    """Lower-cased letters, digits, inner apostrophes, hyphens and single blanks of a word."""
    kept = "".join(c if c.isalnum() or c in "'-" else "'" if c == "’" else " " for c in text.casefold())
    return " ".join(part for piece in kept.split() if (part := piece.strip("'-")))
