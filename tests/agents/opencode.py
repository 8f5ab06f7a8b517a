"""opencode, without a terminal, as a client of OpenAI's chat completions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripted_model import Answer, Call, Script
from scripted_model.anthropic import ANTHROPIC
from scripted_model.gemini import GEMINI
from scripted_model.openai_chat import OPENAI_CHAT

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

MODEL = "some-model"

#: The size of the model's context in tokens. When it is nearly full, opencode compacts the conversation.
CONTEXT = 100_000


def scripts(project: Path) -> Sequence[Script]:
    note = str(project / "note.txt")
    both, picture, patch, agent = THINKING
    edit = {"filePath": note, "oldString": "heron", "newString": "crane"}
    subtask = {"description": "Count files", "prompt": SUBTASK, "subagent_type": "general"}
    reads = [Call("read", {"filePath": path}) for path in (note, str(project / "missing.txt"))]
    task = [
        Answer(thinking=both, text="I read.", calls=tuple(reads)),
        Answer(thinking=picture, calls=(Call("read", {"filePath": str(project / "picture.png")}),)),
        Answer(thinking=patch, calls=(Call("edit", edit),)),
        Answer(thinking=agent, calls=(Call("task", subtask),)),
        Answer(thinking="That is all.", text=ANSWER, prompt_tokens=CONTEXT - 1000),
    ]
    subtask_answers = [
        Answer(
            thinking="I list them.",
            calls=(Call("bash", {"command": "ls | wc -l", "description": "Count"}),),
        ),
        Answer(text="There are 2 files."),
    ]
    return [
        Script(TASK, task),
        Script(SUBTASK, subtask_answers),
        Script(SLOW, [Answer(thinking="It begins.", text="Well", stalls=True)]),
        # opencode's own prompts, for a summary and after it.
        Script("context was compacted", [Answer(text=SUMMARY)]),
        Script("Continue if you have next steps", [Answer(text=ANSWER)]),
        Script(QUESTION, [Answer(thinking="I remember.", text=ANSWER)]),
    ]


def variables(session: Session) -> dict[str, str]:
    """Keep opencode from reaching anything but the gateway."""
    return {
        "OPENCODE_CONFIG": str(session.home / "opencode.json"),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }


def settings(session: Session) -> dict[str, Any]:
    """The settings that docs/clients.md describes, and no questions."""
    model = {
        "attachment": True,
        "reasoning": True,
        "interleaved": {"field": "reasoning_content"},
        "modalities": {"input": ["text", "image"], "output": ["text"]},
        "limit": {"context": CONTEXT, "output": CONTEXT // 10},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "llms",
        "options": {"baseURL": session.pair.gateway.base_url, "apiKey": "not-needed"},
        "models": {MODEL: model},
    }
    return {
        "model": f"llms/{MODEL}",
        "provider": {"llms": provider},
        "permission": "allow",
        "autoupdate": False,
        "share": "disabled",
    }


def opencode(program: Path) -> list[str]:
    return [str(program), "run", "--format", "json", "--auto"]


def last_message(printed: str) -> str:
    events = [json.loads(line) for line in printed.splitlines()]
    texts: list[str] = [event["part"]["text"] for event in events if event["type"] == "text"]
    return texts[-1]


def begin(session: Session, program: Path) -> None:
    (session.home / "opencode.json").write_text(json.dumps(settings(session)), "utf-8")
    printed = run([*opencode(program), "--title", "Session", TASK], session, variables(session))
    session.printed[TASK] = last_message(printed)


def go_on(session: Session, program: Path) -> None:
    resumed = [*opencode(program), "--continue"]
    interrupt([*resumed, "--thinking", SLOW], session, variables(session), "It begins")
    printed = run([*resumed, QUESTION, "--file", str(session.picture)], session, variables(session))
    session.printed[QUESTION] = last_message(printed)


OPENCODE = Agent(
    title="opencode",
    package="opencode-ai",
    program="opencode",
    scripts=scripts,
    model_name=lambda protocols: MODEL,
    begin=begin,
    go_on=go_on,
    # Each of its processes takes seconds to start.
    protocols=(OPENAI_CHAT, ANTHROPIC, GEMINI),
    returns_signatures=False,
)
