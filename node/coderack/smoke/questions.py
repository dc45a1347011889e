"""What is asked: prompts that a real model answers as surely as the small stand-in model.

The stand-in keys on the end of the last user text ("say hi", "call get_weather") and on a
tool's result being the last message.
"""

from __future__ import annotations

from typing import Any

# A reasoning model thinks first; the answer must still fit.
ROOM = 4096

GREETING = "Please answer in one short sentence: say hi"
WEATHER = "Use the tool to look up the weather in Paris: call get_weather"
WEATHER_RESULT = "Sunny, 22 degrees Celsius."

TOOL_NAME = "get_weather"
TOOL_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The city's name"}},
    "required": ["city"],
}
_DESCRIPTION = "Get the current weather in a city"

OPENAI_TOOL = {
    "type": "function",
    "function": {
        "name": TOOL_NAME,
        "description": _DESCRIPTION,
        "parameters": TOOL_PARAMETERS,
    },
}
ANTHROPIC_TOOL = {
    "name": TOOL_NAME,
    "description": _DESCRIPTION,
    "input_schema": TOOL_PARAMETERS,
}
RESPONSES_TOOL = {
    "type": "function",
    "name": TOOL_NAME,
    "description": _DESCRIPTION,
    "parameters": TOOL_PARAMETERS,
}

# Text on which no estimate agrees with a real tokenizer by chance.
ODD_TEXT = (
    "def naïve_façade(x: float) -> str:\n"
    "    return f'{x ** 2:08.3f} 数据中心 🦀 ☃'  # 0xDEADBEEF, 1234567890\n"
    "Read the code above, then say hi"
)


def user(text: str) -> dict[str, Any]:
    """One user message; the shape is the same in all three APIs."""
    return {"role": "user", "content": text}
