"""What only the engine's own metrics tell."""

from __future__ import annotations

import uuid

from coderack.smoke import questions
from coderack.smoke.core import Context, Group, Layer
from coderack.smoke.expect import need, status
from coderack.smoke.openai_shape import read_chat

GROUP = Group()
_HITS = "vllm:prefix_cache_hits_total"


@GROUP.check("prefix-cache", "A second turn is served from the prefix cache")
def prefix_cache(ctx: Context, at: Layer) -> str:
    """The nonce makes the first turn new, so hits can only come from the second."""
    engine = ctx.engine
    rules = [f"Rule {n}: name every file you read, then go on to file {n + 1}." for n in range(150)]
    system = {"role": "system", "content": f"Session {uuid.uuid4()}.\n" + "\n".join(rules)}
    messages = [system, questions.user(questions.GREETING)]
    body = {"model": at.model, "messages": messages, "max_tokens": 16, "temperature": 0}
    first = read_chat(at.post("/v1/chat/completions", body))
    before = _hits(engine)
    said = {"role": "assistant", "content": first.text or "Hi."}
    body["messages"] = [*messages, said, questions.user(questions.GREETING)]
    second = read_chat(at.post("/v1/chat/completions", body))
    hits = _hits(engine) - before
    # Half, because blocks are coarse on hybrid models, and because on a busy engine a few
    # hits may be somebody else's.
    need(
        hits * 2 >= first.input_tokens,
        f"most of the first turn's {first.input_tokens} tokens from the cache in the second",
        f"{_HITS} rose by {hits:.0f}",
        "--no-enable-prefix-caching, or something before the engine changes the prefix",
    )
    return f"{hits:.0f} of {second.input_tokens} prompt tokens from the cache"


def _hits(engine: Layer) -> float:
    reply = engine.get("/metrics")
    status(reply, 200)
    values = [line.split()[-1] for line in reply.text.splitlines() if line.startswith(_HITS)]
    need(bool(values), f"{_HITS} in the engine's /metrics", reply.text[-200:])
    return sum(float(value) for value in values)
