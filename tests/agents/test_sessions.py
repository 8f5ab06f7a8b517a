"""Real agents, headless, in a scripted session with a model behind each protocol. Only the gateway is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from npm import installed
from scripted_model import Conversation, Protocol
from scripted_model.protocols import PROTOCOLS

from tests.agents.agent import Agent
from tests.agents.claude_code import CLAUDE_CODE
from tests.agents.codex import CODEX
from tests.agents.opencode import OPENCODE
from tests.agents.session import (
    ANSWER,
    PICTURE,
    QUESTION,
    SLOW,
    SUBTASK,
    SUMMARY,
    TASK,
    THINKING,
    Session,
    session_with,
    version_of,
)

pytestmark = pytest.mark.slow

AGENTS = (CLAUDE_CODE, CODEX, OPENCODE)

CLIENTS_PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


SESSIONS = [(agent, protocol) for agent in AGENTS for protocol in agent.protocols]


def session_name(pair: tuple[Agent, Protocol]) -> str:
    agent, protocol = pair
    return f"{agent.program}-{protocol.provider}"


@pytest.fixture(scope="module", params=SESSIONS, ids=session_name)
def session(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    record_testsuite_property: Callable[[str, object], None],
) -> Iterator[Session]:
    """A session of an agent with a model behind a protocol. It is over."""
    agent: Agent
    protocol: Protocol
    agent, protocol = request.param
    program = installed(tmp_path_factory, f"{agent.package}@{agent.version}", agent.program)
    folder = tmp_path_factory.mktemp(agent.program)
    with session_with(agent, [protocol], folder) as session:
        session.version = version_of(program, session)
        record_testsuite_property(agent.title, session.version)
        agent.begin(session, program)
        agent.go_on(session, program)
        yield session


def results_after(conversation: Conversation, number: int) -> list[str]:
    """Return the texts of the results of a turn's calls, in the order of the calls; `number` counts such turns."""
    calls = [turn.calls for turn in conversation.of("assistant") if turn.calls][number]
    return [conversation.results[call.id] for call in calls]


def test_the_provider_accepts_every_request(session: Session) -> None:
    """Among others, all thinking that it gets back is its own, and the results of tools follow their calls."""
    assert session.model.faults == []


def test_the_agent_prints_the_answers(session: Session) -> None:
    assert session.printed == {TASK: ANSWER, QUESTION: ANSWER}


def test_no_request_is_repeated(session: Session) -> None:
    """Agents repeat a request if an answer displeases them, and close connections as soon as they have read enough."""
    records = session.records()
    assert [len(record["attempts"]) for record in records] == [1] * len(session.model.conversations)
    assert [record["kind"] for record in records if record["kind"]] == ["cancelled"]


def test_the_results_of_parallel_calls_reach_the_provider(session: Session) -> None:
    first, second = results_after(session.last(TASK), 0)
    assert "heron" in first
    assert "heron" not in second


def test_the_provider_learns_that_a_tool_failed(session: Session) -> None:
    failed = results_after(session.last(TASK), 0)[1].lower()
    assert any(reason in failed for reason in ("no such file", "does not exist", "not found"))


def test_an_image_that_a_tool_read_reaches_the_provider(session: Session) -> None:
    assert session.last(TASK).images == [PICTURE]


def test_an_image_of_the_prompt_reaches_the_provider(session: Session) -> None:
    assert session.last(QUESTION).images == [PICTURE]


def test_thinking_comes_back_to_the_model_that_thought(session: Session) -> None:
    conversation = session.last(TASK)
    if not session.agent.returns_signatures and session.model.protocol.signature_head is not None:
        # Unsigned, it would be refused.
        assert conversation.thoughts == []
    elif session.model.protocol.returns_thinking:
        assert [thought.text for thought in conversation.thoughts[: len(THINKING)]] == list(
            THINKING
        )
    else:
        signatures = [
            turn.calls[0].signature for turn in conversation.of("assistant") if turn.calls
        ]
        assert session.model.signatures(TASK) == signatures


def test_a_file_is_patched(session: Session) -> None:
    assert session.note.read_text("utf-8") == "The secret word is crane.\n"


def test_a_sub_agent_reports(session: Session) -> None:
    assert "2" in results_after(session.last(SUBTASK), 0)[0]
    assert "There are 2 files." in results_after(session.last(TASK), -1)[0]


def test_an_interrupted_turn_is_cancelled_at_the_provider(session: Session) -> None:
    assert session.interrupted is not None
    session.interrupted.wait_closed()
    cancelled = [record for record in session.records() if record["kind"] == "cancelled"]
    assert [(record["status"], len(record["attempts"])) for record in cancelled] == [(499, 1)]
    assert len(session.model.of(SLOW)) == 1


def test_a_compacted_conversation_goes_on_from_its_summary(session: Session) -> None:
    conversation = session.last(QUESTION)
    assert SUMMARY in "".join(turn.text for turn in conversation.turns)
    assert conversation.calls == []


def test_the_page_about_clients_has_the_table_of_these_sessions() -> None:
    page = CLIENTS_PAGE.read_text("utf-8")
    header = next(
        line for line in page.splitlines() if line.startswith("| protocol of the provider |")
    )
    columns = [cell.strip() for cell in header.strip("|").split("|")][1:]
    assert [column.rpartition(" ")[0] for column in columns] == [agent.title for agent in AGENTS]
    rows = page.partition(header)[2].strip().partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    for protocol, row in zip(PROTOCOLS, cells, strict=True):
        assert row == [
            protocol.title,
            *("works" if protocol in agent.protocols else "–" for agent in AGENTS),
        ]
