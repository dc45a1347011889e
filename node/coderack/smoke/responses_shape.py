"""Reads /v1/responses, whole and streamed, and insists on the frame of the stream."""

from __future__ import annotations

from typing import Any

from coderack.smoke.client import Reply
from coderack.smoke.expect import answer, arguments, dig, need, stream
from coderack.smoke.turn import Call, Turn


def read_response(reply: Reply) -> Turn:
    """Read a whole response object."""
    return _turn(answer(reply))


def _turn(document: dict[str, Any]) -> Turn:
    need(document.get("object") == "response", 'object "response"', document)
    turn = Turn(raw=dig(document, "output"), stop=dig(document, "status"))
    for item in turn.raw:
        kind = dig(item, "type")
        if kind == "message":
            turn.text += "".join(part.get("text") or "" for part in dig(item, "content"))
        elif kind == "reasoning":
            parts = [*(item.get("content") or []), *(item.get("summary") or [])]
            turn.reasoning += "".join(part.get("text") or "" for part in parts)
        elif kind == "function_call":
            call = Call(dig(item, "call_id"), dig(item, "name"), arguments(dig(item, "arguments")))
            turn.calls.append(call)
    usage = dig(document, "usage") or {}
    turn.input_tokens = usage.get("input_tokens") or 0
    turn.output_tokens = usage.get("output_tokens") or 0
    return turn


def read_response_stream(reply: Reply) -> Turn:
    """Read a streamed response: created first, completed last, deltas that add up."""
    order: list[str] = []
    pieces = {"response.output_text.delta": "", "response.function_call_arguments.delta": ""}
    last: dict[str, Any] = {}
    number = -1
    for name, event in stream(reply):
        # OpenAI's own stream ends with response.completed; LiteLLM adds a [DONE].
        if event == "[DONE]":
            continue
        kind = dig(event, "type")
        need(name in ("", kind), f'"event: {kind}" before data of type {kind}', name)
        need(not last, "nothing after response.completed", kind)
        if "sequence_number" in event:
            need(event["sequence_number"] > number, "rising sequence numbers", event)
            number = event["sequence_number"]
        if not order:
            need(kind == "response.created", "response.created first", event)
        if not order or order[-1] != kind:
            order.append(kind)
        if kind in pieces:
            pieces[kind] += dig(event, "delta")
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            last = dig(event, "response")
    need(bool(last), "response.completed at the end", order)
    turn = _turn(last)
    turn.order = order
    streamed = pieces["response.output_text.delta"]
    need(streamed == turn.text, "text deltas that add up to the final text", streamed)
    if turn.calls:
        streamed = pieces["response.function_call_arguments.delta"]
        need(
            arguments(streamed) == turn.calls[-1].arguments,
            "argument deltas that add up to the final call",
            streamed,
        )
    return turn
