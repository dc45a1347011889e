"""Reads /v1/messages, whole and streamed, and insists on the exact order of events."""

from __future__ import annotations

from typing import Any

from coderack.smoke.client import Reply
from coderack.smoke.expect import answer, arguments, dig, need, stream
from coderack.smoke.turn import Call, Turn

# Which deltas a block of each type may carry, and the block's field that each extends.
_DELTAS = {
    "text": {"text_delta": "text"},
    "thinking": {"thinking_delta": "thinking", "signature_delta": "signature"},
    "tool_use": {"input_json_delta": "partial_json"},
}


def input_tokens(usage: dict[str, Any]) -> int:
    """Return all input tokens: Anthropic counts those read from the cache apart."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(usage.get(name) or 0 for name in names)


def read_message(reply: Reply) -> Turn:
    """Read a whole message."""
    document = answer(reply)
    need(document.get("type") == "message", 'type "message"', document)
    need(document.get("role") == "assistant", 'role "assistant"', document)
    turn = _turn(dig(document, "content"))
    turn.stop = dig(document, "stop_reason")
    turn.input_tokens = input_tokens(dig(document, "usage"))
    turn.output_tokens = dig(document, "usage", "output_tokens")
    return turn


def _turn(blocks: list[dict[str, Any]]) -> Turn:
    turn = Turn(raw=blocks)
    for block in blocks:
        kind = dig(block, "type")
        if kind == "text":
            turn.text += dig(block, "text")
        elif kind == "thinking":
            turn.reasoning += dig(block, "thinking")
        elif kind == "tool_use":
            call = Call(dig(block, "id"), dig(block, "name"), arguments(dig(block, "input")))
            turn.calls.append(call)
    return turn


def read_message_stream(reply: Reply) -> Turn:
    """Put a streamed message together; fail on the first event out of order."""
    reader = _Reader()
    for name, event in stream(reply):
        need(event != "[DONE]", "message_stop as the last event, no [DONE]", event)
        kind = dig(event, "type")
        need(name == kind, f'"event: {kind}" before data of type {kind}', f'"event: {name}"')
        if kind != "ping":
            reader.take(kind, event)
    need(reader.state == "stopped", "message_stop at the end", reader.order)
    turn = _turn(reader.blocks)
    turn.order = reader.order
    turn.stop = reader.stop
    turn.input_tokens = input_tokens({**reader.usage_start, **reader.usage_end})
    turn.output_tokens = dig(reader.usage_end, "output_tokens")
    need(
        input_tokens(reader.usage_start) > 0,
        "usage.input_tokens above 0 in message_start",
        reader.usage_start,
    )
    return turn


class _Reader:
    """State machine: start, then blocks one after the other, then delta, then stop."""

    def __init__(self) -> None:
        self.state = "empty"
        self.order: list[str] = []
        self.blocks: list[dict[str, Any]] = []
        self.json = ""
        self.stop = ""
        self.usage_start: dict[str, Any] = {}
        self.usage_end: dict[str, Any] = {}

    def take(self, kind: str, event: dict[str, Any]) -> None:
        """Apply one event, which must be one that may come in this state."""
        allowed = {
            "empty": ("message_start",),
            "between": ("content_block_start", "message_delta"),
            "inside": ("content_block_delta", "content_block_stop"),
            "ending": ("message_stop",),
            "stopped": (),
        }[self.state]
        need(
            kind in allowed,
            f"{' or '.join(allowed) or 'nothing more'} after {self.order[-1:] or 'the start'}",
            event,
        )
        label = kind
        if kind.startswith("content_block"):
            wanted = len(self.blocks) - (0 if kind == "content_block_start" else 1)
            need(event.get("index") == wanted, f"index {wanted} in {kind}", event)
            label = f"{kind}[{wanted}]"
        if not self.order or self.order[-1] != label:
            self.order.append(label)
        getattr(self, "_" + kind)(event)

    def _message_start(self, event: dict[str, Any]) -> None:
        message = dig(event, "message")
        need(message.get("role") == "assistant", "role assistant in message_start", event)
        need(message.get("content") == [], "empty content in message_start", event)
        need(bool(message.get("id")), "an id in message_start", event)
        self.usage_start = dig(message, "usage")
        self.state = "between"

    def _content_block_start(self, event: dict[str, Any]) -> None:
        block = dict(dig(event, "content_block"))
        need(block.get("type") in _DELTAS, f"a block of type {' or '.join(_DELTAS)}", event)
        self.blocks.append(block)
        self.json = ""
        self.state = "inside"

    def _content_block_delta(self, event: dict[str, Any]) -> None:
        block, delta = self.blocks[-1], dig(event, "delta")
        fields = _DELTAS[block["type"]]
        kind = dig(delta, "type")
        need(kind in fields, f"{' or '.join(fields)} in a {block['type']} block", event)
        part = dig(delta, fields[kind])
        if kind == "input_json_delta":
            self.json += part
        else:
            block[fields[kind]] = (block.get(fields[kind]) or "") + part

    def _content_block_stop(self, event: dict[str, Any]) -> None:
        if self.blocks[-1]["type"] == "tool_use":
            self.blocks[-1]["input"] = arguments(self.json or "{}")
        self.state = "between"

    def _message_delta(self, event: dict[str, Any]) -> None:
        self.stop = dig(event, "delta", "stop_reason")
        self.usage_end = dig(event, "usage")
        self.state = "ending"

    def _message_stop(self, event: dict[str, Any]) -> None:
        self.state = "stopped"
