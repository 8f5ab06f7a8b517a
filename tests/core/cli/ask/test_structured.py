"""`--schema`: the answer is JSON that fits."""

from __future__ import annotations

import json

import pytest
from command_line import CommandLine

from llms_core.testing import ScriptedUpstream, completion

SCHEMA = {
    "title": "A person!",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
ANN = '{"name": "Ann", "age": 3}'


@pytest.fixture
def schema(asking: CommandLine) -> str:
    (asking.folder / "person.json").write_text(json.dumps(SCHEMA))
    return "person.json"


@pytest.mark.parametrize("answer", [ANN, f"```json\n{ANN}\n```\n", f"```\n{ANN}\n```"])
def test_an_answer_that_fits_is_printed(
    asking: CommandLine, upstream: ScriptedUpstream, schema: str, answer: str
) -> None:
    """The provider is asked for it, and models that put JSON into a block of Markdown are understood."""
    upstream.script(completion(answer))
    done = asking.run("Who?", "--schema", schema)
    assert (done.returncode, done.stdout) == (0, f"{ANN}\n")
    assert upstream.requests[0].json["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "A_person_", "schema": SCHEMA, "strict": True},
    }


def test_a_schema_on_the_command_line(asking: CommandLine, upstream: ScriptedUpstream) -> None:
    """Optional properties do not fit OpenAI's strict mode, so it is not requested."""
    upstream.script(completion('{"a": 1}'))
    given = {"type": "object", "properties": {"a": {"type": "number"}}}
    done = asking.run("Who?", "--schema", json.dumps(given))
    assert (done.returncode, done.stdout) == (0, '{"a": 1}\n')
    sent = upstream.requests[0].json["response_format"]["json_schema"]
    assert sent == {"name": "answer", "schema": given, "strict": False}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ('{"name": "Ann", "age": -3}', "['age']: -3 is less than the minimum of 0"),
        ('{"name": "Ann"}', "the answer: 'age' is a required property"),
        ("Ann is three", "it is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_the_model_is_told_once_what_is_wrong(
    asking: CommandLine, upstream: ScriptedUpstream, schema: str, wrong: str, reason: str
) -> None:
    upstream.script(completion(wrong), completion(ANN))
    done = asking.run("Who?", "--schema", schema, "--usage")
    assert (done.returncode, done.stdout) == (0, f"{ANN}\n")
    assert done.stderr.count("first: up-m") == 2
    question, answer, correction = upstream.requests[1].json["messages"]
    assert (question["content"], answer["content"]) == ("Who?", wrong)
    assert reason in correction["content"]
    # The log has the conversation as if the model had been right at once.
    [turn] = json.loads(
        asking.run("log", "--json", json.loads(asking.run("log", "--json").stdout)[0]["id"]).stdout
    )["turns"]
    assert (turn["prompt"], turn["reply"]) == ("Who?", ANN)


def test_an_answer_that_never_fits(
    asking: CommandLine, upstream: ScriptedUpstream, schema: str
) -> None:
    upstream.default = completion('{"name": 1}')
    done = asking.run("Who?", "--schema", schema)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == "llms: the answer does not fit the schema, twice: ['name']: 1 is not of type 'string'\n"
    )
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not valid JSON"),
        ("[]", "a schema has to be a JSON object"),
        (
            '{"type": "text"}',
            "not a valid JSON schema: 'text' is not valid under any of the given schemas",
        ),
    ],
)
def test_an_invalid_schema_sends_nothing(
    asking: CommandLine, upstream: ScriptedUpstream, content: str, reason: str
) -> None:
    (asking.folder / "s.json").write_text(content)
    done = asking.run("Who?", "--schema", "s.json")
    assert done.returncode == 2
    assert done.stderr.startswith(f"llms: s.json: {reason}")
    assert upstream.requests == []


def test_nothing_that_a_schema_refers_to_is_fetched(
    asking: CommandLine, upstream: ScriptedUpstream
) -> None:
    upstream.default = completion("{}")
    done = asking.run("Who?", "--schema", json.dumps({"$ref": f"{upstream.origin}/schema"}))
    assert done.returncode == 2
    assert "is not in the schema, and is not fetched" in done.stderr
    assert [seen.path for seen in upstream.requests] == []
