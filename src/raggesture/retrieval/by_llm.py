"""Retriever ``llm``: a language model names the words that want a gesture, and their kind.

The speech is cut into windows of ten seconds, each is asked about once, and answers are kept on disk by model, prompt and
text. Without a key or a server in the environment the built-in labeller answers instead, and says so.
Source: METHOD part I (d) "llm" (at most two words a window; 2 for the type, 1 for the speaker, 5 for the word, prominence).
Differs from the released code: the prompt is our own; the answer is JSON whose words are an enum of the window's numbered
words, so none is invented and repeated words are told apart.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from raggesture.errors import ServiceError
from raggesture.plugins.hookspecs import Retriever, hookimpl
from raggesture.retrieval.index import clean_word
from raggesture.retrieval.labels import choose, label_words
from raggesture.retrieval.llm_client import LlmClient, is_configured
from raggesture.retrieval.query import query_of_word
from raggesture.retrieval.rank import by_terms
from raggesture.types import Cues, Hit, Query, Speech, Word

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index

KINDS = ("deictic", "iconic", "metaphoric")
CACHE = "RAGGESTURE_CACHE"
_LOG = logging.getLogger("raggesture")

SYSTEM = """You direct how a speaker moves the hands. You know co-speech gesture research well.
Three kinds of gesture carry meaning:
- iconic: the hands show the shape, size or action of what the word names.
- metaphoric: the hands give an abstract idea a form in space, such as holding a thought or weighing two sides.
- deictic: the hand points to a person, a thing, a place or a direction, present or imagined.
You are given a stretch of speech as numbered words. Choose the words on which such a gesture would say most. Prefer content words that are well apart; \
take function words only if the speaker truly points. Choosing fewer is fine, and so is none.
Answer with JSON only: {"gestures": [{"word": "<number>:<word>", "kind": "iconic"}]}"""


class LlmOptions(BaseModel):
    """``max_words``: gestures per window of ``window_s`` seconds; ``timeout_s``: for each answer; ``cache``: keep answers on disk."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    model: str = Field(default="gpt-4o-mini", min_length=1)
    max_words: int = Field(default=2, ge=0, le=20)
    window_s: float = Field(default=10.0, ge=1)
    timeout_s: float = Field(default=20.0, gt=0)
    max_retries: int = Field(default=2, ge=0, le=10)
    cache: bool = True
    weight: float = Field(default=1.0, ge=0, le=1)


