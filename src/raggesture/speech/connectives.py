"""The words of the discourse finder: explicit connectives with their usual PDTB-3 sense, and small word classes."""

from __future__ import annotations

CAUSE = "Contingency.Cause"
CONDITION = "Contingency.Condition"
PURPOSE = "Contingency.Purpose"
CONTRAST = "Comparison.Contrast"
CONCESSION = "Comparison.Concession"
SIMILARITY = "Comparison.Similarity"
CONJUNCTION = "Expansion.Conjunction"
DISJUNCTION = "Expansion.Disjunction"
INSTANTIATION = "Expansion.Instantiation"
SUBSTITUTION = "Expansion.Substitution"
DETAIL = "Expansion.Level-of-detail"
EXCEPTION = "Expansion.Exception"
ASYNCHRONOUS = "Temporal.Asynchronous"
SYNCHRONOUS = "Temporal.Synchronous"

_TABLE = """
Contingency.Cause: because, cause, 'cause, cos, therefore, thus, hence, as a result, consequently, that's why, which is why, that is why, since, so
Contingency.Cause: accordingly, for this reason, and so, now that, given that, 'cos
Contingency.Purpose: so that, in order to, in order that, so as to
Contingency.Condition: if, unless, as long as, provided that, in case, only if
Comparison.Concession: even if, although, though, even though, nevertheless, nonetheless, still, yet, despite, in spite of, regardless, anyway, even so
Comparison.Contrast: but, however, on the other hand, in contrast, by contrast, on the contrary, whereas
Temporal.Synchronous: while, when, whenever, meanwhile, as, at the same time, in the meantime
Comparison.Similarity: similarly, likewise, as if, as though, like
Expansion.Conjunction: and, also, in addition, moreover, furthermore, besides, as well as, not only, plus, nor
Expansion.Disjunction: or, or else, otherwise, either
Expansion.Instantiation: for example, for instance, in particular
Expansion.Substitution: instead, rather, rather than, instead of
Expansion.Level-of-detail: in fact, specifically, in other words, that is, i mean, in short, overall
Expansion.Exception: except, except that
Temporal.Asynchronous: then, after, afterwards, before, until, till, once, later, after that, and then, finally, as soon as, ever since, since then, eventually
Temporal.Asynchronous: next, by the time
"""


def _connectives() -> dict[str, str]:
    rows = [row.split(": ", 1) for row in _TABLE.strip().splitlines()]
    return {name: sense for sense, names in rows for name in names.split(", ")}


CONNECTIVES = _connectives()
"""Connective (lower case) -> its usual sense."""
SENSES = tuple(sorted({each for sense in CONNECTIVES.values() for each in (sense, sense.split(".")[0])}))
"""All senses, and the classes above them."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _set_of_phrases(phrases: str) -> frozenset[str]:
    return frozenset(" ".join(phrase.split()) for phrase in phrases.split(","))


NOT_CONNECTIVES = _set_of_phrases(
    """
    as far as, as well, after all, once upon, once again, or so, so far, so long, so called, as soon as possible, back then, by then, until then, more or less,
    sooner or later, and so on, and so forth, as usual, at once, or something, or whatever, and stuff, just like that, like that,
    like this, something like, look like, looks like, as such, so much, so many, even then, just then, now and then, but also, what if
    """
)
"""Phrases that hold a connective's word and are none."""
MAY_END = _set_of_phrases(
    "though, anyway, instead, too, also, afterwards, later, eventually, finally, however, nevertheless, then, meanwhile, for example, for instance"
)
"""Connectives that may be the last word of a sentence."""
DETERMINERS = _set(
    """
    the a an my your his her its our their this that some any every no
    """
)
SUBJECTS = _set(
    """
    i you he she it we they this that these those there who what here everyone everybody someone nobody nothing everything one
    """
)
FINITE = _set(
    """
    am is are was were be been do does did have has had can could will would shall should may might must don't didn't doesn't can't won't isn't
    aren't wasn't weren't go goes went get got come came say said think thought know knew see saw make made take took want wanted need felt feel
    looked look
    """
)
SO_DEGREE = _set(
    """
    many much far few little big long hard good bad happy sad tired scared nice great beautiful often fast slow glad sorry important different
    """
)
BEFORE_DEGREE = _set(
    """
    is was are were am be been i'm it's that's he's she's we're they're feel felt not very just ever or doing
    """
)
SUBORDINATING = _set(
    """
    because 'cause since if unless although though even though while when whenever as after before until till once whereas
    """
)


SUBJECT_PRONOUNS = _set(
    "i you he she it we they i'm i've i'd i'll you're you've he's she's it's we're we've they're they've that's there's there nobody everybody"
)
BEFORE_EXCEPTING_BUT = _set("nothing anything everything all everybody everyone nobody anybody none everywhere anyone one else")
BEFORE_SO = _set("think hope guess believe say tell suppose do expect or and than not if even ever just only")
CLAUSE_ADVERBS = _set(
    """
    now then maybe perhaps today here there sometimes usually probably yesterday when if basically eventually finally often
    always never
    """
)
BEFORE_NOUN_WHILE = _set("a the little good long short worth quite whole your that all")
STATES = _set("love hate like prefer understand agree know want think believe need seem cost belong contain enjoy own mean remember")
GRANTING = _set("understand agree know think believe see appreciate admit accept respect")
OPINIONS = _set("say think love hate like prefer want believe enjoy feel")
SAYING = _set("say know mention see tell expect think hear explain can do show understand guess")
ASKING = _set("know wonder ask tell remember decide say forget guess understand see doubt check find care matter learn explain show discover")
AUXILIARIES = _set("is are was were do does did can could will would shall should has have had may might am")
TIME_NOUNS = _set(
    "day days time times moment moments year years week night nights morning evening summer winter point age period hour month idea reason question"
)
AFTER_NEXT = _set(
    "to week month year time day door one morning night summer winter spring weekend few two three step monday tuesday wednesday thursday friday saturday"
)
BEFORE_TIMES = _set("every each this last next one some most")
