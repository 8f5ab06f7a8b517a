"""llms.json as a document in our format, before it is decoded."""

from __future__ import annotations

import msgspec

from llms_core.config.source import RawMembers


class Document(msgspec.Struct, frozen=True):
    """A document in our format, with what our format cannot express of one that was upgraded (llms_py/)."""

    #: the top-level members
    members: RawMembers
    #: why no adapter could be found for a provider, by its id. Such a provider is listed and not used, whereas a block
    #: of ours with an unknown type is an error: llms.py's own file names providers that only its catalogue knows.
    unusable: dict[str, str]
    #: warnings about members that seem to have an effect and have none, by the provider's id. They are of no interest
    #: if the provider is not used anyway, which depends on its key.
    warnings_if_enabled: dict[str, tuple[str, ...]]
    #: whether every client needs a key: llms.py's sign-in, which does not exist here, is enabled
    requires_key: bool = False
