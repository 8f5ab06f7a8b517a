"""A provider and an observer of requests."""

import logging
import os

from llms_core import hookimpl
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec
from llms_core.records import RequestRecord

log = logging.getLogger("llms.acme")


@hookimpl
def llms_providers() -> list[ProviderSpec]:
    """Add the type `acme`."""
    return [
        ProviderSpec(
            name="acme",
            title="Acme",
            adapter=OpenAICompatible,
            base_url=os.environ.get("ACME_BASE_URL", "https://api.acme.example/v1"),
            needs_key=False,
        )
    ]


@hookimpl
def llms_request_finished(record: RequestRecord) -> None:
    """Write who answered, and how long it took."""
    tokens = record.usage.completion_tokens if record.usage else "unknown"
    log.warning(
        "%s by %s in %.1f s: %s tokens", record.model, record.provider, record.duration, tokens
    )
