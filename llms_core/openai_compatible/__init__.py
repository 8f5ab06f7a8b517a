"""The base of every adapter whose provider speaks OpenAI's JSON.

Subclass OpenAICompatible and register a ProviderSpec with it, or register a spec with `adapter=OpenAICompatible` and no
code at all. Every member of an answer is passed on as the provider wrote it; only what departs from OpenAI's contract
is normalized.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.completion import Completion, CompletionView, Usage, usage
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.contracts.error_body import describes_error
from llms_core.contracts.json import ABSENT, UNREADABLE, decode_members, encode_raw, is_set
from llms_core.contracts.native import RESPONSES, NativeRequest, with_model
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.errors import ErrorKind, OtherProtocol, ProviderError, Unsupported
from llms_core.openai_compatible.conversation import Conversation
from llms_core.openai_compatible.fast_path import plain_completion
from llms_core.openai_compatible.function_names import (
    RestoredChunks,
    rename_functions,
    renamed_call,
    renamed_functions,
    restored,
    restored_completion,
)
from llms_core.openai_compatible.members import (
    COMPLETION,
    count_logprobs,
    normalized_created,
    normalized_id,
    with_include_usage,
    with_parameters,
    with_total_tokens,
)
from llms_core.openai_compatible.native import PROTOCOLS, endpoints_at
from llms_core.openai_compatible.normalize import is_nonconforming, normalized, repeats_ids
from llms_core.openai_compatible.other_operations import OPENAI_PATHS, OtherOperations
from llms_core.openai_compatible.protocol import (
    NO_EARLIER_REASONING,
    NO_ENCRYPTED_REASONING,
    NO_SUMMARY,
    after_refusal,
    after_refused_original,
    speaks_responses,
)
from llms_core.openai_compatible.responses import (
    Options,
    ResponseChunks,
    build_body,
    owner_of,
    read_completion,
)
from llms_core.openai_compatible.stream import OpenAIChunks
from llms_core.provider import (
    ANY_MEMBER,
    ChunkTranslator,
    LiteLLMNames,
    NativeEndpoint,
    ProviderSettings,
    ProviderSpec,
    RequestRules,
    UpstreamRequest,
)

__all__ = ["OPENAI_PATHS", "OpenAIChunks", "OpenAICompatible"]

_decode_view = msgspec.json.Decoder(CompletionView).decode
_encode = msgspec.json.encode


class OpenAICompatible(OtherOperations):
    """The adapter for providers with OpenAI's chat completions API, or its Responses API.

    Every method may be overridden.
    """

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        super().__init__(spec, settings)
        self._conversation = Conversation(spec.rules)

    @cached_property
    def _native_endpoints(self) -> Mapping[str, NativeEndpoint]:
        return endpoints_at(self.spec, self.settings, self.base_url)

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the client's members unchanged, except for the model and what the spec's data says of the provider.

        If the model needs the Responses API, the request is translated to it. Raises Unsupported for a file that the
        provider cannot read, or for what the Responses API cannot do.
        """
        if self.speaks_responses(call):
            return self._responses_request(call)
        members = call.body.copy_members()
        dropped = self._drop(members)
        self._rename(members, call.upstream_model)
        members["messages"], lost = self._conversation.rewritten(call.request, members["messages"])
        names = renamed_functions(call)
        if names is not None:
            rename_functions(members, names)
        rules = self.spec.rules
        if rules.tool_parameters and call.request.tools:
            members["tools"] = with_parameters(members["tools"])
        if rules.logprobs_number:
            count_logprobs(members)
        members["model"] = Raw(_encode(call.upstream_model))
        if call.stream and self.spec.capabilities.stream_usage:
            members["stream_options"] = with_include_usage(members.get("stream_options", ABSENT))
        return UpstreamRequest(
            url=f"{self.base_url}{self.path}",
            headers=self.headers(),
            content=_encode(members),
            dropped=(*dropped, *lost) if lost else dropped,
        )

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return the provider's completion, normalized and with the model's name for clients.

        Raises ProviderError if the body is an error or not a completion.
        """
        names = renamed_functions(call)
        if self.speaks_responses(call):
            completion = read_completion(call, body, self._owner(call), self._error_in_answer)
            if names is None:
                return completion
            return restored_completion(completion, names)
        try:
            members = decode_members(body)
            body.decode()  # msgspec does not check the UTF-8 of values that stay raw
            plain = plain_completion(body)
            if plain is None or repeats_ids(plain.choices, call):
                counts = self._normalize(call, body, members)
            else:
                counts = plain.token_usage()
        except UNREADABLE as error:
            raise self._not_a_completion(body, str(error)) from None
        if names is not None:
            members["choices"] = restored(members["choices"], names)
        members["model"] = Raw(_encode(call.client_model))
        members["object"] = COMPLETION
        return Completion(_encode(members), counts)

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        """Return a translator for one stream."""
        if self.speaks_responses(call):
            chunks = ResponseChunks(call, self._owner(call), self._error_in_answer)
            names = renamed_functions(call)
            if names is None:
                return chunks
            return RestoredChunks(chunks, names)
        return OpenAIChunks(self, call)

    def native_endpoint(self, protocol: str, model: str) -> NativeEndpoint | None:
        """Return where a model is offered in another protocol; None if it is not."""
        if protocol == RESPONSES:
            return self._responses_endpoint()
        return self._native_endpoints.get(protocol)

    def passes_through(self, native: NativeRequest, model: str) -> bool:
        """Whether the provider takes a request of another protocol as the client wrote it."""
        if self.native_endpoint(native.protocol, model) is None:
            return False
        protocol = PROTOCOLS.get(native.protocol)
        return protocol is not None and protocol.accepts(native, model)

    def native_request(self, call: ChatCall, native: NativeRequest) -> UpstreamRequest:
        """Return the client's request with this provider's model and key."""
        protocol = PROTOCOLS[native.protocol]
        endpoint = self.native_endpoint(native.protocol, call.upstream_model)
        if endpoint is None:
            raise Unsupported(f"The provider does not speak the protocol '{native.protocol}'")
        headers = {**protocol.headers(native), **self.headers()}
        if endpoint.key_header != "authorization" and self.api_key is not None:
            headers.pop("authorization", None)
            headers[endpoint.key_header] = self.api_key.reveal()
        return UpstreamRequest(
            url=endpoint.url,
            headers=headers,
            content=with_model(protocol.body(native.body), call.upstream_model),
        )

    def native_completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return an answer in the client's protocol as it is. Raises ProviderError if it is an error or not one."""
        return PROTOCOLS[_protocol_of(call)].completion(call, body, self._error_in_answer)

    def native_chunks(self, call: ChatCall) -> ChunkTranslator:
        """Return a reader for one stream in the client's protocol."""
        return PROTOCOLS[_protocol_of(call)].chunks(call, self._error_in_answer)

    def speaks_responses(self, call: ChatCall) -> bool:
        """Whether a call is made by the Responses API."""
        return speaks_responses(call, self.spec.rules, self.settings.protocol) and bool(
            self.responses_url()
        )

    def responses_url(self) -> str:
        """Return the URL of the Responses API; empty if the provider has none."""
        _, _, query = self.path.partition("?")
        known = self._native_endpoints.get(RESPONSES)
        url = f"{self.base_url}/responses" if known is None else known.url
        return f"{url}?{query}" if query else url

    def other_protocol(self, call: ChatCall, error: ProviderError) -> OtherProtocol | None:
        """Return how to make a call that was refused because of the API by which it was made."""
        is_fixed = bool(self.settings.protocol)
        if call.native is not None:
            endpoint = self.native_endpoint(call.native.protocol, call.upstream_model)
            is_complete = endpoint is not None and endpoint.complete
            return after_refused_original(call, error, is_complete=is_complete, is_fixed=is_fixed)
        if not self.responses_url():
            return None
        return after_refusal(
            call, error, is_responses=self.speaks_responses(call), is_fixed=is_fixed
        )

    def _responses_endpoint(self) -> NativeEndpoint | None:
        """Where the Responses API is, for requests that its clients wrote; None if it is not known to be there."""
        known = self.spec.native.get(RESPONSES)
        if self.settings.protocol == RESPONSES and known is None:
            known = NativeEndpoint("/responses")
        url = self.responses_url()
        if known is None or not url or self.settings.protocol not in ("", RESPONSES):
            return None
        return msgspec.structs.replace(known, url=url)

    def _error_in_answer(self, body: bytes) -> ProviderError:
        return self.error(200, {}, body)

    def responses_body(self, call: ChatCall) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the body of a request to the Responses API, and the names of the parameters that it leaves out."""
        rules = self.spec.rules
        words = call.protocol.split()
        options = Options(
            drop=self.spec.drop,
            open=ANY_MEMBER in rules.members,
            developer=rules.developer,
            summary=NO_SUMMARY not in words,
            encrypted=NO_ENCRYPTED_REASONING not in words,
            earlier_reasoning=NO_EARLIER_REASONING not in words,
        )
        names = renamed_functions(call)
        if names is not None:
            call = renamed_call(call, names)
        return build_body(call, self._owner(call), options)

    def _responses_request(self, call: ChatCall) -> UpstreamRequest:
        body, dropped = self.responses_body(call)
        return UpstreamRequest(
            url=self.responses_url(),
            headers=self.headers(),
            content=_encode(body),
            dropped=dropped,
        )

    def _owner(self, call: ChatCall) -> Owner:
        return owner_of(self.settings.id, call.upstream_model)

    def _normalize(self, call: ChatCall, body: bytes, members: dict[str, Raw]) -> Usage | None:
        """Normalize the members of a completion in place and return its usage.

        Raises ProviderError if the body is an error or has no choices, and one of UNREADABLE if it cannot be decoded.
        """
        view = _decode_view(body)
        if is_set(view.error):
            raise self.error(200, {}, body)
        if not view.choices:
            raise self._not_a_completion(body, "it has no choices")
        members["id"] = normalized_id(view.id, call.id)
        members["created"] = normalized_created(view.created, call.created)
        if any(map(is_nonconforming, view.choices)) or repeats_ids(view.choices, call):
            members["choices"] = encode_raw(normalized(members["choices"], AnswerCallIds(call)))
        counts = usage(view.usage)
        if counts is not None:
            members["usage"] = with_total_tokens(view.usage, counts)
        return counts

    def _not_a_completion(self, body: bytes, reason: str) -> ProviderError:
        """Return the error for a 2xx answer that is not a completion."""
        # Some providers send their errors with status 200.
        error = self.error(200, {}, body)
        if error.kind is not ErrorKind.BAD_RESPONSE or describes_error(body):
            return error
        return ProviderError(
            ErrorKind.BAD_RESPONSE, f"The answer is not a chat completion: {reason}", status=200
        )


def _protocol_of(call: ChatCall) -> str:
    return "" if call.native is None else call.native.protocol


OPENAI_RULES = RequestRules(
    members=frozenset({"name", "assistant.refusal", "assistant.audio", "assistant.annotations"}),
    developer=True,
    # Longer ids are answered with "string too long".
    tool_call_id="(?s:.{1,40})",
    # The reasoning models refuse `max_tokens`, and all others take the newer name, too.
    max_completion_tokens=("*",),
    # All of its models that reason, but not those of ChatGPT (`gpt-5-chat-latest`), nor the pro models: they have one
    # effort, or none.
    reasoning_effort=(
        "o[1-9]*",
        "codex*",
        "gpt-[5-9]",
        "gpt-[5-9]-[!cp]*",
        "gpt-[5-9]-codex*",
        "gpt-[5-9].[0-9]",
        "gpt-[5-9].[0-9]-[!cp]*",
        "gpt-[5-9].[0-9]-codex*",
    ),
    # Each of these models names the Responses API as its only endpoint.
    responses=(
        "*codex*",
        "o1-pro*",
        "o3-pro*",
        "gpt-[5-9]*-pro*",
        "*deep-research*",
        "computer-use-preview*",
    ),
    # "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions."
    responses_for_tools=("gpt-5.[4-9]*", "gpt-[6-9]*"),
)
"""What OpenAI itself accepts, at whichever address."""


OPENAI_EMBEDDINGS = EmbeddingRules(tokens=True, dimensions="dimensions", base64=True)
"""What OpenAI itself accepts in requests for embeddings."""


OPENAI_COMPATIBLE = ProviderSpec(
    name="openai-compatible",
    title="Any OpenAI-compatible server",
    litellm=LiteLLMNames(
        names=("custom_openai", "litellm_proxy", "llamafile", "openai_like", "xinference")
    ),
    docs="https://platform.openai.com/docs/api-reference/chat",
    adapter=OpenAICompatible,
    # A server on the own machine or network often needs none. A configured key is sent.
    needs_key=False,
    paths=OPENAI_PATHS,
    embeddings=OPENAI_EMBEDDINGS,
    # What such a server documents is not known: the client's role is passed on.
    rules=RequestRules(developer=True),
    # The names in files of llms.py: those of version 2, then those of versions 3 and 4.
    aliases=(
        "OpenAiProvider",
        "OpenAiCompatible",
        "openai_compatible",
        "@ai-sdk/openai-compatible",
        "llms-sdk-provider",
    ),
)
"""The type of any OpenAI-compatible server. It is available even if no plugin is."""
