"""Prove over HTTP that the stand-in answers as it should, whatever the client sends around it.

``python prove.py --base-url http://127.0.0.1:8000 --api-key KEY --model coder`` prints a row for
each kind of request and stops with status 1 at the first kind that has a deviation. Every round
draws a temperature from 0 to 1.5, streaming, thinking and the text in front anew, from a fixed
seed. The base URL may be the engine or a gateway in front of it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable

# Runs as a plain script too, from anywhere.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from testbed.model.behaviour import CALLS, FALLBACK, FINAL, GREETING, THOUGHT, tool_schema

Json = dict[str, Any]
TEMPERATURES = (0.0, 0.4, 0.7, 1.0, 1.5)
TIMEOUT = 300.0
# In characters; four of the made-up text are about three tokens.
LENGTHS = (0, 30, 300, 3_000, 12_000)
LONG_LENGTHS = (20_000, 50_000, 80_000)
UNKNOWN_TOOL = tool_schema("lookup_order", {"order_id": ""})
UNKNOWN_TOOL["function"]["strict"] = True


@dataclass
class Turn:
    """A conversation in OpenAI's form, and how to send it."""

    messages: list[Json]
    tools: list[Json] = field(default_factory=list)
    tool_choice: Any = None
    temperature: float = 0.0
    stream: bool = False
    thinking: bool = True


@dataclass
class Outcome:
    """What came back, in one shape for both APIs and both ways of sending."""

    text: str = ""
    thought: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    reason: str = ""

    def add_call(self, index: int, name: str, arguments: str) -> None:
        """Add a piece of a call, which a stream sends in many."""
        while len(self.calls) <= index:
            self.calls.append(("", ""))
        known_name, known_arguments = self.calls[index]
        self.calls[index] = (known_name + name, known_arguments + arguments)


class Client:
    """Speaks both APIs of the engine."""

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        """Keep where to send and as whom."""
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._model = model

    def chat(self, turn: Turn) -> Outcome:
        """Send the turn to /v1/chat/completions."""
        body: Json = {
            "messages": turn.messages,
            "temperature": turn.temperature,
            "stream": turn.stream,
            "max_tokens": 200,
            "chat_template_kwargs": {"enable_thinking": turn.thinking},
        }
        if turn.tools:
            body |= {"tools": turn.tools, "tool_choice": turn.tool_choice or "auto"}
        return read_chat(self._post("/v1/chat/completions", body))

    def messages(self, turn: Turn) -> Outcome:
        """Send the turn to /v1/messages."""
        body: Json = {
            "messages": [anthropic_message(message) for message in turn.messages],
            "temperature": turn.temperature,
            "stream": turn.stream,
            "max_tokens": 200,
            "thinking": {"type": "adaptive" if turn.thinking else "disabled"},
        }
        if turn.tools:
            body["tools"] = [anthropic_tool(tool) for tool in turn.tools]
        if turn.tool_choice:
            body["tool_choice"] = {"type": "any"}
        return read_messages(self._post("/v1/messages", body))

    def completion(self, prompt: str, temperature: float) -> str:
        """Send a bare prompt to /v1/completions."""
        body: Json = {"prompt": prompt, "temperature": temperature, "max_tokens": 32}
        (answer,) = self._post("/v1/completions", body)
        return str(answer["choices"][0]["text"])

    def _post(self, path: str, body: Json) -> Iterator[Json]:
        request = urllib.request.Request(
            self._base_url + path,
            json.dumps({"model": self._model, **body}).encode(),
            {
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self._api_key}",
                "anthropic-version": "2023-06-01",
            },
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            if not body.get("stream"):
                yield json.load(response)
                return
            for line in response:
                if line.startswith(b"data: {"):
                    yield json.loads(line[len(b"data: ") :])


def anthropic_message(message: Json) -> Json:
    """Turn an OpenAI message into Anthropic's form."""
    if message["role"] == "tool":
        block = {"type": "tool_result", "content": message["content"]}
        return {"role": "user", "content": [block | {"tool_use_id": message["tool_call_id"]}]}
    if "tool_calls" not in message:
        return message
    blocks = [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": json.loads(call["function"]["arguments"]),
        }
        for call in message["tool_calls"]
    ]
    return {"role": "assistant", "content": blocks}


def anthropic_tool(tool: Json) -> Json:
    """Turn an OpenAI tool into Anthropic's form."""
    function = tool["function"]
    return {"name": function["name"], "input_schema": function["parameters"]}


def read_chat(parts: Iterator[Json]) -> Outcome:
    """Put the answer of /v1/chat/completions together, whole or in pieces."""
    outcome = Outcome()
    for part in parts:
        for choice in part["choices"]:
            piece = choice.get("delta") or choice.get("message") or {}
            outcome.text += piece.get("content") or ""
            outcome.thought += piece.get("reasoning") or piece.get("reasoning_content") or ""
            outcome.reason = choice.get("finish_reason") or outcome.reason
            for position, call in enumerate(piece.get("tool_calls") or []):
                function = call["function"]
                name, arguments = function.get("name") or "", function.get("arguments") or ""
                outcome.add_call(call.get("index", position), name, arguments)
    return outcome


