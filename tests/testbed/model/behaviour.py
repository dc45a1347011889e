"""What the stand-in model has learned: the one place for its triggers and its answers."""

from __future__ import annotations

import json
from typing import Any

GREETING = "Hello from coderack."
FINAL = "The tool answered. Done."
FALLBACK = "I only know a few test prompts."
THOUGHT = "The last message decides the answer."

_COMMAND = "echo coderack"
_RUN = {"command": _COMMAND, "description": "Print one word"}

CALLS: dict[str, dict[str, Any]] = {
    "Bash": _RUN,
    "bash": _RUN,
    "exec_command": {"cmd": _COMMAND},
    "shell": {"command": ["bash", "-lc", _COMMAND]},
    "get_weather": {"city": "Paris"},
}


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """Return a tool call in the Hermes form, as Qwen3 writes it."""
    body = json.dumps(arguments)
    return f'<tool_call>\n{{"name": "{name}", "arguments": {body}}}\n</tool_call>'


ANSWERS: dict[str, str] = {"say hi": GREETING} | {
    f"call {name}": call_text(name, arguments) for name, arguments in CALLS.items()
}


def _schema_of(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"type": "array", "items": {"type": "string"}}
    return {"type": "string"}


def tool_schema(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Describe a tool in OpenAI's form, with every argument required."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The tool {name}.",
            "parameters": {
                "type": "object",
                "properties": {key: _schema_of(value) for key, value in arguments.items()},
                "required": list(arguments),
            },
        },
    }


TOOLS: list[dict[str, Any]] = [tool_schema(name, args) for name, args in CALLS.items()]
