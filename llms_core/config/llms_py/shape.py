"""The members of llms.py's files that our format does not have. llms.schema.json is made from these structs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from llms_core.config.conversion_shape import Conversions
from llms_core.config.shape import Defaults, File, ProviderBlock, RequestLimits


class LlmsPyBlock(ProviderBlock, kw_only=True):
    """A provider. The order of the blocks is the order in which providers are tried."""

    npm: Annotated[
        str | None,
        Meta(
            description="llms.py 3: the adapter, in place of `type`.",
            examples=["@ai-sdk/openai-compatible"],
        ),
    ] = None
    name: Annotated[str | None, Meta(description="The display name; not used.")] = None
    doc: Annotated[
        str | None, Meta(description="The URL of the provider's documentation; not used.")
    ] = None
    safety_settings: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="Used by adapters that have this setting."),
    ] = None
    thinking_config: Annotated[
        dict[str, Any] | None, Meta(description="Used by adapters that have this setting.")
    ] = None
    speech_config: Annotated[
        dict[str, Any] | None, Meta(description="Used by adapters that have this setting.")
    ] = None
    stream: Annotated[bool | None, Meta(description="Not used: the client chooses.")] = None
    curl: Annotated[bool | None, Meta(description="Not used.")] = None
    modalities: Annotated[
        dict[str, Any] | None, Meta(description="llms.py 3: image and audio; not used.")
    ] = None
    server_tools: Annotated[
        list[Any] | None, Meta(description="llms.py 3: the provider's own tools; not used.")
    ] = None


class LlmsPyLimits(RequestLimits, kw_only=True):
    """Limits of a request."""

    stream_checkpoint_interval: Annotated[Any, Meta(description="Not used.")] = None
    max_iterations: Annotated[Any, Meta(description="Not used.")] = None


class Auth(msgspec.Struct, kw_only=True):
    """llms.py's sign-in, which is not supported. If it is enabled, clients need a key of plugins.toml instead."""

    enabled: bool = False
    github: dict[str, Any] | None = None


class LlmsPyDefaults(Defaults, kw_only=True):
    """What applies to every provider. Further chat templates may have any name; they are not used."""

    limits: LlmsPyLimits | None = None
    convert: Annotated[
        Conversions | None, Meta(description="The same as `convert` at the top level.")
    ] = None
    events: Annotated[dict[str, Any] | None, Meta(description="llms.py 3; not used.")] = None
    voice: Annotated[dict[str, Any] | None, Meta(description="llms.py 3; not used.")] = None


class LlmsPyFile(File, kw_only=True):
    """llms.json: which providers and models there are, in which order they are tried, and with which keys."""

    version: Annotated[
        int | None,
        Meta(description="3 for files of llms.py 3 and 4; absent from all others."),
    ] = None
    providers: Annotated[
        Mapping[str, LlmsPyBlock],
        Meta(description="The providers by id, in the order in which they are tried."),
    ] = msgspec.field(default_factory=dict)
    defaults: LlmsPyDefaults | None = None
    limits: LlmsPyLimits | None = None
    auth: Auth | None = None
    disable_extensions: Annotated[list[Any] | None, Meta(description="llms.py 3; not used.")] = None
    loading: Annotated[list[Any] | None, Meta(description="llms.py 3; not used.")] = None
