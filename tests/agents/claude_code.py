"""Claude Code, headless."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from scripted_model import Answer, Call, Protocol, Script
from scripted_model.anthropic import ANTHROPIC

from tests.agents.agent import Agent
from tests.agents.session import (
    ANSWER,
    QUESTION,
    SLOW,
    SUBTASK,
    SUMMARY,
    TASK,
    THINKING,
    Session,
    interrupt,
    run,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "claude-code" / "settings.json"
TOOLS = "Read,Edit,Bash,Agent"


def scripts(project: Path) -> Sequence[Script]:
    note = str(project / "note.txt")
    both, picture, patch, agent = THINKING
    edit = {"file_path": note, "old_string": "heron", "new_string": "crane"}
    subtask = {
        "description": "Count files",
        "prompt": SUBTASK,
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    reads = [Call("Read", {"file_path": path}) for path in (note, str(project / "missing.txt"))]
    task = [
        Answer(thinking=both, text="I read.", calls=tuple(reads)),
        Answer(
            thinking=picture, calls=(Call("Read", {"file_path": str(project / "picture.png")}),)
        ),
        Answer(thinking=patch, calls=(Call("Edit", edit),)),
        Answer(thinking=agent, calls=(Call("Agent", subtask),)),
        Answer(thinking="That is all.", text=ANSWER),
    ]
    subtask_answers = [
        Answer(
            thinking="I list them.",
            calls=(Call("Bash", {"command": "ls | wc -l", "description": "Count"}),),
        ),
        Answer(text="There are 2 files."),
    ]
    return [
        Script(TASK, task),
        Script(SUBTASK, subtask_answers),
        Script(SLOW, [Answer(thinking="Hm.", text="It begins", stalls=True)]),
        # The end of Claude Code's own prompt for a summary.
        Script(
            "<summary> block",
            [Answer(text=f"<analysis>All.</analysis><summary>{SUMMARY}</summary>")],
        ),
        Script(QUESTION, [Answer(thinking="I remember.", text=ANSWER)]),
    ]


def variables(session: Session) -> dict[str, str]:
    """The example's settings for this gateway, and no repetition of requests that fail."""
    name = model_name([model.protocol for model in session.models])
    example = EXAMPLE.read_text("utf-8").replace(
        "http://localhost:8000", session.pair.gateway.origin
    )
    settings: dict[str, str] = json.loads(example.replace("kimi-k2", name))["env"]
    return {
        **settings,
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
    }


def model_name(protocols: Sequence[Protocol]) -> str:
    """Claude Code knows from the names of Claude's models how they think."""
    return ANTHROPIC.model if ANTHROPIC in protocols else "some-model"


def answer(session: Session, program: Path, prompt: str, *options: str) -> str:
    command = [*claude(program), "json", *options, "--", prompt]
    reported = json.loads(run(command, session, variables(session)))
    assert not reported["is_error"], reported
    text: str = reported["result"]
    return text


def claude(program: Path) -> list[str]:
    return [str(program), "--print", "--allowedTools", TOOLS, "--output-format"]


def begin(session: Session, program: Path) -> None:
    session.printed[TASK] = answer(session, program, TASK)


def go_on(session: Session, program: Path) -> None:
    streamed = [
        *claude(program),
        "stream-json",
        "--verbose",
        "--include-partial-messages",
        "--continue",
        "--",
        SLOW,
    ]
    interrupt(streamed, session, variables(session), "It begins")
    answer(session, program, "/compact", "--continue")
    session.printed[QUESTION] = answer(
        session, program, f"{QUESTION} @{session.picture.name}", "--continue"
    )


CLAUDE_CODE = Agent(
    title="Claude Code",
    package="@anthropic-ai/claude-code",
    program="claude",
    scripts=scripts,
    model_name=model_name,
    begin=begin,
    go_on=go_on,
)
