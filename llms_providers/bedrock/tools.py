"""Translate tools and the choice of a tool to `toolConfig`.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
"""

from __future__ import annotations

from typing import Any

from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import Function, ToolChoice, functions, tool_choice
from llms_providers.bedrock import cache_points, schemas
from llms_providers.bedrock.models import Family

Block = dict[str, Any]


class Tools:
    """The tools of one call.

    Bedrock has no choice "none", and its choice cannot name several tools. So the tools that the client's choice
    excludes are not sent.
    """

    def __init__(
        self, call: ChatCall, family: Family, names: FunctionNames, answer_tool: Function | None
    ):
        #: The tools, each perhaps followed by a cache point.
        self.specs: list[Block] = []
        self.dropped: set[str] = set()
        self._family = family
        self._names = names
        choice = tool_choice(call) or ToolChoice("auto")
        allowed = _allowed_names(choice)
        for function, cache_point in zip(functions(call), cache_points.of_tools(call), strict=True):
            if allowed is None or function.name in allowed:
                self.specs.append(self._spec(function))
                if cache_point is not None:
                    self.specs.append(cache_point)
        if answer_tool is not None:
            self.specs.append(self._spec(answer_tool))
        self._choice = self._translate_choice(choice, has_answer_tool=answer_tool is not None)

    @property
    def is_call_forced(self) -> bool:
        """Whether the model has to call a tool."""
        return self._choice is not None

    @property
    def config(self) -> Block:
        """The value of `toolConfig`."""
        config: Block = {"tools": self.specs}
        if self._choice is not None:
            config["toolChoice"] = self._choice
        return config

    def _translate_choice(self, choice: ToolChoice, *, has_answer_tool: bool) -> Block | None:
        """Return the value of `toolChoice`; None for "auto", the default."""
        if has_answer_tool:
            return {"any": {}}
        if choice.mode != "required" or not self.specs:
            return None
        if _names_one_tool(choice):
            return {"tool": {"name": self._names.to_provider(choice.names[0])}}
        return {"any": {}}

    def _spec(self, function: Function) -> Block:
        # Bedrock requires a schema of the type "object", even for a function without parameters.
        schema = {"type": "object", **(function.parameters or {"properties": {}})}
        spec: Block = {
            "name": self._names.to_provider(function.name),
            "inputSchema": {"json": schema},
        }
        # A blank description is rejected.
        if function.description and function.description.strip():
            spec["description"] = function.description
        if function.strict:
            if self._family.has_structured_output and schemas.is_supported(schema):
                spec["strict"] = True
            else:
                self.dropped.add("tools[].function.strict")
        return {"toolSpec": spec}


def _allowed_names(choice: ToolChoice) -> frozenset[str] | None:
    """Return the names of the functions to send; None if all are sent."""
    if choice.mode == "none":
        return frozenset()
    # `toolChoice` can name a single tool, so that the others need not be left out.
    if not choice.names or _names_one_tool(choice):
        return None
    return frozenset(choice.names)


def _names_one_tool(choice: ToolChoice) -> bool:
    return choice.mode == "required" and len(choice.names) == 1
