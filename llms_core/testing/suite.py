"""The conformance suite for the provider that the command line names; `llms conformance NAME` runs it."""

from llms_core.testing.conformance import ProviderConformance


class TestProvider(ProviderConformance):
    """Every group, for `--llms-provider`."""
