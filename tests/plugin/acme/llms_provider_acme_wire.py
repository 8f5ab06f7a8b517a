"""Example answers of Acme, and what each one means in OpenAI's terms, for the conformance suite."""

from llms_core import ErrorKind
from llms_core.testing.wire import Call, EmbeddingExample, Example, Failure, Meaning, Wire

PARIS = Call(name="get_weather", arguments={"city": "Paris"})
OSLO = Call(name="get_time", arguments={"at": "Oslo"})

# The same calls in Acme's protocol.
ACME_PARIS = {"ref": "c-1", "tool": "get_weather", "with": {"city": "Paris"}}
ACME_OSLO = {"ref": "c-2", "tool": "get_time", "with": {"at": "Oslo"}}

WIRE = Wire(
    text=Example(
        whole={"say": "Grüße, Welt! 🌍", "end": "done", "spent": [9, 7]},
        events=[
            {"say": "Grüße"},
            {"say": ", Welt"},
            {"say": "! 🌍"},
            {"end": "done", "spent": [9, 7]},
        ],
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole={"say": "Grüße, We", "end": "full", "spent": [9, 2]},
        events=[{"say": "Grüße"}, {"say": ", We"}, {"end": "full", "spent": [9, 2]}],
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    tool_call=Example(
        whole={"calls": [ACME_PARIS], "end": "calls", "spent": [31, 12]},
        events=[{"calls": [ACME_PARIS]}, {"end": "calls", "spent": [31, 12]}],
        means=Meaning(calls=(PARIS,), finish_reason="tool_calls"),
        usage=(31, 12),
    ),
    parallel_calls=Example(
        whole={"calls": [ACME_PARIS, ACME_OSLO], "end": "calls", "spent": [31, 25]},
        events=[{"calls": [ACME_PARIS]}, {"calls": [ACME_OSLO]}, {"end": "calls", "spent": [31, 25]}],
        means=Meaning(calls=(PARIS, OSLO), finish_reason="tool_calls"),
        usage=(31, 25),
    ),
    blocked=Example(
        whole={"say": "I", "end": "refused", "spent": [9, 1]},
        events=[{"say": "I"}, {"end": "refused", "spent": [9, 1]}],
        means=Meaning(text="I", finish_reason="content_filter"),
        usage=(9, 1),
    ),
    embeddings=EmbeddingExample(
        whole={"places": [[0.25, -0.5, 1e-3], [1, 0, 0]], "spent": [12, 0]},
        vectors=[[0.25, -0.5, 1e-3], [1, 0, 0]],
        tokens=12,
    ),
    failures=(
        Failure(400, {"oops": ["too_hot", "The heat must not exceed 2"]}),
        Failure(401, {"oops": ["stranger", "The key is invalid"]}),
        Failure(429, {"oops": ["slow", "Too many requests per minute"]}),
        Failure(429, {"oops": ["broke", "The balance is used up"]}, ErrorKind.QUOTA),
        Failure(500, {"oops": ["jam", "The machine is jammed"]}),
    ),
    stream_failures=({"oops": ["jam", "The machine is jammed"]},),
    ignored=({"tick": 7},),
    framing="ndjson",
    auth=frozenset({"x-acme-key"}),
)
