"""The APIs of the fake stack: right answers after the real ones, and the faults in them."""

from __future__ import annotations

import json
from typing import Any

THINKING = "The last message decides."
GREETING = "Hello from the fake."
DONE = "The tool answered."
CALL = {"city": "Paris"}


def answer(path: str, body: Any, faults: set[str], inside: bool) -> tuple[int, str, bytes]:
    """`inside`: vLLM's own wording, where LiteLLM's differs."""
    if path == "/v1/messages/count_tokens":
        return _whole({"input_tokens": count(body) + (3 if "estimate" in faults else 0)})
    if path == "/v1/completions":
        return _completions(body, faults)
    turn = _turn(body, faults)
    if path == "/v1/chat/completions":
        return _chat(body, turn, faults, inside)
    if path == "/v1/messages":
        return _messages(body, turn, faults)
    return _responses(body, turn, faults)


def count(body: Any) -> int:
    messages = body.get("messages") or body.get("input") or body.get("prompt")
    return len(json.dumps([messages, body.get("tools"), body.get("system")])) // 4


def _turn(body: Any, faults: set[str]) -> dict[str, Any]:
    messages = body.get("messages") or body["input"]
    last = {"content": messages} if isinstance(messages, str) else messages[-1]
    content = last.get("content") or last.get("output")
    is_result = "tool" in json.dumps([last.get("role"), content]) and not isinstance(content, str)
    is_result = is_result or last.get("role") == "tool" or "output" in last
    turn = {"thinking": THINKING, "text": GREETING, "call": None, "stop": "stop"}
    limit = body.get("max_tokens") or body.get("max_output_tokens") or 4096
    if limit <= 3:
        turn.update(text="", stop="length")
    elif is_result:
        turn.update(text=DONE)
    elif str(content).endswith("call get_weather") and body.get("tools"):
        turn.update(text="", call=json.dumps(CALL), stop="tool_calls")
    _spoil(turn, faults)
    return turn


def _spoil(turn: dict[str, Any], faults: set[str]) -> None:
    if "think-in-text" in faults:
        turn.update(thinking="", text=f"<think>{THINKING}</think>{turn['text']}")
    if "no-thinking" in faults:
        turn["thinking"] = ""
    if "empty-text" in faults and turn["call"] is None:
        turn["text"] = ""
    if "wrong-stop" in faults:
        turn["stop"] = {"stop": "length", "length": "stop", "tool_calls": "stop"}[turn["stop"]]
    if turn["call"] and "call-as-text" in faults:
        turn.update(text=f'<tool_call>{{"name": "get_weather"}}{turn["call"]}', call=None)
        turn["stop"] = "stop"
    if turn["call"] and "call-swallowed" in faults:
        turn.update(call=None, stop="stop")
    if turn["call"] and "bad-arguments" in faults:
        turn["call"] = '{"city": '
    if turn["call"] and "no-city" in faults:
        turn["call"] = "{}"


def _whole(document: Any) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(document).encode()


def _sse(events: list[tuple[str, Any]]) -> tuple[int, str, bytes]:
    text = ""
    for name, data in events:
        text += f"event: {name}\n" if name else ""
        text += f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"
    return 200, "text/event-stream; charset=utf-8", text.encode()


def _completions(body: Any, faults: set[str]) -> tuple[int, str, bytes]:
    tokens = 0 if "no-token" in faults else min(2, body["max_tokens"])
    choice: dict[str, Any] = {"index": 0, "text": "    return", "finish_reason": "length"}
    if "no-completion-text" in faults:
        del choice["text"]
    if not body.get("stream"):
        return _whole({"choices": [choice], "usage": {"completion_tokens": tokens}})
    events: list[tuple[str, Any]] = [
        ("", {"choices": [{"index": 0, "text": "    return"}]}),
        ("", {"choices": [{"index": 0, "finish_reason": "length"}]}),
        ("", {"choices": [{"index": 0}], "usage": {"completion_tokens": tokens}}),
    ]
    if "finish-early" in faults:
        events[0], events[1] = events[1], events[0]
    return _sse(events if "no-done" in faults else [*events, ("", "[DONE]")])


