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
Contingency.Cause: accordingly, for this reason
Contingency.Purpose: so that, in order to, in order that
Contingency.Condition: if, unless, as long as, provided that, in case, only if
Comparison.Concession: even if, although, though, even though, nevertheless, nonetheless, still, yet, despite, in spite of, regardless, anyway
Comparison.Contrast: but, however, on the other hand, in contrast, by contrast, whereas
Temporal.Synchronous: while, when, whenever, meanwhile, as, at the same time, in the meantime
Comparison.Similarity: similarly, likewise, as if, as though, just as
Expansion.Conjunction: and, also, in addition, moreover, furthermore, besides, as well as, not only, plus
Expansion.Disjunction: or, or else, otherwise, either
Expansion.Instantiation: for example, for instance, such as, in particular
Expansion.Substitution: instead, rather, rather than, instead of
Expansion.Level-of-detail: in fact, specifically, in other words, that is, i mean, in short, overall
Expansion.Exception: except, except that
Temporal.Asynchronous: then, after, afterwards, before, until, till, once, later, after that, and then, finally, as soon as, ever since, eventually
Temporal.Asynchronous: next, by the time
"""


def _connectives() -> dict[str, str]:
    rows = [row.split(": ", 1) for row in _TABLE.strip().splitlines()]
    return {name: sense for sense, names in rows for name in names.split(", ")}


CONNECTIVES = _connectives()
"""Connective (lower case) -> its usual sense."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


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
