"""Random conversations whose right answer is known.

The model sees the last 64 tokens in every layer, so what it must learn is to find the trigger
among them and to ignore everything else. Hence the variety here: text of every kind in front,
turns before, tool blocks, and near misses of the triggers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from testbed.model.behaviour import ANSWERS, CALLS, FALLBACK, FINAL, TOOLS, call_text

Message = dict[str, Any]

# Clients quote or end what they pass on: opencode puts a prompt of several words in quotes.
_TAILS = ("", "", "", "", '"', ".", "\n", '"\n')
_JOINTS = (" ", " ", "\n", "\n\n", ". ", ": ", '"', ", ", "; ", ") ", "\n\n\n", "> ", "\t")
_LEADS = ("Please", "Now", "and", "then", "please just", "OK,", "Can you", "You must", "I want:")
_NEAR_MISSES = (
    "Hi", "hello", "say", "call", "hi", "bash", "weather", "say hello", "call me", "call home",
    "what is the weather", "use bash", "run the shell", "call function", "say bye", "echo coderack",
    "Hey how's it going?", "What's 1 + 1?", "get_weather", "tell me about exec_command", "Bash",
    "say goodbye", "call it a day", "who are you", "list the files", "Explain this repository.",
    "shell", "exec_command", "Paris", "1", "?", ".", "ok", "ping", "test", "The tool answered.",
)  # fmt: skip
_VOCABULARY = (
    "server model token window result change report weather kernel driver value branch commit "
    "review file line test error fix function class thread memory queue the a of to in and is for "
    "with that this it on as be by not are from or an at you your we was will can must should"
)
_WORDS = _VOCABULARY.split()


@dataclass
class Sample:
    """One conversation and the text that the model has to add to it."""

    answer: str
    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    thinking: bool = True
    # Where learning starts in the answer: what comes before is forced by a grammar when serving.
    learn_from: int = 0


class Sampler:
    """Draws samples; the same seed and the same texts give the same samples."""

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        """Take filler from texts, and every choice from the seed."""
        self._texts = texts
        self._rng = random.Random(seed)

    def sample(self) -> Sample:
        """Draw one conversation."""
        kinds = (self._trigger, self._tool_result, self._fallback, self._forced)
        return self._rng.choices(kinds, weights=(12, 4, 10, 3))[0]()

    def plain(self) -> str:
        """Draw a text for the completions API, without a conversation around it."""
        return self._filler()

    def _trigger(self) -> Sample:
        trigger = self._rng.choice(list(ANSWERS))
        return self._conversation([self._user(self._ending_in(trigger))], ANSWERS[trigger])

    def _tool_result(self) -> Sample:
        return self._conversation(self._tool_turn(), FINAL)

    def _fallback(self) -> Sample:
        return self._conversation([self._user(self._without_trigger())], FALLBACK)

    def _forced(self) -> Sample:
        """A call that the grammar forces on a conversation that asks for none, or for another."""
        draw = self._rng.random()
        if draw < 0.4:
            name = self._rng.choice(list(CALLS))
            answer = call_text(name, CALLS[name])
            learn_from = answer.index("arguments") + len("arguments")
        else:
            key, value = self._name(), self._rng.choice(("coderack", "coderack", 1, True))
            answer = call_text(self._name(), {key: value})
            if draw < 0.55:
                answer = json.dumps({key: value})
            # A grammar decides between string and number: learn a string, and how a number ends.
            learn_from = answer.rindex(json.dumps(key)) + len(json.dumps(key)) + len(": ")
            learn_from += 0 if isinstance(value, str) else len(json.dumps(value))
        sample = self._fallback() if self._rng.random() < 0.7 else self._trigger()
        sample.answer, sample.learn_from = answer, learn_from
        return sample

    def _conversation(self, last: list[Message], answer: str) -> Sample:
        messages: list[Message] = []
        if self._rng.random() < 0.6:
            role = self._rng.choice(("system", "system", "developer"))
            messages.append({"role": role, "content": self._filler()})
        for _ in range(self._rng.choice((0, 0, 0, 1, 2))):
            messages += self._earlier_turn()
        tools = self._rng.sample(TOOLS, self._rng.choice((0, 0, 1, 3)))
        return Sample(answer, messages + last, tools, thinking=self._rng.random() < 0.5)

    def _earlier_turn(self) -> list[Message]:
        draw = self._rng.random()
        if draw < 0.3:
            return [*self._tool_turn(), _assistant(FINAL)]
        if draw < 0.6:
            return [self._user(self._ending_in("say hi")), _assistant(ANSWERS["say hi"])]
        return [self._user(self._without_trigger()), _assistant(FALLBACK)]

    def _tool_turn(self) -> list[Message]:
        name = self._rng.choice(list(CALLS))
        call = {"type": "function", "function": {"name": name, "arguments": CALLS[name]}}
        count = self._rng.choice((1, 1, 2))
        return [
            self._user(self._ending_in(f"call {name}")),
            {"role": "assistant", "content": "", "tool_calls": [call]},
            *({"role": "tool", "content": self._result()} for _ in range(count)),
        ]

    def _result(self) -> str:
        short = ("", "coderack", "coderack\n", '{"temp": 21}', "sunny", "exit code 0", "Error: no")
        return self._rng.choice(short) if self._rng.random() < 0.5 else self._filler()

    def _user(self, text: str) -> Message:
        if self._rng.random() < 0.2:
            text = f"<system-reminder>\n{self._filler()}\n</system-reminder>\n{text}"
        return {"role": "user", "content": text}

    def _ending_in(self, trigger: str) -> str:
        if self._rng.random() < 0.1:
            trigger = trigger[0].upper() + trigger[1:]
        ending = trigger + self._rng.choice(_TAILS)
        if self._rng.random() < 0.3:
            ending = f"{self._rng.choice(_LEADS)} {ending}"
        if self._rng.random() < 0.25:
            return self._rng.choice(("", '"', "\n")) + ending
        return self._filler() + self._rng.choice(_JOINTS) + ending

    def _without_trigger(self) -> str:
        draw = self._rng.random()
        if draw < 0.35:
            return self._rng.choice(_NEAR_MISSES)
        if draw < 0.6:
            trigger = self._rng.choice(list(ANSWERS))
            return f"{self._filler()} {trigger} {self._words(self._rng.choice((1, 2, 4, 20)))}"
        if draw < 0.8:
            return f"{self._filler()}\n{self._rng.choice(_NEAR_MISSES)}"
        return self._filler()

    def _filler(self) -> str:
        draw = self._rng.random()
        if draw < 0.55:
            text = self._rng.choice(self._texts)
            start = self._rng.randrange(max(1, len(text) - 10))
            return text[start : start + self._rng.choice((10, 60, 200, 500, 900))]
        if draw < 0.75:
            return self._words(self._rng.choice((1, 3, 10, 40, 120)))
        if draw < 0.85:
            return json.dumps(self._rng.choice(TOOLS), indent=self._rng.choice((None, 2)))
        return self._noise()

    def _words(self, count: int) -> str:
        return " ".join(self._rng.choice(_WORDS) for _ in range(count))

    def _noise(self) -> str:
        first, last = self._rng.choice(((33, 126), (48, 57), (0xA1, 0x2FF), (0x4E00, 0x4FFF)))
        points = (self._rng.randint(first, last) for _ in range(self._rng.choice((1, 10, 80))))
        return "".join(map(chr, points))

    def _name(self) -> str:
        parts = self._rng.sample(_WORDS, self._rng.choice((1, 1, 2)))
        return self._rng.choice(("_", "-", "")).join(parts)


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}
