"""/v1/responses, as Codex uses it."""

from __future__ import annotations

from typing import Any

from coderack.smoke import questions
from coderack.smoke.core import Context, Group, Layer
from coderack.smoke.responses_shape import read_response, read_response_stream
from coderack.smoke.turn import Turn, final_text, the_call

GROUP = Group()


def ask(at: Layer, items: list[Any], streamed: bool, **more: Any) -> tuple[Turn, str]:
    """Ask for a response; returns the turn and the time it took, for evidence."""
    body = {
        "model": at.model,
        "input": items,
        "max_output_tokens": questions.ROOM,
        "store": False,
        **more,
    }
    if not streamed:
        reply = at.post("/v1/responses", body)
        return read_response(reply), f"{reply.seconds:.2f} s"
    reply = at.post("/v1/responses", {**body, "stream": True})
    return read_response_stream(reply), f"{reply.seconds:.2f} s, {len(reply.events)} events"


@GROUP.check("responses", "Response on /v1/responses")
def response(ctx: Context, at: Layer) -> str:
    """The plainest question."""
    turn, time = ask(at, [questions.user(questions.GREETING)], streamed=False)
    final_text(turn, "completed")
    return f"{turn.text.strip()[:40]!r} in {time}"


@GROUP.check("responses-stream", "Response, streamed: created first, completed last")
def response_stream(ctx: Context, at: Layer) -> str:
    """Deltas must add up to the final text."""
    turn, time = ask(at, [questions.user(questions.GREETING)], streamed=True)
    final_text(turn, "completed")
    return f"{turn.text.strip()[:40]!r} in {time}"


@GROUP.check("responses-tool", "Tool call and its result on /v1/responses", feature="tools")
def response_tool(ctx: Context, at: Layer) -> str:
    """Whole answers."""
    return _tool(at, streamed=False)


@GROUP.check("responses-tool-stream", "The same, streamed", feature="tools")
def response_tool_stream(ctx: Context, at: Layer) -> str:
    """Streamed answers, as Codex asks for them."""
    return _tool(at, streamed=True)


def _tool(at: Layer, streamed: bool) -> str:
    items: list[Any] = [questions.user(questions.WEATHER)]
    tools = [questions.RESPONSES_TOOL]
    turn, time = ask(at, items, streamed, tools=tools)
    call = the_call(turn, "completed")
    result = {
        "type": "function_call_output",
        "call_id": call.id,
        "output": questions.WEATHER_RESULT,
    }
    last, last_time = ask(at, [*items, *turn.raw, result], streamed, tools=tools)
    final_text(last, "completed")
    return f"{call} in {time}; then {last.text.strip()[:30]!r} in {last_time}"