def read_messages(parts: Iterator[Json]) -> Outcome:
    """Put the answer of /v1/messages together, whole or in pieces."""
    outcome = Outcome()
    for part in parts:
        outcome.reason = part.get("stop_reason") or outcome.reason
        for block in part.get("content") or []:
            read_block(outcome, block)
        delta = part.get("delta") or {}
        outcome.text += delta.get("text") or ""
        outcome.thought += delta.get("thinking") or ""
        outcome.reason = delta.get("stop_reason") or outcome.reason
        if part.get("type") == "content_block_start":
            read_block(outcome, part["content_block"])
        if delta.get("type") == "input_json_delta":
            outcome.add_call(len(outcome.calls) - 1, "", delta["partial_json"])
    return outcome


def read_block(outcome: Outcome, block: Json) -> None:
    """Read a content block: whole, or the empty one that opens a streamed block."""
    outcome.text += block.get("text") or ""
    outcome.thought += block.get("thinking") or ""
    if block["type"] == "tool_use":
        given = json.dumps(block["input"]) if block.get("input") else ""
        outcome.add_call(len(outcome.calls), block["name"], given)


def filler(rng: random.Random, length: int) -> str:
    """Make up text that the model cannot have been trained on."""
    words = []
    while length > 0:
        word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9)))
        words.append(word + rng.choice((" ", " ", " ", ", ", ".\n")))
        length -= len(words[-1])
    return "".join(words)


def user(text: str) -> Json:
    """Return a user message."""
    return {"role": "user", "content": text}


def reminder(rng: random.Random) -> str:
    """Return what Claude Code adds to a user message."""
    return f"<system-reminder>\n{filler(rng, rng.choice(LENGTHS[1:4]))}\n</system-reminder>"


def tool_turn(rng: random.Random, name: str) -> list[Json]:
    """Return a call of a tool and its result."""
    function = {"name": name, "arguments": json.dumps(CALLS[name])}
    return [
        user(filler(rng, rng.choice(LENGTHS)) + f"\ncall {name}"),
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call-1", "type": "function", "function": function}],
        },
        {
            "role": "tool",
            "tool_call_id": "call-1",
            "content": rng.choice(("coderack", "", filler(rng, 3_000))),
        },
    ]


def some_call(rng: random.Random) -> str:
    """Pick one of the tools."""
    return rng.choice(list(CALLS))


def tools_for(name: str) -> list[Json]:
    """Return all tools, so that the model has to choose."""
    return [tool_schema(other, CALLS[other]) for other in CALLS if other != name] + [
        tool_schema(name, CALLS[name])
    ]


def wrong_call(outcome: Outcome, name: str) -> str:
    """Say what is wrong with the one call that is due, or nothing."""
    if len(outcome.calls) != 1 or outcome.calls[0][0] != name:
        return f"not one call of {name}"
    if json.loads(outcome.calls[0][1]) != CALLS[name]:
        return "wrong arguments"
    if outcome.text.strip():
        return "text beside the call"
    # A forced call of a named tool ends in "stop" in OpenAI's API.
    return "" if outcome.reason in ("tool_calls", "tool_use", "stop") else "wrong finish reason"


def wrong_text(outcome: Outcome, text: str) -> str:
    """Say what is wrong with an answer in words, or nothing."""
    if outcome.calls:
        return "a call where words are due"
    if outcome.text.strip() != text:
        return "wrong text"
    return "" if outcome.reason in ("stop", "end_turn") else "wrong finish reason"


def wrong_thought(outcome: Outcome, turn: Turn) -> str:
    """Say whether there is a thought where none is due, or the other way round."""
    return "" if outcome.thought.strip() == (THOUGHT if turn.thinking else "") else "wrong thought"


Judge = Callable[[Outcome], str]
Scene = Callable[[random.Random], tuple[Turn, Judge]]


def greets(rng: random.Random) -> tuple[Turn, Judge]:
    """Ask for the greeting."""
    before = filler(rng, rng.choice(LENGTHS))
    return Turn([user(f"{before} say hi".strip())]), lambda got: wrong_text(got, GREETING)


def calls(name: str) -> Scene:
    """Ask for a call of this tool."""

    def scene(rng: random.Random) -> tuple[Turn, Judge]:
        before = filler(rng, rng.choice(LENGTHS))
        turn = Turn([user(f"{before}call {name}")], tools_for(name))
        return turn, lambda got: wrong_call(got, name)

    return scene


def ends_after_result(rng: random.Random) -> tuple[Turn, Judge]:
    """Hand over a tool's result."""
    name = some_call(rng)
    return Turn(tool_turn(rng, name), tools_for(name)), lambda got: wrong_text(got, FINAL)


