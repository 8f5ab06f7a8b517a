from llms_core.testing.conformance import ProviderConformance


class TestAcme(ProviderConformance):
    provider = "acme"
