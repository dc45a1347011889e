"""A model's turn, in one form for the three APIs, and the arguments its tool calls need."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from coderack.smoke import questions
from coderack.smoke.expect import need


@dataclass(frozen=True)
class Call:
    """One tool call."""

    id: str
    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        """Write it as a function call, for evidence."""
        return f"{self.name}({json.dumps(self.arguments, ensure_ascii=False)})"


@dataclass
class Turn:
    """What the model said; `raw` is what the API wants back as history."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    stop: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    order: list[str] = field(default_factory=list)
    raw: Any = None


def the_call(turn: Turn, stop: str) -> Call:
    """Return the one call of get_weather that the question asked for."""
    hint = ""
    if not turn.calls and (questions.TOOL_NAME in turn.text or "tool_call" in turn.text):
        hint = "the call is in the text: --tool-call-parser does not fit the model"
    elif not turn.calls and not turn.text.strip():
        hint = "neither call nor text: --tool-call-parser may have swallowed the call"
    seen = {"calls": [str(call) for call in turn.calls], "text": turn.text, "stop": turn.stop}
    need(len(turn.calls) == 1, f"one call of {questions.TOOL_NAME}", seen, hint)
    call = turn.calls[0]
    need(call.name == questions.TOOL_NAME, f"a call of {questions.TOOL_NAME}", str(call))
    need(bool(call.id), "a tool call with an id", seen)
    for name in questions.TOOL_PARAMETERS["required"]:
        value = call.arguments.get(name)
        need(isinstance(value, str) and value != "", f"the argument {name!r}", str(call))
    need(turn.stop == stop, f"stop reason {stop}", turn.stop)
    return call


def final_text(turn: Turn, stop: str) -> None:
    """Fail unless the turn is a text that the model ended by itself."""
    seen = {"text": turn.text, "stop": turn.stop, "calls": [str(call) for call in turn.calls]}
    need(turn.stop == stop, f"stop reason {stop}", seen)
    need(turn.text.strip() != "", "a text", seen)
    need(not turn.calls, "no tool call", seen)
    need(
        "<think>" not in turn.text and "</think>" not in turn.text,
        "a text without thinking tags",
        turn.text,
        "--reasoning-parser does not fit the model",
    )
    need(turn.output_tokens > 0, "a count of output tokens", turn.output_tokens)
    need(turn.input_tokens > 0, "a count of input tokens", turn.input_tokens)
