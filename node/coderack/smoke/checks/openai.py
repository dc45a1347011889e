"""/v1/models, /v1/chat/completions and /v1/completions, as OpenAI's clients use them."""

from __future__ import annotations

from typing import Any

from coderack.smoke import questions
from coderack.smoke.checks.health import max_model_len
from coderack.smoke.core import Context, Group, Layer
from coderack.smoke.expect import answer, dig, need, stream
from coderack.smoke.openai_shape import read_chat, read_chat_stream
from coderack.smoke.turn import Turn, final_text, the_call

GROUP = Group()
CHAT = "/v1/chat/completions"


def ask(at: Layer, messages: list[Any], streamed: bool = False, **more: Any) -> tuple[Turn, str]:
    """Ask for a chat completion; returns the turn and the time it took, for evidence."""
    body = {
        "model": at.model,
        "messages": messages,
        "max_tokens": questions.ROOM,
        "temperature": 0,
        **more,
    }
    if not streamed:
        reply = at.post(CHAT, body)
        return read_chat(reply), f"{reply.seconds:.2f} s"
    reply = at.post(CHAT, {**body, "stream": True, "stream_options": {"include_usage": True}})
    turn = read_chat_stream(reply)
    first = reply.events[0].at
    return turn, f"{reply.seconds:.2f} s, {len(reply.events)} chunks, first after {first:.2f} s"


@GROUP.check("models", "Models are listed with their true window", asks=("gateway", "edge"))
def models(ctx: Context, at: Layer) -> str:
    """Clients plan by the listed window: too large breaks them, too small wastes memory."""
    listed = {dig(model, "id"): model for model in dig(answer(at.get("/v1/models")), "data")}
    need(ctx.model in listed, f"{ctx.model} in /v1/models", sorted(listed))
    true = max_model_len(ctx.layers["engine"]) if "engine" in ctx.layers else ctx.expect_window
    windows = {
        name: model.get("max_input_tokens")
        for name, model in listed.items()
        if name in (ctx.model, ctx.claude_model)
    }
    for name, window in windows.items():
        need(
            window == true if true is not None else bool(window),
            f"{name} with max_input_tokens {true or '(any)'}, the engine's window",
            listed[name],
        )
    return f"{', '.join(sorted(listed))}; {ctx.model} has {windows[ctx.model]} tokens"


@GROUP.check("chat", "Chat completion")
def chat(ctx: Context, at: Layer) -> str:
    """The plainest question."""
    turn, time = ask(at, [questions.user(questions.GREETING)])
    final_text(turn, "stop")
    return f"{turn.text.strip()[:40]!r} in {time}"


@GROUP.check("chat-stream", "Chat completion, streamed: chunks in order, usage, [DONE]")
def chat_stream(ctx: Context, at: Layer) -> str:
    """A stream of one chunk would be a whole answer that somebody buffered."""
    turn, time = ask(at, [questions.user(questions.GREETING)], streamed=True)
    final_text(turn, "stop")
    return f"{turn.text.strip()[:40]!r} in {time}"


@GROUP.check("chat-tool", "Tool call and its result on /v1/chat/completions", feature="tools")
def chat_tool(ctx: Context, at: Layer) -> str:
    """Whole answers."""
    return _tool(at, streamed=False)


@GROUP.check("chat-tool-stream", "The same, streamed", feature="tools")
def chat_tool_stream(ctx: Context, at: Layer) -> str:
    """Streamed answers, put together from their deltas."""
    return _tool(at, streamed=True)


def _tool(at: Layer, streamed: bool) -> str:
    messages: list[Any] = [questions.user(questions.WEATHER)]
    tools = [questions.OPENAI_TOOL]
    turn, time = ask(at, messages, streamed, tools=tools)
    call = the_call(turn, "tool_calls")
    result = {"role": "tool", "tool_call_id": call.id, "content": questions.WEATHER_RESULT}
    last, last_time = ask(at, [*messages, turn.raw, result], streamed, tools=tools)
    final_text(last, "stop")
    return f"{call} in {time}; then {last.text.strip()[:30]!r} in {last_time}"


@GROUP.check("chat-tool-required", "tool_choice required gives a tool call", feature="tools")
def chat_tool_required(ctx: Context, at: Layer) -> str:
    """Decoding is constrained here, which is another code path in the engine."""
    messages = [questions.user(questions.WEATHER)]
    turn, time = ask(at, messages, tools=[questions.OPENAI_TOOL], tool_choice="required")
    call = the_call(turn, turn.stop)
    need(turn.stop in ("tool_calls", "stop"), "finish_reason tool_calls or stop", turn.stop)
    return f"{call} in {time}, finish_reason {turn.stop}"


