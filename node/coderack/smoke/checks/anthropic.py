"""/v1/messages and count_tokens, as Claude Code uses them."""

from __future__ import annotations

from typing import Any

from coderack.smoke import questions
from coderack.smoke.anthropic_shape import input_tokens, read_message, read_message_stream
from coderack.smoke.core import Context, Group, Layer
from coderack.smoke.expect import answer, dig, need
from coderack.smoke.turn import Turn, final_text, the_call

GROUP = Group()
MESSAGES = "/v1/messages"


def ask(at: Layer, messages: list[Any], streamed: bool = False, **more: Any) -> tuple[Turn, str]:
    """Ask for a message; returns the turn and the time it took, for evidence."""
    body = {"model": at.claude_model, "messages": messages, "max_tokens": questions.ROOM, **more}
    if not streamed:
        reply = at.post(MESSAGES, body)
        return read_message(reply), f"{reply.seconds:.2f} s"
    # The query is Claude Code's: an edge that matches whole URLs would refuse it.
    reply = at.post(f"{MESSAGES}?beta=true", {**body, "stream": True})
    turn = read_message_stream(reply)
    first = reply.events[0].at
    return turn, f"{reply.seconds:.2f} s, {len(reply.events)} events, first after {first:.2f} s"


@GROUP.check("messages", "Message", feature="claude")
def message(ctx: Context, at: Layer) -> str:
    """The plainest question."""
    turn, time = ask(at, [questions.user(questions.GREETING)])
    final_text(turn, "end_turn")
    return f"{turn.text.strip()[:40]!r} in {time}"


@GROUP.check("messages-stream", "Message, streamed: events in their exact order", feature="claude")
def message_stream(ctx: Context, at: Layer) -> str:
    """message_start, blocks by index, message_delta, message_stop."""
    turn, time = ask(at, [questions.user(questions.GREETING)], streamed=True)
    final_text(turn, "end_turn")
    return f"{turn.text.strip()[:40]!r} in {time}"


@GROUP.check("messages-key-headers", "A key is taken as x-api-key and as Bearer", feature="claude")
def key_headers(ctx: Context, at: Layer) -> str:
    """ANTHROPIC_API_KEY sends the one, ANTHROPIC_AUTH_TOKEN the other."""
    body = {
        "model": at.claude_model,
        "messages": [questions.user(questions.GREETING)],
        "max_tokens": 1,
    }
    # Inside, one header is enough: the hold maps x-api-key, the engine knows Bearer alone.
    headers = ("",) if at.name in ("engine", "hold") else ("x-api-key", "authorization")
    for header in headers:
        reply = at.post(MESSAGES, body, key_header=header)
        need(
            reply.status == 200, f"HTTP 200 with the key in {header or 'its header'}", _said(reply)
        )
    return f"200 with {' and with '.join(headers) or 'the header of this layer'}"


def _said(reply: Any) -> str:
    return f"HTTP {reply.status}: {reply.text}"


@GROUP.check("messages-tool", "Tool call and its result on /v1/messages", feature="claude tools")
def message_tool(ctx: Context, at: Layer) -> str:
    """Whole answers."""
    return _tool(at, streamed=False)


@GROUP.check("messages-tool-stream", "The same, streamed", feature="claude tools")
def message_tool_stream(ctx: Context, at: Layer) -> str:
    """Streamed answers, put together from their deltas."""
    return _tool(at, streamed=True)


def _tool(at: Layer, streamed: bool) -> str:
    messages: list[Any] = [questions.user(questions.WEATHER)]
    tools = [questions.ANTHROPIC_TOOL]
    turn, time = ask(at, messages, streamed, tools=tools)
    call = the_call(turn, "tool_use")
    # The whole turn goes back, thinking and signature with it, as Claude Code sends it.
    history = [*messages, {"role": "assistant", "content": turn.raw}]
    result = {
        "type": "tool_result",
        "tool_use_id": call.id,
        "content": questions.WEATHER_RESULT,
    }
    history.append({"role": "user", "content": [result]})
    last, last_time = ask(at, history, streamed, tools=tools)
    final_text(last, "end_turn")
    return f"{call} in {time}; then {last.text.strip()[:30]!r} in {last_time}"


