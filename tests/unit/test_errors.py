"""The tail of a message for an unknown name."""

from __future__ import annotations

from raggesture.errors import MOST_NAMES, did_you_mean


def test_the_nearest_name_comes_first() -> None:
    assert did_you_mean("discource", ["llm", "discourse"]) == "did you mean 'discourse'? (known: discourse, llm)"
    assert did_you_mean("xyz", ["llm"]) == "known: llm"
    assert did_you_mean("xyz", []) == "none is known"


def test_of_many_names_the_first_are_listed_and_the_nearest_is_still_found() -> None:
    names = [f"clip_{k:05d}" for k in range(10_000)]
    said = did_you_mean("clip_0999", names)
    assert said.startswith("did you mean 'clip_0") and f"and {10_000 - MOST_NAMES} more" in said
    assert len(said) < 800
