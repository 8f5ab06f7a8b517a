"""A model that llama.cpp runs in a child process of the gateway, as a provider."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated
from weakref import WeakSet

import msgspec
from msgspec import Meta, Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.request import ChatCall
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_providers.local.child import Child, Options, Running
from llms_providers.local.weights import find_weights, missing_requirement

# These are off although llama.cpp accepts the parameters.
CAPABILITIES = Capabilities(
    # The model's chat template has no place for tools: they would be ignored silently.
    tools=False,
    # llama.cpp counts the tokens of one choice only, and repeats the usage of a stream for each choice.
    n=False,
    # A whole answer repeats the text to be continued, a stream does not.
    prefill=False,
    # The model reads text only.
    vision=False,
    audio=False,
    files=False,
)

#: Tokens of an answer of the demo model, if the client sets no limit: now and then it repeats itself without end.
_DEMO_LIMIT = Raw(b"1024")

_ANY_OBJECT = Raw(
    b'{"type":"json_schema","json_schema":{"name":"object","schema":{"type":"object"}}}'
)


class LocalSettings(ProviderSettings, kw_only=True):
    """A block of the type `local` needs nothing but `llms local pull`, or a model of your own (`gguf`)."""

    #: path of a GGUF file; empty for the demo model
    gguf: Annotated[str, Meta(examples=["/models/qwen3.gguf"])] = ""
    #: The threads of llama.cpp. More than one are only faster on a machine that has little else to do.
    threads: Annotated[int, Meta(ge=1)] = 1
    #: the tokens of prompts and answers together; shared by all requests that run at the same time
    context: Annotated[int, Meta(ge=256)] = 8192
    #: how many requests run at the same time; others wait
    parallel: Annotated[int, Meta(ge=1)] = 4
    #: how long the start may take
    start_timeout: Annotated[float, Meta(gt=0, extra={"unit": "seconds"})] = 60.0


# The children of this process, and the adapters that use each. Adapters with equal options share one, so that a model
# keeps running across a reload of llms.json that does not change its settings. The references are weak: an adapter
# that was never closed counts until it is garbage-collected.
_children: dict[Options, tuple[Child, WeakSet[LocalModel]]] = {}
_children_lock = threading.Lock()


class LocalModel(OpenAICompatible):
    """An OpenAI-compatible provider whose server is a child process of this one."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        super().__init__(spec, settings)
        options = self.options_of(settings)
        self.options = options
        find_gguf = self.find_gguf
        # The child whose address and key this adapter has; another one after a restart.
        self._connected: Running | None = None
        with _children_lock:
            if options not in _children:
                # The function must not refer to this adapter: it would keep it alive as long as the child.
                child = Child(options, lambda: find_gguf(options.gguf))
                _children[options] = (child, WeakSet[LocalModel]())
            self.child, users = _children[options]
            users.add(self)

    def options_of(self, settings: ProviderSettings) -> Options:
        """Return how to run the model."""
        return msgspec.convert(settings, Options, from_attributes=True)

    @staticmethod
    def find_gguf(gguf: str) -> Path:
        """Return the file to run. Raises ProviderError if it, or llama.cpp, is missing."""
        missing = missing_requirement(gguf)
        path = find_weights(gguf)
        if missing is not None or path is None:
            raise ProviderError(ErrorKind.NETWORK, f"The local model cannot be started: {missing}")
        return path

    def available(self) -> str | None:
        """Return what is missing and how to install it, or None. Only looks for files; imports nothing native."""
        return missing_requirement(self.options.gguf)

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        headers = super().headers()
        # A new connection for each request: llama.cpp closes one after a stream without announcing it, and the next
        # request on it would fail.
        headers["connection"] = "close"
        return headers

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request, with `json_object` expressed as a JSON schema, and a limit for the demo model."""
        members: dict[str, Raw] = {}
        if not self.options.gguf and call.request.token_limit is None:
            members["max_tokens"] = _DEMO_LIMIT
        response_format = call.request.response_format
        if response_format is not None and response_format.type == "json_object":
            # Many versions of llama.cpp ignore `json_object` silently, but follow a schema that allows any object.
            members["response_format"] = _ANY_OBJECT
        if members:
            call = msgspec.structs.replace(call, body=call.body.with_members(members))
        return super().request(call)

    async def prepare(self) -> None:
        """Start the child if it does not run. Raises ProviderError if it cannot start or has died too often lately."""
        running = self.child.running
        if running is None:
            import asyncio

            running = await asyncio.wrap_future(self.child.start())
        if running is not self._connected:
            self._connected = running
            self.base_url = running.base_url
            self.api_key = running.key

    async def aclose(self) -> None:
        """Stop using the child; its last user ends it."""
        import asyncio

        if self._release_child():
            await asyncio.to_thread(self.child.close)

    def _release_child(self) -> bool:
        """Unregister this adapter, and return whether the child has no user left."""
        with _children_lock:
            if self.options not in _children:
                return False
            child, users = _children[self.options]
            users.discard(self)
            # After a close, another adapter may have registered a new child with the same options.
            if child is not self.child or users:
                return False
            del _children[self.options]
            return True
