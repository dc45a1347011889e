"""Small assertions that fail with what was expected and what was seen."""

from __future__ import annotations

import json
from typing import Any

from coderack.smoke.client import Reply, WireError
from coderack.smoke.core import Failed


def need(condition: bool, expected: str, seen: Any, hint: str = "") -> None:
    """Fail unless the condition holds."""
    if not condition:
        raise Failed(expected, short(seen), hint)


def short(value: Any, limit: int = 240) -> str:
    """Render a value on one line, cut to a readable length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def answer(reply: Reply) -> Any:
    """Return the JSON of a 200, or fail with the status and the start of the body."""
    status(reply, 200)
    try:
        return reply.json()
    except WireError as error:
        raise Failed("a JSON body", str(error)) from None


def status(reply: Reply, wanted: int) -> None:
    """Fail unless the status is the wanted one."""
    if reply.status != wanted:
        raise Failed(f"HTTP {wanted}", f"HTTP {reply.status}: {short(reply.text)}")


def stream(reply: Reply) -> list[tuple[str, Any]]:
    """Return (event name, parsed data) pairs of a 200 event stream; [DONE] stays a string."""
    status(reply, 200)
    need(
        bool(reply.events),
        "a text/event-stream answer with events",
        f"{reply.headers.get('content-type')}: {short(reply.text)}",
    )
    pairs: list[tuple[str, Any]] = []
    for event in reply.events:
        if event.data == "[DONE]":
            pairs.append((event.name, event.data))
            continue
        try:
            data = json.loads(event.data)
        except ValueError:
            raise Failed("JSON in every event", short(event.data)) from None
        need(isinstance(data, dict), "a JSON object in every event", data)
        need("error" not in data or data["error"] is None, "a stream without error", data)
        pairs.append((event.name, data))
    return pairs


def dig(document: Any, *path: str | int) -> Any:
    """Follow keys and indexes, or fail with the path that is missing."""
    here = document
    for step in path:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            dotted = ".".join(str(part) for part in path)
            raise Failed(f"{dotted} in the answer", short(document)) from None
    return here


def arguments(raw: Any) -> dict[str, Any]:
    """Parse a tool call's arguments, which must be a JSON object."""
    try:
        value = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError:
        value = raw
    need(isinstance(value, dict), "tool arguments that are a JSON object", raw)
    return dict(value)
