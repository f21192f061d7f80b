"""Asking a language model for one JSON answer: schema or plain JSON, time-outs, and one clear error whatever goes wrong.

The key comes from the environment alone and appears in no message. A server that refuses ``json_schema`` (llama-cpp-python
answers 500) is asked again for a plain ``json_object``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from raggesture.errors import ServiceError

if TYPE_CHECKING:
    import openai

KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"
_DEFAULT_URL = "https://api.openai.com/v1"
_REFUSED_FORMAT = frozenset({400, 404, 415, 422, 500, 501})
"""Status codes with which servers answer a response format that they do not know."""
_MAX_TOKENS = 600


def is_configured() -> bool:
    """Whether the environment names a key or a server."""
    return bool(os.environ.get(KEY) or os.environ.get(BASE_URL))


def _address() -> str:
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


@dataclass(slots=True, eq=False)
class LlmClient:
    """One model on one server. ``plain`` is set once the server has refused a schema."""

    model: str
    timeout_s: float
    max_retries: int
    plain: bool = False

    def ask(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the object that the model answered.

        Raises:
            ServiceError: unreachable, too slow, refusing, or an answer that is no JSON object.
        """
        import openai

        try:
            return _parse(self._complete(messages, schema))
        except openai.APITimeoutError as fault:
            self._fail(f"no answer within {self.timeout_s:g} s", "try again, or allow more with -R timeout_s=60", fault)
        except openai.APIConnectionError as fault:
            self._fail("cannot be reached", f"check the network and {BASE_URL}", fault)
        except (openai.AuthenticationError, openai.PermissionDeniedError) as fault:
            self._fail(f"refused the key (HTTP {fault.status_code})", f"check {KEY}", fault)
        except openai.RateLimitError as fault:
            self._fail("too many requests or no credit left (HTTP 429)", "wait and try again", fault)
        except openai.APIStatusError as fault:
            self._fail(f"answered HTTP {fault.status_code}: {_without_key(fault.message)}", f"check the model {self.model!r} and the server", fault)
        except (openai.OpenAIError, ValueError) as fault:
            self._fail(_without_key(str(fault)), "try again or choose another model with -R model=NAME", fault)

    def _fail(self, found: str, action: str, fault: Exception) -> NoReturn:
        raise ServiceError(
            f"language model at {_address()}: {found}; expected a JSON answer of model {self.model!r} - {action}, or use --retriever gesture-type"
        ) from fault

    def _complete(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
        import openai

        client = openai.OpenAI(
            api_key=os.environ.get(KEY) or "none", base_url=os.environ.get(BASE_URL) or _DEFAULT_URL, timeout=self.timeout_s, max_retries=self.max_retries
        )
        with client:
            if not self.plain:
                strict = {"type": "json_schema", "json_schema": {"name": "gestures", "strict": True, "schema": schema}}
                try:
                    return self._once(client.with_options(max_retries=0), messages, strict, temperature=0.0)
                except openai.APITimeoutError:
                    raise
                except openai.APIStatusError as fault:
                    if fault.status_code in (401, 403):
                        raise
                    self.plain = fault.status_code in _REFUSED_FORMAT
                except openai.APIConnectionError:
                    pass  # once more below, with the client's retries
                if not self.plain:
                    return self._once(client, messages, strict, temperature=0.0)
            return self._once(client, messages, {"type": "json_object", "schema": schema}, temperature=None)

    def _once(self, client: openai.OpenAI, messages: Sequence[Mapping[str, str]], form: Mapping[str, Any], temperature: float | None) -> str:
        """One request. Only the first form sends sampling options: some servers refuse them."""
        import openai

        options: Any = {} if temperature is None else {"temperature": temperature, "max_tokens": _MAX_TOKENS}
        untyped: Any = client.chat.completions
        answer = untyped.create(model=self.model, messages=list(messages), response_format=form, **options)
        choices = getattr(answer, "choices", None)
        content = choices[0].message.content if choices and choices[0].message is not None else None
        if not isinstance(content, str):
            raise openai.OpenAIError("answered without a text")
        return content


def _parse(text: str) -> Mapping[str, Any]:
    """The JSON object in a text, also inside a code fence; ValueError if there is none."""
    first, last = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[first : last + 1]) if 0 <= first < last else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"answered {text[:80]!r}, which holds no JSON object")
    return value
