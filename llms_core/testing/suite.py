"""The conformance suite for the provider that the command line names. `llms conformance NAME` runs this module."""

from llms_core.testing.conformance import ProviderConformance


class TestProvider(ProviderConformance):
    """All groups, for the provider of `--llms-provider`."""
