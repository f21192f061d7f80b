"""Retriever ``llm``: a language model names the words that want a gesture, and their kind.

The speech is cut into windows of ten seconds; each is asked about once, several at a time, and answers are kept on disk. Without a
key or a server in the environment the built-in labeller answers instead, and says so (``raggesture.retrieval.fallback`` for
what else may be done).
Source: METHOD part I (d) "llm" (at most two words a window; 2 for the type, 1 for the speaker, 5 for the word, prominence).
Differs from the released code: the prompt is our own; the answer is JSON whose words are an enum of the window's numbered
words, so none is invented and repeated words are told apart.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from raggesture.errors import ServiceError
from raggesture.plugins.hookspecs import Retriever, hookimpl
from raggesture.retrieval.filters import check_kinds
from raggesture.retrieval.labels import KINDS, choose, label_words
from raggesture.retrieval.llm_cache import cache_file, read_answer, write_answer
from raggesture.retrieval.llm_client import BASE_URL, KEY, LlmClient, address, is_configured
from raggesture.retrieval.llm_question import UnusableAnswer, messages_of, names_of, picks_of, schema_of, windows_of
from raggesture.retrieval.query import query_of_word
from raggesture.retrieval.rank import Weights
from raggesture.retrieval.weighting import Ranking, RankingOptions
from raggesture.types import Cues, Hit, Query, Speech, Word

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index

_LOG = logging.getLogger("raggesture")


class LlmOptions(RankingOptions):
    """``max_words``: gestures per window of ``window_s`` seconds; ``timeout_s``: for each answer; ``max_retries``: after faults that may pass;

    ``max_wait_s``: the longest pause that a server may ask for; ``concurrency``: windows asked about at a time; ``cache``: keep
    answers on disk; ``weight``: how strongly an exemplar shapes the motion; ``weighting`` and filters of ``RankingOptions``.
    """

    model: str = Field(default="gpt-4o-mini", min_length=1)
    max_words: int = Field(default=2, ge=0, le=20)
    window_s: float = Field(default=10.0, ge=1)
    timeout_s: float = Field(default=20.0, gt=0)
    max_retries: int = Field(default=2, ge=0, le=10)
    max_wait_s: float = Field(default=60.0, ge=0)
    concurrency: int = Field(default=4, ge=1, le=32)
    cache: bool = True
    weight: float = Field(default=1.0, ge=0, le=1)


class LlmRetriever:
    """Queries from a language model (or the labeller); ranks by all terms."""

    name: ClassVar[str] = "llm"
    Options: ClassVar[type[BaseModel]] = LlmOptions

    def __init__(self, options: LlmOptions) -> None:
        check_kinds(options.kinds, KINDS)
        self.options = options
        self._client = LlmClient(options.model, options.timeout_s, options.max_retries, options.max_wait_s)
        self._ranking = Ranking("llm", options, Weights())

    def unavailable(self) -> str:
        """Why no language model can be asked; empty where one can."""
        return "" if is_configured() else f"llm: neither {KEY} nor {BASE_URL} is set; expected a key or a server's address - set one of them"

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """One query per word that was named.

        Raises:
            ServiceError: the server gave no usable answer. ModelError: no server and the labeller is not installed.
        """
        words, options = speech.transcript.words, self.options
        if not words or not options.max_words:
            return ()
        if self.unavailable():
            _LOG.info("llm: no %s or %s is set; the built-in labeller chooses the words", KEY, BASE_URL)
            wanted = [label for label in label_words(speech.transcript, cues.prominence) if not options.kinds or label.kind in options.kinds]
            labels = choose(wanted, speech.transcript, options.max_words, options.window_s)
            picked = [(label.position, label.kind) for label in labels]
        else:
            picked = self._asked(words)
        return tuple(query_of_word(speech, cues, position, kind, options.weight) for position, kind in picked if not options.kinds or kind in options.kinds)

    def _asked(self, words: Sequence[Word]) -> list[tuple[int, str]]:
        """(position, kind) of every word named, in time order.

        The first window is asked alone: from it the client learns which form of question the server takes, and a server that is away
        is asked once. The first window that fails ends it; those not yet begun are not asked.
        """
        windows = windows_of(words, self.options.window_s)
        found = [self._placed(words, windows[0], len(windows))]
        pool = ThreadPoolExecutor(max_workers=self.options.concurrency, thread_name_prefix="llm")
        try:
            pending = [pool.submit(self._placed, words, window, len(windows)) for window in windows[1:]]
            found += [each.result() for each in pending]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return [pick for picks in found for pick in picks]

    def _placed(self, words: Sequence[Word], window: slice, of: int) -> list[tuple[int, str]]:
        """The picks of one window, by their positions in the speech; a fault says where in the speech it is."""
        try:
            return [(window.start + position, kind) for position, kind in self._picks(words[window])]
        except ServiceError as fault:
            raise ServiceError(f"{fault} (words {window.start + 1} to {window.stop} of {len(words)})" if of > 1 else str(fault)) from fault

    def _picks(self, words: Sequence[Word]) -> tuple[tuple[int, str], ...]:
        messages = messages_of(words, self.options.max_words)
        path = cache_file(self.options.model, address(), messages)
        kept = read_answer(path) if self.options.cache else None
        if kept is not None:
            try:
                return picks_of(kept, words, self.options.max_words)
            except ServiceError:
                _LOG.debug("llm: %s is not an answer; asking again", path)
        picks = self._usable(words, messages)
        if self.options.cache:
            names = names_of(words)
            write_answer(path, {"gestures": [{"word": names[k], "kind": kind} for k, kind in picks]})
        return picks

    def _usable(self, words: Sequence[Word], messages: Sequence[dict[str, str]]) -> tuple[tuple[int, str], ...]:
        """Picks of an answer; an answer whose words are none of the speech's is asked for once more, where retries are allowed."""
        schema = schema_of(words, self.options.max_words)
        try:
            return picks_of(self._client.ask(messages, schema), words, self.options.max_words)
        except UnusableAnswer:
            if not self.options.max_retries:
                raise
            return picks_of(self._client.ask(messages, schema), words, self.options.max_words)

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """Rank by kind, word, word similarity, speaker and prominence."""
        return self._ranking(query, index)


@hookimpl
def raggesture_retrievers() -> list[type[Retriever]]:
    """Bring the retriever ``llm``."""
    return [LlmRetriever]
