"""Codex, headless."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripted_model import Answer, Call, Script

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

#: Codex offers `apply_patch` and its search for tools only to models whose names it knows.
MODEL = "gpt-5.5"

#: From this many tokens on, Codex compacts the conversation before the next turn.
COMPACT_AT = 90_000

EXAMPLE = Path(__file__).parents[2] / "examples" / "codex" / "config.toml"

#: Before the example's tables: nothing is asked, and a request that fails is not repeated.
MORE = f"""
model_auto_compact_token_limit = {COMPACT_AT}
approval_policy = "never"
sandbox_mode = "danger-full-access"
"""
NO_RETRIES = """
request_max_retries = 0
stream_max_retries = 0
"""

PATCH = """*** Begin Patch
*** Update File: note.txt
@@
-The secret word is heron.
+The secret word is crane.
*** End Patch"""


def scripts(project: Path) -> Sequence[Script]:
    both, picture, patch, agent = THINKING
    reads = [Call("exec_command", {"cmd": f"cat {name}"}) for name in ("note.txt", "missing.txt")]
    task = [
        Answer(thinking=both, text="I read.", calls=tuple(reads)),
        Answer(
            thinking=picture, calls=(Call("view_image", {"path": str(project / "picture.png")}),)
        ),
        Answer(thinking=patch, calls=(Call("apply_patch", {"input": PATCH}),)),
        Answer(thinking=agent, calls=(Call("tool_search", {"query": "spawn agent"}),)),
        Answer(thinking="I found it.", calls=(Call("spawn_agent", {"message": SUBTASK}),)),
        Answer(thinking="I wait.", calls=(Call("wait_agent", spawned),)),
        Answer(thinking="That is all.", text=ANSWER, prompt_tokens=COMPACT_AT + 1),
    ]
    subtask = [
        Answer(thinking="I list them.", calls=(Call("exec_command", {"cmd": "ls | wc -l"}),)),
        Answer(text="There are 2 files."),
    ]
    return [
        Script(TASK, task),
        Script(SUBTASK, subtask),
        # In Codex's own prompt for a summary.
        Script("CONTEXT CHECKPOINT", [Answer(text=SUMMARY)]),
        Script(SLOW, [Answer(thinking="It begins.", text="Well", stalls=True)]),
        Script(QUESTION, [Answer(thinking="I remember.", text=ANSWER)]),
    ]


def spawned(result: str) -> Mapping[str, object]:
    """The sub-agent to wait for, of the result of the call that began it."""
    return {"targets": [json.loads(result)["agent_id"]]}


def begin(session: Session, program: Path) -> None:
    settings = session.home / "codex"
    settings.mkdir()
    (settings / "config.toml").write_text(config(session.pair.gateway.base_url), "utf-8")
    run([str(program), "exec", *options(session), "--", TASK], session, variables(session))
    session.printed[TASK] = last_message(session).read_text("utf-8")


def config(base_url: str) -> str:
    """Return the example's settings for this gateway, and those that a test needs."""
    example = EXAMPLE.read_text("utf-8")
    for before, after in (("http://localhost:8000/v1", base_url), ("kimi-k2", MODEL)):
        assert example.count(before) == 1
        example = example.replace(before, after)
    return MORE + example + NO_RETRIES


def go_on(session: Session, program: Path) -> None:
    resumed = [str(program), "exec", "resume", "--last", *options(session)]
    # The conversation is compacted before this turn.
    interrupt([*resumed, "--json", "--", SLOW], session, variables(session), "It begins.")
    run([*resumed, "--image", str(session.picture), "--", QUESTION], session, variables(session))
    session.printed[QUESTION] = last_message(session).read_text("utf-8")


def variables(session: Session) -> dict[str, str]:
    return {"CODEX_HOME": str(session.home / "codex")}


def options(session: Session) -> list[str]:
    return ["--skip-git-repo-check", "--output-last-message", str(last_message(session))]


def last_message(session: Session) -> Path:
    return session.folder / "last.txt"


CODEX = Agent(
    title="Codex",
    package="@openai/codex",
    program="codex",
    scripts=scripts,
    model_name=lambda protocols: MODEL,
    begin=begin,
    go_on=go_on,
)
