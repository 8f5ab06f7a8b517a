"""An agent's session that moves to another provider while tools are called, and back.

The providers refuse each other's signatures, and thinking that is not their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from npm import installed
from scripted_model import Protocol
from scripted_model.protocols import PROTOCOLS

from tests.agents.agent import Agent
from tests.agents.claude_code import CLAUDE_CODE
from tests.agents.codex import CODEX
from tests.agents.session import ANSWER, TASK, Session, session_with

pytestmark = pytest.mark.slow

#: Each protocol is the first of one pair and the second of another.
PAIRS = list(pairwise((*PROTOCOLS, PROTOCOLS[0])))

#: The number of the request that the first provider refuses: its results are those of a call that it made.
OVERLOADED = 3


def name_of(parameter: tuple[Agent, tuple[Protocol, Protocol]]) -> str:
    agent, (first, second) = parameter
    return f"{agent.program}-{first.provider}-{second.provider}"


SESSIONS = [(agent, pair) for agent in (CLAUDE_CODE, CODEX) for pair in PAIRS]


@pytest.fixture(scope="module", params=SESSIONS, ids=name_of)
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """A session whose third request is answered by another provider than all others."""
    agent: Agent
    agent, protocols = request.param
    program = installed(tmp_path_factory, f"{agent.package}@{agent.version}", agent.program)
    folder = tmp_path_factory.mktemp(agent.program)
    with session_with(agent, protocols, folder, {OVERLOADED}) as session:
        agent.begin(session, program)
        yield session


def test_every_provider_accepts_what_another_began(session: Session) -> None:
    assert session.faults == []
    assert len(session.models[1].conversations) == 1


def test_the_agent_notices_nothing(session: Session) -> None:
    assert session.printed == {TASK: ANSWER}
    assert {record["status"] for record in session.records()} == {200}