@GROUP.check("messages-reasoning", "Reasoning comes as thinking blocks", feature="claude reasoning")
def message_reasoning(ctx: Context, at: Layer) -> str:
    """Both forms, because the engine parses a stream with other code than a whole answer."""
    lengths = []
    for streamed in (False, True):
        turn, _ = ask(
            at,
            [questions.user(questions.GREETING)],
            streamed,
            thinking={"type": "enabled", "budget_tokens": 1024},
        )
        final_text(turn, "end_turn")
        kinds = [block["type"] for block in turn.raw]
        need(
            turn.reasoning.strip() != "" and kinds[0] == "thinking",
            f"a thinking block first in the {'streamed' if streamed else 'whole'} answer",
            {"blocks": kinds, "text": turn.text},
            "--reasoning-parser, or a model that does not think: --no-reasoning",
        )
        need("think>" not in turn.reasoning, "thinking without tags", turn.reasoning)
        lengths.append(len(turn.reasoning))
    return f"{lengths[0]} characters of thinking whole, {lengths[1]} streamed"


@GROUP.check(
    "messages-stop-reasons",
    "stop_reason is end_turn, max_tokens and tool_use where due",
    feature="claude",
)
def message_stop_reasons(ctx: Context, at: Layer) -> str:
    """Agents decide by these what to do next."""
    greeting = [questions.user(questions.GREETING)]
    seen: list[str] = []
    for streamed in (False, True):
        _stops(ask(at, greeting, streamed)[0], "end_turn", seen)
        _stops(ask(at, greeting, streamed, max_tokens=1)[0], "max_tokens", seen)
        if "tools" not in ctx.without:
            weather = [questions.user(questions.WEATHER)]
            turn = ask(at, weather, streamed, tools=[questions.ANTHROPIC_TOOL])[0]
            _stops(turn, "tool_use", seen)
    return ", ".join(seen) + " (whole, then streamed)"


def _stops(turn: Turn, wanted: str, seen: list[str]) -> None:
    need(turn.stop == wanted, f"stop_reason {wanted}", {"stop": turn.stop, "text": turn.text})
    seen.append(turn.stop)


@GROUP.check(
    "messages-stream-order",
    "Events of a streamed tool call come in order",
    feature="claude tools",
)
def message_stream_order(ctx: Context, at: Layer) -> str:
    """The reader fails on any event that may not follow the one before it."""
    messages = [questions.user(questions.WEATHER)]
    turn, _ = ask(at, messages, streamed=True, tools=[questions.ANTHROPIC_TOOL])
    the_call(turn, "tool_use")
    return " > ".join(turn.order)


@GROUP.check("count-tokens", "count_tokens equals what the engine counts", feature="claude")
def count_tokens(ctx: Context, at: Layer) -> str:
    """Claude Code compacts its context by this number; an estimate would mislead it."""
    question = {
        "model": at.claude_model,
        "system": "You are a careful programmer.",
        "messages": [questions.user(questions.ODD_TEXT)],
    }
    if "tools" not in ctx.without:
        question["tools"] = [questions.ANTHROPIC_TOOL]
    counted = dig(answer(at.post(f"{MESSAGES}/count_tokens", question)), "input_tokens")
    usage = dig(answer(at.post(MESSAGES, {**question, "max_tokens": 1})), "usage")
    used = input_tokens(usage)
    hint = "a route that LiteLLM estimates: the Claude names must go to anthropic/<model>"
    need(counted == used, f"{used}, the input tokens that a real message used", counted, hint)
    if "engine" not in ctx.layers:
        return f"{counted} counted, {used} used"
    engine = ctx.engine
    own = answer(engine.post(f"{MESSAGES}/count_tokens", {**question, "model": engine.model}))
    exact = dig(own, "input_tokens")
    need(counted == exact, f"{exact}, the engine's own count", counted, hint)
    return f"{counted} counted, {used} used, {exact} by the engine's tokenizer"