def _chat(body: Any, turn: Any, faults: set[str], inside: bool) -> tuple[int, str, bytes]:
    prompt = 0 if "no-count" in faults else count(body)
    usage = {"prompt_tokens": prompt, "completion_tokens": 9}
    reasoning = "reasoning" if inside else "reasoning_content"
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather"}}
    if not body.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": turn["text"]}
        if turn["thinking"]:
            message[reasoning] = turn["thinking"]
        if turn["call"]:
            function = {"name": "get_weather", "arguments": turn["call"]}
            message["tool_calls"] = [{**call, "function": function}]
        choice = {"index": 0, "message": message, "finish_reason": turn["stop"]}
        return _whole({"choices": [choice], "usage": usage})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{reasoning: piece} for piece in _halves(turn["thinking"])]
    deltas += [{"content": piece} for piece in _halves(turn["text"])]
    if turn["call"]:
        index = 1 if "call-index" in faults else 0
        head, tail = _halves(turn["call"])
        first = {**call, "index": index, "function": {"name": "get_weather", "arguments": head}}
        deltas.append({"tool_calls": [first]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": tail}}]})
    if "no-role" in faults:
        del deltas[0]
    chunks = [_chunk(delta) for delta in deltas]
    last = _chunk({}, turn["stop"])
    chunks.insert(1 if "finish-early" in faults else len(chunks), last)
    if "ids-differ" in faults:
        chunks[-1]["id"] = "chatcmpl-2"
    tail_chunk = _chunk({})
    tail_chunk.update(usage=usage, choices=[] if inside else tail_chunk["choices"])
    events: list[Any] = [*chunks, *([] if "no-usage" in faults else [tail_chunk])]
    if "error-in-stream" in faults:
        events[2:] = [{"error": {"message": "Error processing stream start", "code": "400"}}]
    return _sse([("", event) for event in [*events, *([] if "no-done" in faults else ["[DONE]"])]])


def _chunk(delta: Any, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chatcmpl-1", "choices": [choice]}


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def _messages(body: Any, turn: Any, faults: set[str]) -> tuple[int, str, bytes]:
    reasons = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
    stop = reasons[turn["stop"]]
    used = 0 if "no-count" in faults else count(body)
    usage = {"input_tokens": used, "output_tokens": 9}
    if not body.get("stream"):
        blocks: list[dict[str, Any]] = []
        if turn["thinking"]:
            blocks.append({"type": "thinking", "thinking": turn["thinking"], "signature": "s"})
        if turn["text"]:
            blocks.append({"type": "text", "text": turn["text"]})
        if turn["call"]:
            blocks.append({"type": "tool_use", "id": "call_1", "name": "get_weather"})
            blocks[-1]["input"] = json.loads(turn["call"]) if turn["call"][-1] == "}" else "{"
        head = {"type": "message", "role": "assistant", "id": "chatcmpl-1"}
        return _whole({**head, "content": blocks, "stop_reason": stop, "usage": usage})
    message = {"id": "chatcmpl-1", "role": "assistant", "content": [], "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    kinds = (
        ("thinking", "thinking_delta", "thinking", turn["thinking"]),
        ("text", "text_delta", "text", turn["text"]),
        ("tool_use", "input_json_delta", "partial_json", turn["call"] or ""),
    )
    index = 0
    for kind, delta, name, text in kinds:
        if text:
            events += _block(index, kind, delta, name, text)
            index += 1
    closing = {"stop_reason": stop, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": closing, "usage": usage})
    events.append({"type": "message_stop"})
    events = _spoil_events(events, faults)
    named = [("" if "no-event-names" in faults else event["type"], event) for event in events]
    return _sse([*named, ("", "[DONE]")] if "done-on-messages" in faults else named)


def _block(index: int, kind: str, delta: str, name: str, text: str) -> list[dict[str, Any]]:
    start: dict[str, Any] = {"type": kind}
    start.update(
        {"id": "call_1", "name": "get_weather", "input": {}} if kind == "tool_use" else {name: ""}
    )
    events: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": index, "content_block": start},
        {"type": "ping"},
    ]
    for piece in _halves(text):
        part = {"type": delta, name: piece}
        events.append({"type": "content_block_delta", "index": index, "delta": part})
    return [*events, {"type": "content_block_stop", "index": index}]


def _spoil_events(events: list[dict[str, Any]], faults: set[str]) -> list[dict[str, Any]]:
    if "no-done" in faults:
        events = events[:-1]
    if "delta-before-start" in faults:
        events[1], events[3] = events[3], events[1]
    if "index-stuck" in faults:
        events = [{**event, "index": 0} if "index" in event else event for event in events]
    if "block-left-open" in faults:
        events = [event for event in events if event["type"] != "content_block_stop"]
    if "error-in-stream" in faults:
        events = [*events[:2], {"type": "error", "error": {"message": "EngineCore failed"}}]
    return events


def _responses(body: Any, turn: Any, faults: set[str]) -> tuple[int, str, bytes]:
    output: list[dict[str, Any]] = []
    if turn["thinking"]:
        content = [{"type": "reasoning_text", "text": turn["thinking"]}]
        output.append({"type": "reasoning", "id": "rs_1", "summary": [], "content": content})
    if turn["text"]:
        content = [{"type": "output_text", "text": turn["text"]}]
        output.append({"type": "message", "role": "assistant", "content": content})
    if turn["call"]:
        call = {"call_id": "call_1", "name": "get_weather", "arguments": turn["call"]}
        output.append({"type": "function_call", **call})
    status = "incomplete" if turn["stop"] == "length" else "completed"
    used = 0 if "no-count" in faults else count(body)
    response = {
        "object": "response",
        "status": status,
        "output": output,
        "usage": {"input_tokens": used, "output_tokens": 9},
    }
    if not body.get("stream"):
        return _whole(response)
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {}}]
    for kind, text in (
        ("response.output_text.delta", turn["text"]),
        ("response.function_call_arguments.delta", turn["call"] or ""),
    ):
        events += [{"type": kind, "delta": piece} for piece in _halves(text)]
    if "delta-lost" in faults:
        del events[1]
    if "no-created" in faults:
        del events[0]
    if "no-done" not in faults:
        events.append({"type": f"response.{status}", "response": response})
    for number, event in enumerate(events):
        event["sequence_number"] = 0 if "sequence" in faults else number
    return _sse([*[("", event) for event in events], ("", "[DONE]")])
