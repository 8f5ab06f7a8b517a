"""All protocols that providers speak."""

from __future__ import annotations

from scripted_model.anthropic import ANTHROPIC
from scripted_model.bedrock import BEDROCK
from scripted_model.gemini import GEMINI
from scripted_model.ollama import OLLAMA
from scripted_model.openai_chat import OPENAI_CHAT
from scripted_model.protocol import Protocol
from scripted_model.responses import RESPONSES

PROTOCOLS: tuple[Protocol, ...] = (OPENAI_CHAT, ANTHROPIC, GEMINI, BEDROCK, OLLAMA, RESPONSES)
