"""A chat completion request: a validated view, beside each member's bytes as the client wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from llms_core.contracts.content import Part, is_remote_or_inline
from llms_core.errors import RequestError

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class Message(msgspec.Struct):
    """One message. What is not named here stays in the raw members and goes upstream untouched.

    `provider_extra` is what an adapter gave a client with an answer, for the client to send back as it is: signatures
    of reasoning and the like, by the adapter's name.
    """

    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Raw] | None = None
    tool_call_id: str | None = None
    reasoning_content: Any = None
    provider_extra: dict[str, Any] | None = None


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct):
    """`response_format`: `text`, `json_object` or `json_schema`."""

    type: str


class ChatRequest(msgspec.Struct):
    """The members of a request that are checked; bounds are OpenAI's. `null` means absent."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: str | None = None
    enable_thinking: bool | None = None
    response_format: ResponseFormat | None = None
    tools: list[Raw] | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream is to end with a chunk of usage (SR-055)."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def token_limit(self) -> int | None:
        """The limit of the answer in tokens, whichever way it was spelt (SR-014)."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens


Members = dict[str, Raw]


class ChatCall(msgspec.Struct, kw_only=True):
    """A request as one candidate gets it: an adapter's whole input.

    `members` are the request's top-level members as bytes, with the provider's defaults applied and `model` already
    the provider's own id; they are this call's alone. `request` is the same, as a view. `name` is the model name that
    the client sees; `id` and `created` (Unix seconds) are there for adapters whose provider gives none.
    """

    request: ChatRequest
    members: Members
    model: str
    name: str
    id: str
    created: int

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        return bool(self.request.stream)

    def get(self, name: str) -> Any:
        """A member decoded, for those that `request` does not have; None where it is absent or null."""
        raw = self.members.get(name)
        return None if raw is None else msgspec.json.decode(raw)


_request = msgspec.json.Decoder(ChatRequest)
_members = msgspec.json.Decoder(Members)
_OTHERWISE = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}  # the same limit (SR-014)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_LOCATION = re.compile(r"^(.*) - at `(?:key in )?\$\.?(.*)`$", re.DOTALL)


def decode(body: bytes) -> tuple[ChatRequest, Members]:
    """Read a request's body once as a checked view and once as raw members.

    Raises RequestError (400) naming the member at fault (SR-010 … SR-030, SR-039).
    """
    try:
        request = _request.decode(body)
        members = _members.decode(body)
        body.decode()  # what stays raw is not checked for UTF-8 by msgspec
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"The request body is not valid JSON: {error}", code="invalid_json") from None
    except RecursionError:
        raise RequestError("The request body is nested too deeply", code="invalid_json") from None
    _refuse_local_paths(request)
    return request, members


def effective(
    request: ChatRequest, members: Members, defaults: Mapping[str, Raw], force: Mapping[str, Raw]
) -> ChatRequest:
    """Apply a provider's `defaults` (the client wins) and `force` to `members` in place; the view of the outcome."""
    added = False
    for name, value in defaults.items():
        if not any(bytes(members.get(said, b"null")) != b"null" for said in (name, _OTHERWISE.get(name, name))):
            members[name] = value
            added = True
    for name, value in force.items():
        members.pop(_OTHERWISE.get(name, ""), None)
        members[name] = value
        added = True
    return _request.decode(msgspec.json.encode(members)) if added else request


def _invalid(text: str) -> RequestError:
    """msgspec's `… - at `$.messages[0].role`` as a message and a `param`."""
    found = _LOCATION.match(text)
    message, param = found.groups() if found else (text, "")
    if missing := _MISSING.match(message):
        param = f"{param}.{missing[1]}" if param else missing[1]
        return RequestError(f"Missing required parameter: '{param}'", param=param, code="missing_required_parameter")
    if not param:
        return RequestError(f"The request body must be a JSON object: {message}")
    return RequestError(f"Invalid value for '{param}': {message}", param=param, code="invalid_value")


def _refuse_local_paths(request: ChatRequest) -> None:
    for i, message in enumerate(request.messages):
        if isinstance(message.content, list):
            for j, part in enumerate(message.content):
                for member, value, base64_allowed in part.references():
                    if not is_remote_or_inline(value, base64_allowed):
                        param = f"messages[{i}].content[{j}].{member}"
                        raise RequestError(
                            f"Invalid value for '{param}': expected an http(s) URL or inline data; "
                            "local files are not read over HTTP",
                            param=param,
                            code="invalid_value",
                        )
