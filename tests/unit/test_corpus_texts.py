"""The texts of the starter corpus: even use of the lexicon, determinism, sound data."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from pathlib import Path

import pytest

from raggesture.corpus.starter import texts
from raggesture.corpus.starter.lexicon import Lexicon
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.texts import iter_passages, load_grammar, write_passages
from raggesture.corpus.starter.voices import words_of
from raggesture.errors import ConfigError


@pytest.fixture(scope="module")
def passages():
    return write_passages(48, 1)


def test_every_slot_holds_words_of_its_gesture() -> None:
    lexicon = load_lexicon()
    for slot, (gesture, words) in load_grammar().slots.items():
        assert not set(words) - set(lexicon[gesture].words), slot


def test_a_slot_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One would silently take the other's place."""
    for name in ("slots.toml", "slots_more.toml"):
        (tmp_path / name).write_text('[slot]\nbig = { gesture = "big", words = ["big"] }\n')
    monkeypatch.setattr(texts, "_FOLDER", tmp_path)
    with pytest.raises(ConfigError, match="'big' is there twice"):
        texts._slots()


def test_topics_and_fillers_trigger_nothing_by_themselves() -> None:
    lexicon, grammar = load_lexicon(), load_grammar()
    values = [value for topic in grammar.topics for value in topic.values()]
    values += [value for table in (grammar.bound, grammar.free) for column in table.values() for value in column]
    assert [value for value in values if any(lexicon.for_word(word) for word in words_of(value))] == []


def test_every_gesture_has_sentences_in_both_tenses() -> None:
    grammar = load_grammar()
    for gesture in load_lexicon().gestures:
        if gesture.words:
            assert len(grammar.bank[gesture.name]) >= 5 and len(grammar.bank_past[gesture.name]) >= 3, gesture.name
    assert grammar.templates >= 500


def test_every_template_of_the_bank_triggers_its_gesture() -> None:
    """A sentence that stands under a gesture must be able to trigger it."""
    lexicon, grammar = load_lexicon(), load_grammar()
    for name in grammar.bank:
        for template in (*grammar.bank[name], *grammar.bank_past[name]):
            slots = {grammar.slots[slot][0] for slot in grammar.slots if f"{{{slot}}}" in template}
            plain = {gesture.name for word in words_of(re.sub(r"[<>()|]", " ", template)) for gesture in lexicon.for_word(word)}
            assert name in slots | plain, template


def test_no_template_is_left_unfilled(passages) -> None:
    text = " ".join(passage.text for passage in passages)
    assert not set("{}<>[]|_") & set(text)


def test_passages_last_about_a_minute(passages) -> None:
    lengths = [len(words_of(passage.text)) for passage in passages]
    assert min(lengths) > 60 and max(lengths) < 220 and 110 < sum(lengths) / len(lengths) < 165


def test_gestures_get_even_shares_and_natural_density() -> None:
    """Of an hour and a half of texts: every gesture is there, most as often as the middle one; connectives come more often, as in speech."""
    lexicon = load_lexicon()
    words = [word for passage in write_passages(96, 1) for word in words_of(passage.text)]
    counts = Counter(lexicon.for_word(word)[0].name for word in words if lexicon.for_word(word))
    triggered = [gesture.name for gesture in lexicon.gestures if gesture.words]
    assert set(counts) == set(triggered)
    middle = statistics.median(counts.values())
    assert sum(count > 2.5 * middle for count in counts.values()) < 0.12 * len(triggered)
    assert min(counts.values()) >= 0.4 * middle
    assert 5 < len(words) / sum(counts.values()) < 9


def test_articles_fit_their_nouns(passages) -> None:
    text = " ".join(passage.text for passage in passages)
    assert not re.findall(r"\b[Aa]n [bcdfgjklmnpqrstvwxyz]\w*", text)
    assert not [found for found in re.findall(r"\b[Aa] ([aeio]\w*)", text) if not found.startswith("one") and not found.startswith("once")]


def test_same_seed_same_texts_and_a_longer_corpus_begins_like_a_shorter_one(passages) -> None:
    assert write_passages(5, 1) == passages[:5]
    assert write_passages(5, 2) != passages[:5]
    assert next(iter(iter_passages(1))) == passages[0]


def test_genres_and_topics_change(passages) -> None:
    assert len({passage.genre for passage in passages}) == 6
    assert len({passage.topic for passage in passages}) >= 25
    assert len({sentence for passage in passages for sentence in passage.sentences}) > 0.9 * sum(len(passage.sentences) for passage in passages)


def test_a_gesture_without_sentences_is_refused() -> None:
    lexicon = load_lexicon()
    from dataclasses import replace

    strange = Lexicon((*lexicon.gestures, replace(lexicon.gestures[-1], name="juggle", words=("juggle",))))
    with pytest.raises(ConfigError, match="juggle"):
        next(iter_passages(1, lexicon=strange))
