"""A model that follows a script, behind any provider's protocol.

A script says what the model does; `protocols` writes it down as each provider would, and reads what comes back. So one
script is a whole session of an agent on every protocol.

    model = ScriptedModel(GEMINI, [Script("Read the note", [Answer(calls=(Call("Read", {"path": "a"}),)), …])])
    upstream.default = Reply(model)

Like a provider, it refuses a conversation that does not fit what it answered before: see `acceptance`.
"""

from scripted_model.answers import Answer, Call
from scripted_model.conversation import CallMade, Conversation, Result, Thought, Turn
from scripted_model.model import Script, ScriptedModel
from scripted_model.protocol import Protocol

__all__ = [
    "Answer",
    "Call",
    "CallMade",
    "Conversation",
    "Protocol",
    "Result",
    "Script",
    "ScriptedModel",
    "Thought",
    "Turn",
]
