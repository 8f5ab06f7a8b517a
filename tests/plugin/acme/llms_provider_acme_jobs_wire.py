"""The exchanges of one job of Acme's, for the conformance suite."""

from dataclasses import replace

from llms_core.testing.wire import Exchange, TokenExample

from llms_provider_acme_wire import WIRE as ACME

WIRE = replace(
    ACME,
    token=TokenExample(whole={"ticket": "$TOKEN", "valid": 600}, path="/ticket", lasts=600),
    exchanges=(
        Exchange(path="/jobs", whole={"id": "7"}),
        Exchange(path="/jobs/7", method="GET", whole={"id": "7"}),
        Exchange(path="/jobs/7", method="GET", whole={"id": "7", "answer": ACME.text.whole}),
    ),
    settings={"pause": 0.01},
)