def goes_on(rng: random.Random) -> tuple[Turn, Judge]:
    """Ask for a call after a system prompt and earlier turns."""
    first, second = some_call(rng), some_call(rng)
    messages = [
        {"role": "system", "content": filler(rng, rng.choice(LENGTHS))},
        *tool_turn(rng, first),
        {"role": "assistant", "content": FINAL},
        user(f"Fine, call {second}"),
    ]
    return Turn(messages, tools_for(second)), lambda got: wrong_call(got, second)


def sees_past_reminders(rng: random.Random) -> tuple[Turn, Judge]:
    """Put reminders around the request, and a system message after it."""
    name = some_call(rng)
    parts = [reminder(rng), f"call {name}"]
    parts += [reminder(rng)] if rng.random() < 0.5 else []
    messages = [user("\n".join(parts))]
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": filler(rng, rng.choice(LENGTHS[1:4]))})
    return Turn(messages, tools_for(name)), lambda got: wrong_call(got, name)


def reads_long(rng: random.Random) -> tuple[Turn, Judge]:
    """Put up to about 60000 tokens in front of the request."""
    name = some_call(rng)
    turn = Turn([user(f"{filler(rng, rng.choice(LONG_LENGTHS))} call {name}")], tools_for(name))
    return turn, lambda got: wrong_call(got, name)


def falls_back(rng: random.Random) -> tuple[Turn, Judge]:
    """Ask for what it does not know, near misses among it."""
    text = rng.choice(("What now?", "call me", "say hello", "", f"{some_call(rng)} is a tool"))
    turn = Turn([user(filler(rng, rng.choice(LENGTHS[1:])) + "\n" + text)])
    return turn, lambda got: wrong_text(got, FALLBACK)


def must_call(rng: random.Random) -> tuple[Turn, Judge]:
    """Ask for a call and require one, which turns the grammar on."""
    name = some_call(rng)
    turn = Turn([user(f"call {name}")], tools_for(name), tool_choice="required")
    return turn, lambda got: wrong_call(got, name)


def must_call_unknown(rng: random.Random) -> tuple[Turn, Judge]:
    """Require a call of a tool that it never saw: the grammar alone leads it."""

    def judge(got: Outcome) -> str:
        if [name for name, _ in got.calls] != ["lookup_order"]:
            return "not one call of lookup_order"
        return "" if list(json.loads(got.calls[0][1])) == ["order_id"] else "wrong arguments"

    turn = Turn([user(filler(rng, 200))], [UNKNOWN_TOOL], tool_choice="required")
    return turn, judge


SCENES: dict[str, Scene] = {
    "greeting": greets,
    **{f"call {name}": calls(name) for name in CALLS},
    "tool result": ends_after_result,
    "later turn": goes_on,
    "reminders": sees_past_reminders,
    "long prompt": reads_long,
    "fallback": falls_back,
    "required": must_call,
}
APIS: dict[str, Callable[[Client, Turn], Outcome]] = {
    "chat": Client.chat,
    "messages": Client.messages,
}


def play(client: Client, api: str, scene: Scene, rng: random.Random) -> str:
    """Play one round; return what is wrong with it, or nothing."""
    turn, judge = scene(rng)
    turn.temperature = rng.choice(TEMPERATURES)
    turn.stream = rng.random() < 0.5
    turn.thinking = rng.random() < 0.5
    try:
        outcome = APIS[api](client, turn)
        wrong = judge(outcome) or wrong_thought(outcome, turn)
    except urllib.error.HTTPError as error:
        return f"{error}: {error.read().decode(errors='replace')[:500]}"
    except (OSError, ValueError, LookupError) as error:
        return repr(error)
    sent = f"temperature {turn.temperature}, stream {turn.stream}, thinking {turn.thinking}"
    return f"{wrong}: {outcome} ({sent})" if wrong else ""


def completes(client: Client, rng: random.Random) -> str:
    """Complete a bare prompt; any text will do."""
    prompt = filler(rng, rng.choice(LENGTHS)) or "x"
    try:
        return "" if client.completion(prompt, rng.choice(TEMPERATURES)) else "no text"
    except (OSError, ValueError, LookupError) as error:
        return repr(error)


def rows(client: Client) -> Iterator[tuple[str, Callable[[random.Random], str]]]:
    """Yield every kind of request with the function that plays a round of it."""
    for api in APIS:
        for name, scene in SCENES.items():
            yield f"{api}: {name}", partial(play, client, api, scene)
    # Anthropic's API has no strict tools, without which the engine leaves the arguments free.
    yield "chat: required, unknown tool", partial(play, client, "chat", must_call_unknown)
    yield "completions", partial(completes, client)


def main() -> int:
    """Play all rounds of every kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    client = Client(options.base_url, options.api_key, options.model)
    for title, play_round in rows(client):
        started = time.monotonic()
        results = [play_round(random.Random(f"{title} {i}")) for i in range(options.rounds)]
        wrong = [result for result in results if result]
        right = options.rounds - len(wrong)
        seconds = time.monotonic() - started
        print(f"{title:30} {right:3}/{options.rounds} {seconds:7.1f} s", flush=True)
        if wrong:
            print(wrong[0])
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