@GROUP.check(
    "chat-reasoning", "Reasoning is separated on /v1/chat/completions", feature="reasoning"
)
def chat_reasoning(ctx: Context, at: Layer) -> str:
    """Both forms, because the engine parses a stream with other code than a whole answer."""
    lengths = []
    for streamed in (False, True):
        turn, _ = ask(at, [questions.user(questions.GREETING)], streamed)
        final_text(turn, "stop")
        need(
            turn.reasoning.strip() != "",
            f"reasoning_content in the {'streamed' if streamed else 'whole'} answer",
            {"text": turn.text, "order": turn.order},
            "--reasoning-parser, or a model that does not think: --no-reasoning",
        )
        need("think>" not in turn.reasoning, "reasoning without tags", turn.reasoning)
        lengths.append(len(turn.reasoning))
    return f"{lengths[0]} characters of reasoning whole, {lengths[1]} streamed"


@GROUP.check("chat-stop-reasons", "finish_reason is stop, length and tool_calls where due")
def chat_stop_reasons(ctx: Context, at: Layer) -> str:
    """Agents decide by these what to do next."""
    greeting = [questions.user(questions.GREETING)]
    seen: list[str] = []
    for streamed in (False, True):
        _stops(ask(at, greeting, streamed)[0], "stop", seen)
        _stops(ask(at, greeting, streamed, max_tokens=1)[0], "length", seen)
        if "tools" not in ctx.without:
            weather = [questions.user(questions.WEATHER)]
            turn = ask(at, weather, streamed, tools=[questions.OPENAI_TOOL])[0]
            _stops(turn, "tool_calls", seen)
    return ", ".join(seen) + " (whole, then streamed)"


def _stops(turn: Turn, wanted: str, seen: list[str]) -> None:
    need(turn.stop == wanted, f"finish_reason {wanted}", {"stop": turn.stop, "text": turn.text})
    seen.append(turn.stop)


@GROUP.check("chat-stream-order", "Chunks of a streamed tool call come in order", feature="tools")
def chat_stream_order(ctx: Context, at: Layer) -> str:
    """Role, reasoning, text, calls counted from 0, finish, usage, [DONE]."""
    messages = [questions.user(questions.WEATHER)]
    turn, _ = ask(at, messages, streamed=True, tools=[questions.OPENAI_TOOL])
    the_call(turn, "tool_calls")
    need(turn.order[-1] == "[DONE]", "[DONE] last", turn.order)
    return " > ".join(turn.order)


@GROUP.check("completions", "/v1/completions, whole and streamed")
def completions(ctx: Context, at: Layer) -> str:
    """The path that completion at the cursor uses; any text will do."""
    body = {"model": at.model, "prompt": "def add(a, b):\n", "max_tokens": 8, "temperature": 0}
    document = answer(at.post("/v1/completions", body))
    text, tokens = _completion(document), dig(document, "usage", "completion_tokens")
    need(0 < tokens <= 8, "1 to 8 tokens", tokens)
    streamed = _streamed(stream(at.post("/v1/completions", {**body, "stream": True})))
    return f"{tokens} tokens, {len(text)} characters; streamed {len(streamed)} characters"


def _streamed(events: list[tuple[str, Any]]) -> str:
    need(events[-1][1] == "[DONE]", "data: [DONE] at the end", events[-1][1])
    text, reason = "", None
    for _, chunk in events[:-1]:
        if not dig(chunk, "choices") or "usage" in chunk:
            continue
        choice = dig(chunk, "choices", 0)
        # LiteLLM closes with a chunk of its own that has a finish_reason and no text at all.
        last = choice.get("finish_reason")
        need(last or isinstance(choice.get("text"), str), "a text in every chunk", chunk)
        need(reason is None, "no choice after finish_reason", chunk)
        text, reason = text + (choice.get("text") or ""), last
    need(reason in ("stop", "length"), "finish_reason stop or length", reason)
    return text


def _completion(document: Any) -> str:
    text = dig(document, "choices", 0, "text")
    need(isinstance(text, str), "a text", document)
    reason = dig(document, "choices", 0, "finish_reason")
    need(reason in ("stop", "length"), "finish_reason stop or length", reason)
    return str(text)
