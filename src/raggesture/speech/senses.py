"""Is this word a connective here, and in which sense: rules over parts of speech, dependencies and position.

One function for each group of connectives that are used alike. Each returns a PDTB-3 sense, or None where the word is not
used as a connective ("since Monday", "salt and pepper", "I still live here"). Sources: PDTB-3 annotation manual (what counts
as an explicit connective); Pitler and Nenkova 2009, "Using syntax to disambiguate explicit discourse connectives in text" (which
features tell). The rules themselves are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raggesture.speech import connectives as c
from raggesture.speech.clauses import SUBJECT_DEPS, Place

_MODALS_OF_PURPOSE = frozenset({"can", "could", "would", "'ll", "might"})


Rule = Callable[[Place], str | None]


def sense_at(place: Place, name: str) -> str | None:
    """Sense of the connective ``name`` where it stands; None when it is not used as one."""
    if place.at_end and place.start and name not in c.MAY_END:
        return None
    rule = _RULES.get(name)
    return rule(place) if rule is not None else c.CONNECTIVES[name]


def _joins(sense: str) -> Rule:
    """and, or: between clauses or verb phrases, not between things."""

    def rule(p: Place) -> str | None:
        if p.word(-1).lemma in ("try", "go", "come") and p.word(0).tag == "VB" and not p.clause():
            return None
        if not p.opens and not p.verb_before():
            return None
        return sense if p.opens or p.later_clause() or p.verb_phrase() else None

    return rule


def _but(p: Place) -> str | None:
    if p.word(-1).text in c.BEFORE_EXCEPTING_BUT and not p.clause():
        return None
    if not (p.opens or p.later_clause() or p.verb_phrase() or p.word(0).text in ("then", "still", "when", "if", "because", "since", "as", "after", "once")):
        return None
    return c.CONTRAST if _parallel(p) else c.CONCESSION


def _parallel(p: Place) -> bool:
    """Two different subjects of the same verb: "I like tea but she likes coffee"."""
    second = p.subject()
    earlier = [k for k in range(max(p.start - 12, 0), p.start) if p.tags[k].dep in SUBJECT_DEPS or p.tags[k].text in c.SUBJECT_PRONOUNS]
    earlier = [k for k in earlier if p.verb_of(k) is not None]
    if second is None or not earlier:
        return False
    first = earlier[-1]
    one, other = p.main_verb(first), p.main_verb(second)
    if one is None or other is None or p.tags[first].text == p.tags[second].text or p.tags[second].text in ("it", "this", "that"):
        return False
    same_verb = p.tags[one].lemma == p.tags[other].lemma or {p.tags[one].lemma, p.tags[other].lemma} <= c.OPINIONS
    pronoun_of_the_first = p.tags[second].pos == "PRON" and p.tags[first].pos != "PRON"
    return same_verb and not (pronoun_of_the_first and p.tags[second].text in ("he", "she", "they"))


def _so(p: Place) -> str | None:
    following = p.word(0)
    if p.word(-1).lemma in c.BEFORE_SO and not p.clause():
        return None
    subject = p.subject()
    if subject is None:
        return c.CAUSE if (p.opens or p.later_clause()) and following.pos not in ("ADJ", "ADV", "AUX") else None
    if following.pos in ("ADJ", "ADV") and following.text not in c.CLAUSE_ADVERBS and p.tags[subject].left > p.stop and not p.at_border:
        return None
    return c.PURPOSE if _is_purpose(p, subject) else c.CAUSE


def _is_purpose(p: Place, subject: int) -> bool:
    """ "so I would not forget it" after something that was done: no comma, a modal, and not "could not"."""
    verb = p.verb_of(subject)
    if p.at_border or verb is None or p.tags[verb].text not in _MODALS_OF_PURPOSE:
        return False
    negated = verb + 1 < len(p.tags) and p.tags[verb + 1].text in ("not", "never", "n't")
    before = [p.tags[k] for k in range(max(p.start - 10, 0), p.start) if p.tags[k].verb]
    stative = not before or before[-1].lemma in ("be", "'s", "have", "feel") or before[-1].pos == "AUX"
    return not stative and not (negated and p.tags[verb].text in ("can", "could"))


def _since(p: Place) -> str | None:
    subject = p.subject()
    if subject is None:
        return c.ASYNCHRONOUS if p.gerund() else None
    verb = p.verb_of(subject)
    past = verb is not None and (p.tags[verb].tag in ("VBD", "VBN") or p.tags[verb].text in ("was", "were", "had", "did"))
    return c.ASYNCHRONOUS if past and p.perfect_elsewhere(subject) else c.CAUSE


def _while(p: Place) -> str | None:
    if p.word(-1).text in c.BEFORE_NOUN_WHILE:
        return None
    subject = p.subject()
    if subject is None:
        return c.SYNCHRONOUS if p.gerund() else None
    verb = p.main_verb(subject)
    if verb is None or any(p.tags[k].tag == "VBG" for k in range(subject, min(verb + 3, len(p.tags))) if k not in p.borders):
        return c.SYNCHRONOUS
    here = verb + 1 < len(p.tags) and (p.tags[verb + 1].pos in ("ADP", "ADV") or p.tags[verb + 1].tag == "RP")
    stative = p.tags[verb].lemma in c.STATES or (p.tags[verb].lemma in ("be", "'s", "'re", "'m") and not here)
    if not stative:
        return c.SYNCHRONOUS
    if p.opens:
        return c.CONCESSION if p.tags[verb].lemma in c.GRANTING else c.CONTRAST
    return c.CONTRAST if p.tags[verb].lemma in c.STATES or _parallel(p) else c.SYNCHRONOUS


def _as(p: Place) -> str | None:
    near = [p.tags[k].text for k in (*range(max(p.start - 4, 0), p.start), *range(p.stop, min(p.stop + 3, len(p.tags))))]
    if "as" in near or p.word(-1).text in ("same", "such", "known", "well", "far", "long"):
        return None
    subject = p.subject()
    if subject is None or p.word(-1).lemma == "do":
        return None
    verb = p.main_verb(subject)
    if verb is None or (p.tags[subject].pos == "PRON" and p.tags[verb].lemma in c.SAYING and _ends_soon(p, verb)):
        return None
    progressive = p.tags[verb].tag == "VBG"
    vague = p.tags[subject].text in ("it", "there")
    stative = p.tags[verb].lemma in c.STATES or p.tags[verb].lemma in ("be", "have")
    return c.CAUSE if vague or (stative and not progressive) else c.SYNCHRONOUS


def _ends_soon(p: Place, verb: int) -> bool:
    """Nothing but another clause comes after the verb: "as you know, ..."."""
    after = verb + 1
    return after >= len(p.tags) or after in p.borders or p.tags[after].dep in SUBJECT_DEPS or p.tags[after].pos in ("PRON", "DET", "PROPN", "ADV")


def _like(p: Place) -> str | None:
    subject = p.subject()
    if subject is None or p.opens or p.word(-1).lemma in ("be", "'s", "'m", "'re") or not (p.word(-1).verb or p.word(-1).pos in ("ADV", "PRON", "ADP", "NOUN")):
        return None
    if p.word(-1).text in c.SUBJECT_PRONOUNS or p.word(-1).dep in SUBJECT_DEPS or p.word(-1).text in ("and", "really", "do", "don't"):
        return None
    verb = p.main_verb(subject)
    return None if verb is None or p.tags[verb].lemma in ("say", "mention", "tell") else c.SIMILARITY


def _then(p: Place) -> str | None:
    if p.word(-1).text in ("since", "by", "until", "till", "back", "than", "the"):
        return None
    first = max((s for s in p.sentences if s <= p.start), default=0)
    if any(p.tags[k].text == "if" for k in range(max(first, p.start - 12), p.start)):
        return None
    if p.later_clause() or p.verb_phrase() or (p.at_border and not p.at_end):
        return c.ASYNCHRONOUS
    return c.ASYNCHRONOUS if not p.at_end and p.word(0).pos in ("ADP", "DET", "ADV") and not p.word(-1).verb else None


def _once(p: Place) -> str | None:
    if p.word(0).text in ("a", "per", "again", "more", "upon", "every", "in") or p.word(-1).text in ("at", "than", "only", "there") or p.word(-1).pos == "AUX":
        return None
    if p.word(-1).dep in SUBJECT_DEPS and p.word(0).verb:
        return None
    return c.ASYNCHRONOUS if p.clause() else None


def _when(p: Place) -> str | None:
    if p.opens and (p.word(0).pos == "AUX" or p.word(0).text in c.AUXILIARIES):
        return None
    before = p.word(-1) if p.word(-1).text not in ("me", "you", "us", "him", "her", "them") else p.word(-2)
    if not p.at_border and (before.lemma in c.ASKING or before.text in c.TIME_NOUNS):
        return None
    return c.SYNCHRONOUS if p.clause() or p.gerund() else None


def _if(p: Place) -> str | None:
    before = p.word(-1) if p.word(-1).text not in ("me", "you", "us", "him", "her", "them") else p.word(-2)
    if p.word(-1).text in ("what", "few", "even", "as") or p.word(0).text in ("any", "not", "ever", "possible", "so"):
        return None
    if not p.at_border and (before.lemma in c.ASKING or before.text in ("sure", "question", "idea", "certain", "clear")):
        return None
    return c.CONDITION if p.clause() or p.opens else None


def _borders_time(p: Place) -> str | None:
    """until, till, before, after: with a clause, not with a noun."""
    return c.ASYNCHRONOUS if p.clause() or p.gerund() else None


def _needs_clause(sense: str) -> Rule:
    return lambda p: sense if p.clause() else None


def _needs_action(sense: str) -> Rule:
    """rather than, instead of, despite: with a verb, not with a noun."""
    return lambda p: sense if p.gerund() or p.word(0).tag in ("VB", "VBN") or p.word(0).text in ("being", "having") else None


def _yet(p: Place) -> str | None:
    if p.word(0).text in ("another", "again", "to", "more") or p.word(-1).text in ("not", "as", "nor"):
        return None
    return c.CONCESSION if p.opens or p.clause() or (p.verb_phrase() and p.word(0).tag == "VBD") else None


def _still(p: Place) -> str | None:
    if p.word(-1).text in ("but", "and") or (not p.at_border and (p.word(-1).verb or p.word(-1).dep in SUBJECT_DEPS or p.word(-1).text in c.SUBJECT_PRONOUNS)):
        return None
    subject = p.subject()
    return c.CONCESSION if subject is not None and (p.at_border or p.tags[subject].left == p.stop) else None


def _at_border(sense: str) -> Rule:
    """Adverbs that say something of a whole sentence: before it, not inside it."""
    return lambda p: sense if (p.opens or p.stop in p.borders or p.clause()) and p.word(-1).pos not in ("DET", "ADP", "AUX", "NUM") else None


def _however(p: Place) -> str | None:
    return None if p.word(0).pos in ("ADJ", "ADV") or p.word(0).text in ("much", "many") else c.CONCESSION


def _rather(p: Place) -> str | None:
    return c.SUBSTITUTION if p.opens and (p.stop in p.borders or p.clause()) else None


def _instead(p: Place) -> str | None:
    return None if p.word(0).text == "of" else c.SUBSTITUTION


def _next(p: Place) -> str | None:
    if p.word(0).text in c.AFTER_NEXT or p.word(-1).pos in ("DET", "ADP", "PRON") or p.word(-1).verb:
        return None
    return c.ASYNCHRONOUS if p.at_border or p.clause() else None


def _except(p: Place) -> str | None:
    return c.EXCEPTION if p.clause() else None


def _i_mean(p: Place) -> str | None:
    return None if p.word(-1).text in ("what", "that", "which", "if", "as") or (p.word(0).text in ("it", "that", "this") and not p.clause()) else c.DETAIL


def _that_is(p: Place) -> str | None:
    return c.DETAIL if p.at_border and p.stop in p.borders else None


def _because(p: Place) -> str | None:
    return None if p.word(0).text == "of" else c.CAUSE


def _in_case(p: Place) -> str | None:
    return None if p.word(0).text == "of" or p.word(-1).text in ("that", "this", "any") else (c.CONDITION if p.clause() else None)


def _and_then(p: Place) -> str | None:
    return c.ASYNCHRONOUS if p.opens or p.later_clause() or p.verb_phrase() else None


_RULES: Mapping[str, Rule] = {
    "and": _joins(c.CONJUNCTION), "or": _joins(c.DISJUNCTION), "nor": _joins(c.CONJUNCTION), "but": _but, "so": _so, "and so": _so, "since": _since,
    "while": _while, "as": _as, "like": _like, "then": _then, "and then": _and_then, "once": _once, "when": _when, "whenever": _when, "if": _if,
    "until": _borders_time, "till": _borders_time, "before": _borders_time, "after": _borders_time, "yet": _yet, "still": _still,
    "because": _because, "'cause": _because, "cause": _needs_clause(c.CAUSE), "cos": _needs_clause(c.CAUSE), "'cos": _needs_clause(c.CAUSE),
    "rather than": _needs_action(c.SUBSTITUTION), "instead of": _needs_action(c.SUBSTITUTION), "despite": _needs_action(c.CONCESSION),
    "in spite of": _needs_action(c.CONCESSION), "rather": _rather, "instead": _instead, "however": _however, "except": _except,
    "besides": _needs_clause(c.CONJUNCTION), "plus": _needs_clause(c.CONJUNCTION), "as well as": _needs_clause(c.CONJUNCTION),
    "as long as": _needs_clause(c.CONDITION), "as soon as": _needs_clause(c.ASYNCHRONOUS), "by the time": _needs_clause(c.ASYNCHRONOUS),
    "now that": _needs_clause(c.CAUSE), "given that": _needs_clause(c.CAUSE), "whereas": _needs_clause(c.CONTRAST), "unless": _needs_clause(c.CONDITION),
    "in case": _in_case, "either": _needs_clause(c.DISJUNCTION), "otherwise": _at_border(c.DISJUNCTION), "overall": _at_border(c.DETAIL),
    "in short": _at_border(c.DETAIL), "next": _next, "i mean": _i_mean, "that is": _that_is, "as a result": _because,
    "even so": _at_border(c.CONCESSION), "likewise": _at_border(c.SIMILARITY), "similarly": _at_border(c.SIMILARITY),
    "specifically": _at_border(c.DETAIL), "thus": _at_border(c.CAUSE),
}  # fmt: skip
"""Connectives that have more than one use; all others stand for their usual sense wherever they are said."""
