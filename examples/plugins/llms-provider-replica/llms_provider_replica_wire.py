"""What Replica replies, for the conformance suite: a job is created, runs, and is done."""

from typing import Any

from llms_core import ErrorKind
from llms_core.testing.wire import Example, Exchange, Failure, Meaning, Wire

JOB = "/predictions/1"


def job(status: str, **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "urls": {"get": f"$BASE{JOB}", "cancel": f"$BASE{JOB}/cancel"},
        **more,
    }


WIRE = Wire(
    text=Example(whole=b"", means=Meaning(text="Grüße, Welt!"), usage=(9, 4)),
    exchanges=(
        Exchange(path="/predictions", whole=job("starting")),
        Exchange(path=JOB, method="GET", whole=job("processing")),
        Exchange(
            path=JOB,
            method="GET",
            whole=job(
                "succeeded",
                output=["Grüße", ", Welt!"],
                metrics={"input_token_count": 9, "output_token_count": 4},
            ),
        ),
    ),
    # A job that fails has status 200, too.
    failures=(Failure(200, job("failed", error="out of memory"), ErrorKind.OVERLOADED),),
    settings={"poll": 0.01},
)
