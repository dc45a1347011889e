"""Reads /v1/chat/completions, whole and streamed, and insists on the order of chunks."""

from __future__ import annotations

from typing import Any

from coderack.smoke.client import Reply
from coderack.smoke.core import Failed
from coderack.smoke.expect import answer, arguments, dig, need, short, stream
from coderack.smoke.turn import Call, Turn


def read_chat(reply: Reply) -> Turn:
    """Read a whole chat completion."""
    document = answer(reply)
    message = dig(document, "choices", 0, "message")
    calls = [
        Call(
            dig(call, "id"),
            dig(call, "function", "name"),
            arguments(dig(call, "function", "arguments")),
        )
        for call in message.get("tool_calls") or []
    ]
    return Turn(
        text=message.get("content") or "",
        reasoning=reasoning_of(message),
        calls=calls,
        stop=dig(document, "choices", 0, "finish_reason"),
        input_tokens=dig(document, "usage", "prompt_tokens"),
        output_tokens=dig(document, "usage", "completion_tokens"),
        raw=message,
    )


def reasoning_of(message: dict[str, Any]) -> str:
    """Return the separated reasoning: vLLM calls it `reasoning`, LiteLLM `reasoning_content`."""
    return message.get("reasoning_content") or message.get("reasoning") or ""


def read_chat_stream(reply: Reply) -> Turn:
    """Put a streamed chat completion together; fail on the first chunk out of order."""
    turn = Turn(raw={"role": "assistant", "content": None})
    drafts: list[dict[str, str]] = []
    ids = set()
    usage: Any = None
    done = False
    for _, chunk in stream(reply):
        need(not done, "nothing after [DONE]", chunk)
        if chunk == "[DONE]":
            done = True
            turn.order.append("[DONE]")
            continue
        ids.add(dig(chunk, "id"))
        choices = dig(chunk, "choices")
        delta = dig(choices, 0, "delta") if choices else {}
        # vLLM sends usage with no choices, LiteLLM with one whose delta is empty.
        if chunk.get("usage") and not delta:
            need(turn.stop != "", "usage after finish_reason", chunk)
            usage = chunk["usage"]
            turn.order.append("usage")
            continue
        if not turn.order:
            need(
                delta.get("role") == "assistant",
                "role assistant in the first chunk's delta",
                chunk,
            )
        _note(turn.order, _add(turn, drafts, delta))
        reason = dig(choices, 0).get("finish_reason")
        if reason:
            need(not turn.stop, "one finish_reason", chunk)
            turn.stop = reason
            turn.order.append(f"finish:{turn.stop}")
    need(done, "data: [DONE] at the end", turn.order)
    need(len(ids) == 1, "one id in all chunks", sorted(ids))
    need(bool(usage), "usage before [DONE] (asked for with include_usage)", turn.order)
    turn.input_tokens = dig(usage, "prompt_tokens")
    turn.output_tokens = dig(usage, "completion_tokens")
    turn.calls = [Call(d["id"], d["name"], arguments(d["arguments"])) for d in drafts]
    turn.raw["content"] = turn.text or None
    if drafts:
        turn.raw["tool_calls"] = [
            {
                "id": draft["id"],
                "type": "function",
                "function": {"name": draft["name"], "arguments": draft["arguments"]},
            }
            for draft in drafts
        ]
    return turn


def _add(turn: Turn, drafts: list[dict[str, str]], delta: dict[str, Any]) -> list[str]:
    """Add a delta to the turn and return the kinds of content it had."""
    kinds = []
    if reasoning_of(delta):
        turn.reasoning += reasoning_of(delta)
        kinds.append("reasoning")
    if delta.get("content"):
        turn.text += delta["content"]
        kinds.append("text")
    for part in delta.get("tool_calls") or []:
        _add_call(drafts, part)
        kinds.append(f"call{part['index']}")
    if kinds and turn.stop:
        raise Failed("no content after finish_reason", short(delta))
    return kinds


def _add_call(drafts: list[dict[str, str]], part: dict[str, Any]) -> None:
    index = dig(part, "index")
    function = part.get("function") or {}
    if index == len(drafts):
        name = function.get("name") or ""
        need(bool(part.get("id") and name), "id and name in a call's first chunk", part)
        drafts.append({"id": part["id"], "name": name, "arguments": ""})
    need(index == len(drafts) - 1, "tool call indexes that count up from 0", part)
    drafts[index]["arguments"] += function.get("arguments") or ""


def _note(order: list[str], kinds: list[str]) -> None:
    if not order:
        order.append("role")
    for kind in kinds:
        if order[-1] != kind:
            order.append(kind)
