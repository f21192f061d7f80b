"""Asking an OpenAI-compatible server for one JSON answer: forms of the question, retries, time-outs, one clear error.

A form that the server refuses is asked again in a simpler one: a JSON schema, the same without sampling options (reasoning models
refuse them), a ``json_object`` with the schema beside it (llama-cpp-python), a bare ``json_object``, plain text in which the
JSON is looked for. What has worked is asked first the next time. Faults that pass are tried again after a pause: the server's own
``Retry-After`` (seconds or a date) where it says one, else doubling from half a second. The key comes from the environment
alone and appears in no message.
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from raggesture.errors import ServiceError

if TYPE_CHECKING:
    import openai

KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"
_DEFAULT_URL = "https://api.openai.com/v1"
_REFUSED_FORM = frozenset({400, 415, 422, 500, 501})
"""Status codes with which servers answer a form of question that they do not know."""
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_SAMPLING = ("temperature", "max_tokens")
"""Named in a refusal that is about the sampling options and not about the schema."""
_FIRST_PAUSE_S = 0.5
_MAX_TOKENS = 600
_LARGEST_BYTES = 1_000_000
_LOG = logging.getLogger("raggesture")


def is_configured() -> bool:
    """Whether the environment names a key or a server."""
    return bool(os.environ.get(KEY) or os.environ.get(BASE_URL))


def address() -> str:
    """The server's address without user, password or query."""
    try:
        parts = urlsplit(os.environ.get(BASE_URL) or _DEFAULT_URL)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"the address in {BASE_URL}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _without_key(text: str) -> str:
    key = os.environ.get(KEY) or ""
    text = " ".join(text.split())
    return (text.replace(key, "***") if key else text)[:200]


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to ask: ``response_format`` (None: plain text), and whether sampling options are sent."""

    response_format: Mapping[str, Any] | None
    sampling: bool


def _forms(schema: Mapping[str, Any]) -> tuple[_Form, ...]:
    strict = {"type": "json_schema", "json_schema": {"name": "gestures", "strict": True, "schema": schema}}
    beside = {"type": "json_object", "schema": schema}
    return (_Form(strict, True), _Form(strict, False), _Form(beside, True), _Form({"type": "json_object"}, False), _Form(None, False))


class _Fault(Exception):  # noqa: N818 - it never leaves this module
    """What went wrong with one request: what is said of it, what to do, and whether to try again, and after how long."""

    def __init__(self, found: str, action: str, *, again: bool, pause_s: float | None = None, refused: bool = False) -> None:
        super().__init__(found)
        self.found, self.action, self.again, self.pause_s, self.refused = found, action, again, pause_s, refused


@dataclass(slots=True, eq=False)
class LlmClient:
    """One model on one server; may be asked by several threads.

    ``timeout_s``: for each request, from sending to the last byte. ``max_retries``: further tries after a passing fault.
    ``max_wait_s``: a longer Retry-After is not waited for. ``sleep``: how to wait.
    """

    model: str
    timeout_s: float
    max_retries: int
    max_wait_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    _form: int = 0
    _random: random.Random = field(default_factory=random.Random)

    def ask(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the object that the model answered.

        Raises:
            ServiceError: unreachable, too slow, refusing, or an answer that holds no JSON object, after all tries.
        """
        forms, tries = _forms(schema), 0
        number = self._form
        while True:
            try:
                answer = self._once(messages, forms[number])
                self._form = number
                return answer
            except _Fault as fault:
                if fault.refused and number + 1 < len(forms):
                    _LOG.debug("llm: form %d is refused (%s); asking in a simpler one", number, fault.found)
                    number += 1 if number or any(name in fault.found for name in _SAMPLING) else 2
                    continue
                if not fault.again or tries >= self.max_retries:
                    raise self._error(fault, tries) from fault
                pause_s = self._pause(fault, tries)
            tries += 1
            _LOG.debug("llm: try %d failed; the next one in %.1f s", tries, pause_s)
            self.sleep(pause_s)

    def _pause(self, fault: _Fault, tries: int) -> float:
        if fault.pause_s is not None:
            if fault.pause_s > self.max_wait_s:
                raise self._error(_Fault(f"{fault.found}, asks to wait {fault.pause_s:.0f} s", "wait, or set -R max_wait_s=600", again=False), tries)
            return max(fault.pause_s, 0.0)
        return float(min(_FIRST_PAUSE_S * 2**tries * self._random.uniform(0.8, 1.2), self.max_wait_s))

    def _error(self, fault: _Fault, tries: int) -> ServiceError:
        times = f" ({tries + 1} tries)" if tries else ""
        return ServiceError(
            f"language model at {address()}: {fault.found}{times}; expected a JSON answer of model {self.model!r} - {fault.action}, "
            "or use --retriever gesture-type"
        )

    def _once(self, messages: Sequence[Mapping[str, str]], form: _Form) -> Mapping[str, Any]:
        """One request in one form; every fault becomes a ``_Fault``."""
        import openai

        try:
            return _object_in(self._text_of(self._body(messages, form)))
        except openai.APITimeoutError as fault:
            raise _Fault(f"no answer within {self.timeout_s:g} s", "try again, or allow more with -R timeout_s=60", again=True) from fault
        except openai.APIConnectionError as fault:
            raise _Fault("cannot be reached", f"check the network and {BASE_URL}", again=True) from fault
        except (openai.AuthenticationError, openai.PermissionDeniedError) as fault:
            raise _Fault(f"refused the key (HTTP {fault.status_code})", f"check {KEY}", again=False) from fault
        except openai.APIStatusError as fault:
            raise self._of_status(fault) from fault
        except (openai.OpenAIError, ValueError, RecursionError) as fault:
            raise _Fault(_without_key(str(fault)), "try again or choose another model with -R model=NAME", again=True) from fault
        except Exception as fault:  # the transport breaks in ways of its own in the middle of an answer
            if type(fault).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "h11", "ssl"):
                raise
            raise _Fault(f"broke off ({_without_key(str(fault))})", f"check the network and {BASE_URL}", again=True) from fault

    def _of_status(self, fault: openai.APIStatusError) -> _Fault:
        status = fault.status_code
        if status == 429:
            found, action = "too many requests or no credit left (HTTP 429)", "wait and try again"
        else:
            found, action = f"answered HTTP {status}: {_without_key(fault.message)}", f"check the model {self.model!r} and the server"
        return _Fault(found, action, again=status in _PASSING, pause_s=retry_after(fault.response.headers.get("retry-after")), refused=status in _REFUSED_FORM)

    def _body(self, messages: Sequence[Mapping[str, str]], form: _Form) -> bytes:
        """The bytes of the answer, at most ``_LARGEST_BYTES`` and not after the time-out, however slowly they come."""
        import openai

        options: dict[str, Any] = {"temperature": 0.0, "max_tokens": _MAX_TOKENS} if form.sampling else {}
        if form.response_format is not None:
            options["response_format"] = form.response_format
        url = os.environ.get(BASE_URL) or _DEFAULT_URL
        deadline = time.monotonic() + self.timeout_s
        with openai.OpenAI(api_key=os.environ.get(KEY) or "none", base_url=url, timeout=self.timeout_s, max_retries=0) as client:
            untyped: Any = client.chat.completions.with_streaming_response
            with untyped.create(model=self.model, messages=list(messages), **options) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _LARGEST_BYTES:
                        raise ValueError(f"answered more than {_LARGEST_BYTES // 1_000_000} MB")
                    if time.monotonic() > deadline:
                        raise openai.APITimeoutError(request=answer.http_request)
                return bytes(body)

    def _text_of(self, body: bytes) -> str:
        """The text of a chat completion."""
        try:
            answer = json.loads(body)
        except ValueError as fault:
            raise ValueError(f"answered {_without_key(body[:80].decode('utf-8', 'replace'))!r}, which is no chat completion") from fault
        choices = answer.get("choices") if isinstance(answer, dict) else None
        first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        message = first.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str):
            raise ValueError("answered without a text")
        return content


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header: a number, or an HTTP date counted from ``now``; None where it says nothing."""
    if value is None:
        return None
    try:
        seconds = float(value)
        return seconds if 0 <= seconds < float("inf") else None
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((until - (now or datetime.now(UTC))).total_seconds(), 0.0)


def _object_in(text: str) -> Mapping[str, Any]:
    """The JSON object in a text: the whole text, the first object in it that has ``gestures`` (in a code fence, after talk), else what is whole of a

    list that was cut off.

    Raises:
        ValueError: there is none.
    """
    decoder = json.JSONDecoder()
    found: list[Mapping[str, Any]] = []
    at = text.find("{")
    while at >= 0 and len(found) < 20:
        try:
            value, stop = decoder.raw_decode(text, at)
        except ValueError:
            at = text.find("{", at + 1)
            continue
        if isinstance(value, dict):
            found.append(value)
        at = text.find("{", stop)
    whole = next((each for each in found if "gestures" in each), None)
    if whole is not None:
        return whole
    if '"gestures"' in text and text.lstrip(" `\njson").startswith("{"):
        kept = [each for each in found if {"word", "kind"} <= each.keys()]
        if kept:
            return {"gestures": kept}
    if found and text.strip().startswith("{"):
        return found[0]
    raise ValueError(f"answered {text[:80]!r}, which holds no JSON object")