def windows_of(words: Sequence[Word], window_s: float) -> tuple[slice, ...]:
    """Ranges of words whose middles lie in the same window of ``window_s`` seconds; empty windows are left out."""
    numbers = [int((word.start + word.end) / 2 // window_s) for word in words]
    borders = [0, *(k for k in range(1, len(words)) if numbers[k] != numbers[k - 1]), len(words)]
    return tuple(slice(a, b) for a, b in pairwise(borders) if b > a)


def messages_of(words: Sequence[Word], max_words: int) -> tuple[dict[str, str], ...]:
    """The messages for one window; its words are numbered from 1."""
    numbered = " ".join(f"{k}:{word.text}{word.after}" for k, word in enumerate(words, start=1))
    return ({"role": "system", "content": SYSTEM}, {"role": "user", "content": f"Choose at most {max_words} words.\n\n{numbered}"})


def schema_of(words: Sequence[Word]) -> dict[str, Any]:
    """JSON schema of the answer: every word is one of the numbered words."""
    names = [f"{k}:{word.text}" for k, word in enumerate(words, start=1)]
    gesture = {
        "type": "object",
        "properties": {"word": {"type": "string", "enum": names}, "kind": {"type": "string", "enum": list(KINDS)}},
        "required": ["word", "kind"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"gestures": {"type": "array", "items": gesture}},
        "required": ["gestures"],
        "additionalProperties": False,
    }


def _position(named: str, words: Sequence[Word], taken: Sequence[int]) -> int | None:
    """Which word ``named`` means: ``7:huge``, else a word itself (its first free occurrence); None if it is not in the window."""
    number, _, text = named.partition(":")
    if number.strip().isdigit() and 1 <= int(number) <= len(words) and clean_word(words[int(number) - 1].text) == clean_word(text):
        return int(number) - 1
    wanted = clean_word(named)
    return next((k for k, word in enumerate(words) if wanted and clean_word(word.text) == wanted and k not in taken), None)


def picks_of(answer: Mapping[str, Any], words: Sequence[Word], max_words: int) -> tuple[tuple[int, str], ...]:
    """(position in the window, kind) of each usable gesture of an answer, at most ``max_words``, in time order.

    Raises:
        ServiceError: the answer has no list of gestures, or names only words or kinds that do not exist.
    """
    listed = answer.get("gestures")
    if not isinstance(listed, list):
        raise ServiceError(f"language model: answered {str(answer)[:80]!r}; expected a list 'gestures' - try again or choose another model with -R model=NAME")
    picks: dict[int, str] = {}
    for each in listed:
        named, kind = (str(each.get("word", "")), str(each.get("kind", "")).lower()) if isinstance(each, dict) else ("", "")
        position = _position(named, words, tuple(picks))
        if position is not None and position not in picks and kind in KINDS and len(picks) < max_words:
            picks[position] = kind
    if listed and not picks and max_words:
        raise ServiceError(
            f"language model: answered {str(listed)[:80]!r}; expected words of the speech and kinds among {', '.join(KINDS)} "
            "- try again or choose another model with -R model=NAME"
        )
    return tuple(sorted(picks.items()))


def cache_folder() -> Path:
    """Where answers are kept: ``$RAGGESTURE_CACHE/llm``, else ``~/.cache/raggesture/llm`` (or below ``$XDG_CACHE_HOME``)."""
    named = os.environ.get(CACHE)
    if named:
        return Path(named) / "llm"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "raggesture" / "llm"


def _cache_file(model: str, messages: Sequence[Mapping[str, str]]) -> Path:
    key = json.dumps([model, list(messages)], sort_keys=True, ensure_ascii=False)
    return cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _read_cache(path: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _write_cache(path: Path, answer: Mapping[str, Any]) -> None:
    """Write whole or not at all; a cache that cannot be written is no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(answer, stream, ensure_ascii=False)
        Path(partial).replace(path)
    except OSError as fault:
        _LOG.debug("llm: the answer is not kept (%s)", fault)


class LlmRetriever:
    """Queries from a language model (or the labeller); ranks by all terms."""

    name: ClassVar[str] = "llm"
    Options: ClassVar[type[BaseModel]] = LlmOptions

    def __init__(self, options: LlmOptions) -> None:
        self.options = options
        self._client = LlmClient(options.model, options.timeout_s, options.max_retries)

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """One query per word that was named.

        Raises:
            ServiceError: the server gave no usable answer. ModelError: no server and the labeller is not installed.
        """
        words, options = speech.transcript.words, self.options
        if not words or not options.max_words:
            return ()
        if not is_configured():
            _LOG.info("llm: no OPENAI_API_KEY or OPENAI_BASE_URL is set; the built-in labeller chooses the words")
            labels = choose(label_words(speech.transcript, cues.prominence), speech.transcript, options.max_words, options.window_s)
            return tuple(query_of_word(speech, cues, label.position, label.kind, options.weight) for label in labels)
        found: list[Query] = []
        for window in windows_of(words, options.window_s):
            for position, kind in self._picks(words[window]):
                found.append(query_of_word(speech, cues, window.start + position, kind, options.weight))
        return tuple(found)

    def _picks(self, words: Sequence[Word]) -> tuple[tuple[int, str], ...]:
        messages = messages_of(words, self.options.max_words)
        path = _cache_file(self.options.model, messages)
        kept = _read_cache(path) if self.options.cache else None
        if kept is not None:
            try:
                return picks_of(kept, words, self.options.max_words)
            except ServiceError:
                _LOG.debug("llm: %s is not an answer; asking again", path)
        picks = picks_of(self._client.ask(messages, schema_of(words)), words, self.options.max_words)
        if self.options.cache:
            _write_cache(path, {"gestures": [{"word": f"{k + 1}:{words[k].text}", "kind": kind} for k, kind in picks]})
        return picks

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """Rank by kind, word, word similarity, speaker and prominence."""
        return by_terms(query, index)


@hookimpl
def raggesture_retrievers() -> list[type[Retriever]]:
    """Bring the retriever ``llm``."""
    return [LlmRetriever]
