"""Where a connective stands: its neighbours, and whether a clause, a gerund or a further verb follows it.

Positions are those of the transcript's words. The parse is used where it helps and doubted where speech breaks it: a
pronoun with a verb after it is a subject whatever the parse says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raggesture.speech import connectives as c
from raggesture.speech.tagging import Tag

SUBJECT_DEPS = ("nsubj", "nsubjpass", "expl", "csubj")
_REACH = 9
"""How many words after a connective the verb of its clause may be."""
_NOTHING = Tag("", "", "", "", False, "", -1, -1, -1)


@dataclass(frozen=True, slots=True)
class Place:
    """A candidate where it stands: words ``start`` to ``stop`` of ``tags``; ``borders`` are the words that begin after a pause or punctuation."""

    tags: Sequence[Tag]
    borders: frozenset[int]
    sentences: frozenset[int]
    start: int
    stop: int

    def word(self, offset: int) -> Tag:
        """The word ``offset`` places after the connective's first (before it, if negative); an empty one outside."""
        at = self.start + offset if offset < 0 else self.stop + offset
        return self.tags[at] if 0 <= at < len(self.tags) else _NOTHING

    @property
    def opens(self) -> bool:
        """It begins a sentence."""
        return self.start in self.sentences

    @property
    def at_border(self) -> bool:
        """Punctuation or a pause is right before it."""
        return self.start in self.borders

    @property
    def at_end(self) -> bool:
        """The sentence ends right after it."""
        return self.stop >= len(self.tags) or self.stop in self.sentences

    def subject(self) -> int | None:
        """Position of the subject whose phrase begins right after the connective (an adverb may stand between), if its verb follows."""
        if self.at_end:
            return None
        for at in range(self.stop, min(self.stop + _REACH, len(self.tags))):
            if at > self.stop and at in self.sentences:
                return None
            tag = self.tags[at]
            if tag.text in c.SUBJECT_PRONOUNS and self._only_adverbs(at) and self.verb_of(at) is not None:
                return at
            if tag.dep in SUBJECT_DEPS and tag.left >= self.stop and self._only_adverbs(tag.left) and self.verb_of(at) is not None:
                return at
        return None

    def _only_adverbs(self, left: int) -> bool:
        return left <= self.stop + 2 and all(self.tags[k].pos in ("ADV", "INTJ", "SCONJ", "PART", "CCONJ") for k in range(self.stop, left))

    def later_clause(self) -> bool:
        """A clause follows, perhaps after a place or time put first: "and every summer we went", "so by nine I am"."""
        if self.clause():
            return True
        first = self.word(0)
        if self.at_end or not (first.pos == "ADP" or first.text in c.BEFORE_TIMES):
            return False
        for at in range(self.stop, min(self.stop + 6, len(self.tags))):
            if self.tags[at].verb and self.tags[at].text not in c.SUBJECT_PRONOUNS:
                return False
            if self.tags[at].text in c.SUBJECT_PRONOUNS or (at > self.stop and self.tags[at].dep in SUBJECT_DEPS):
                return self.verb_of(at) is not None
        return False

    def verb_before(self) -> bool:
        """What stands before the connective, back to the last conjunction or the sentence's start, has a verb."""
        for at in range(self.start - 1, -1, -1):
            if self.tags[at].verb:
                return True
            if at in self.sentences or self.tags[at].pos in ("CCONJ", "SCONJ"):
                return False
        return False

    def verb_of(self, subject: int) -> int | None:
        """Position of the first finite verb after a subject (its own piece counts: "I'm")."""
        for at in range(subject, min(subject + _REACH, len(self.tags))):
            if at > subject and at in self.sentences:
                return None
            tag = self.tags[at]
            if tag.verb and (at == subject or tag.tag not in ("VBG", "TO")):
                return at
        return None

    def main_verb(self, subject: int) -> int | None:
        """Position of the verb that the subject's auxiliaries help, or of the copula."""
        at = self.verb_of(subject)
        if at is None:
            return None
        for later in range(at + 1, min(at + 4, len(self.tags))):
            if later in self.sentences or self.tags[later].pos not in ("VERB", "AUX", "ADV", "PART", "PRON"):
                break
            if self.tags[later].pos == "VERB" and self.tags[later].tag != "TO":
                return later
        return at

    def clause(self) -> bool:
        """A clause with a subject follows."""
        return self.subject() is not None

    def gerund(self) -> bool:
        """A clause without a subject follows: "after eating"."""
        return not self.at_end and (self.word(0).tag == "VBG" or (self.word(0).pos == "ADV" and self.word(1).tag == "VBG"))

    def verb_phrase(self) -> bool:
        """A further verb of the same subject follows: "sat down and read", "could not sleep"."""
        if self.at_end:
            return False
        word = self.word(0) if self.word(0).pos not in ("ADV", "PART") else self.word(1)
        before = any(self.tags[k].verb for k in range(max(self.start - 12, 0), self.start))
        return before and word.pos in ("VERB", "AUX") and word.tag in ("VBD", "VBZ", "VBP", "VB", "MD", "VBN") and word.dep not in ("amod", "compound")

    def perfect_elsewhere(self, subject: int) -> bool:
        """The other clause of the sentence is in the perfect: "has lived"."""
        inside = range(self.start, max(self.tags[k].right for k in (subject, self.main_verb(subject) or subject)) + 1)
        first = max((s for s in self.sentences if s <= self.start), default=0)
        last = min((s for s in self.sentences if s > self.start), default=len(self.tags))
        around = [k for k in range(max(first, self.start - 14), min(last, self.stop + 16)) if k not in inside or k < self.start]
        return any(self._is_perfect(k) for k in around)

    def _is_perfect(self, at: int) -> bool:
        tag = self.tags[at]
        has = tag.text in ("have", "has", "had", "haven't", "hasn't") or tag.text.endswith("'ve")
        has = has or (tag.text.endswith("'s") and at + 1 < len(self.tags) and self.tags[at + 1].text == "been")
        return has and any(self.tags[k].tag in ("VBN", "VBD") for k in range(at + 1, min(at + 4, len(self.tags))))
