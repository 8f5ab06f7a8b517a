"""Runs the conformance suite of llms-core against Acme."""

from llms_core.testing.conformance import ProviderConformance


class TestAcme(ProviderConformance):
    provider = "acme"


class TestAcmeJobs(ProviderConformance):
    provider = "acme-jobs"
