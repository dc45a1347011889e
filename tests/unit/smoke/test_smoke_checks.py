"""Every check passes on a right stack, and fails for the right reason at the right layer."""

from __future__ import annotations

import pytest
from smoke_fake import Stack

from coderack.smoke import runner
from coderack.smoke.checks import all_checks
from coderack.smoke.core import Context

CHECKS = all_checks()

# check, what is broken, where, and words of the report that name the reason
BROKEN = [
    ("gateway-health", "not-alive", "gateway", "HTTP 503"),
    ("engine-health", "unhealthy", "engine", "HTTP 503"),
    ("engine-health", "no-token", "engine", "one token"),
    ("engine-window", "window", "engine", "max_model_len 4096"),
    ("engine-window", "not-listed", "engine", "coder in the engine's /v1/models"),
    ("models", "window", "gateway", "max_input_tokens 4096"),
    ("models", "not-listed", "edge", "coder in /v1/models"),
    ("chat", "empty-text", "engine", "a text"),
    ("chat", "think-in-text", "gateway", "without thinking tags"),
    ("chat", "wrong-stop", "edge", "stop reason stop"),
    ("chat", "no-count", "gateway", "a count of input tokens"),
    ("chat-stream", "no-done", "gateway", "[DONE] at the end"),
    ("chat-stream", "no-usage", "engine", "usage before [DONE]"),
    ("chat-stream", "no-role", "gateway", "role assistant"),
    ("chat-stream", "finish-early", "engine", "no content after finish_reason"),
    ("chat-stream", "ids-differ", "gateway", "one id in all chunks"),
    ("chat-stream", "error-in-stream", "gateway", "a stream without error"),
    ("chat-stream", "cut", "edge", "[DONE] at the end"),
    ("chat-tool", "call-as-text", "engine", "--tool-call-parser"),
    ("chat-tool", "bad-arguments", "gateway", "tool arguments that are a JSON object"),
    ("chat-tool", "no-city", "engine", "the argument 'city'"),
    ("chat-tool-stream", "call-as-text", "engine", "one call of get_weather"),
    ("chat-tool-stream", "bad-arguments", "engine", "tool arguments that are a JSON object"),
    ("chat-tool-required", "call-as-text", "engine", "one call of get_weather"),
    ("chat-reasoning", "no-thinking", "engine", "--reasoning-parser"),
    ("chat-reasoning", "think-in-text", "gateway", "without thinking tags"),
    ("chat-stop-reasons", "wrong-stop", "engine", "finish_reason stop"),
    ("chat-stream-order", "call-index", "gateway", "indexes that count up from 0"),
    ("chat-stream-order", "no-usage", "gateway", "usage before [DONE]"),
    ("completions", "no-completion-text", "engine", "choices.0.text"),
    ("completions", "finish-early", "gateway", "no choice after finish_reason"),
    ("completions", "no-done", "edge", "[DONE] at the end"),
    ("messages", "empty-text", "engine", "a text"),
    ("messages", "no-key-mapping", "hold", "HTTP 401"),
    ("messages", "wrong-stop", "gateway", "stop reason end_turn"),
    ("messages-stream", "no-done", "engine", "message_stop at the end"),
    ("messages-stream", "done-on-messages", "gateway", "no [DONE]"),
    ("messages-stream", "no-event-names", "gateway", "event: message_start"),
    ("messages-stream", "no-count", "gateway", "above 0 in message_start"),
    ("messages-stream", "error-in-stream", "engine", "a stream without error"),
    ("messages-stream", "cut", "edge", "message_stop at the end"),
    ("messages-key-headers", "no-x-api-key", "gateway", "HTTP 200 with the key in x-api-key"),
    ("messages-key-headers", "no-key-mapping", "hold", "HTTP 401"),
    ("messages-tool", "call-as-text", "engine", "--tool-call-parser"),
    ("messages-tool", "call-swallowed", "engine", "may have swallowed the call"),
    ("messages-tool", "bad-arguments", "engine", "tool arguments that are a JSON object"),
    ("messages-tool-stream", "call-as-text", "engine", "one call of get_weather"),
    ("messages-tool-stream", "bad-arguments", "gateway", "tool arguments that are a JSON object"),
    ("messages-reasoning", "no-thinking", "engine", "a thinking block first"),
    ("messages-stop-reasons", "wrong-stop", "engine", "stop_reason end_turn"),
    ("messages-stream-order", "delta-before-start", "engine", "content_block_start or"),
    ("messages-stream-order", "index-stuck", "gateway", "index 1 in content_block_start"),
    ("messages-stream-order", "block-left-open", "engine", "content_block_stop after"),
    ("count-tokens", "estimate", "gateway", "input tokens that a real message used"),
    ("responses", "empty-text", "engine", "a text"),
    ("responses", "wrong-stop", "gateway", "stop reason completed"),
    ("responses-stream", "no-created", "gateway", "response.created first"),
    ("responses-stream", "no-done", "engine", "response.completed at the end"),
    ("responses-stream", "delta-lost", "gateway", "text deltas that add up"),
    ("responses-stream", "sequence", "gateway", "rising sequence numbers"),
    ("responses-tool", "call-as-text", "engine", "one call of get_weather"),
    ("responses-tool-stream", "delta-lost", "gateway", "argument"),
    ("prefix-cache", "no-prefix-cache", "engine", "rose by 0"),
    ("prefix-cache", "no-metric", "engine", "in the engine's /metrics"),
    ("hidden-paths", "no-allowlist", "edge", "GET /metrics 200"),
    ("key-missing", "any-key", "gateway", "POST /v1/messages 200"),
    ("key-missing", "refuses-500", "gateway", "500"),
    ("key-wrong", "any-key", "edge", "x-api-key 200"),
    ("model-unknown", "unknown-500", "gateway", "HTTP 500"),
    ("model-unknown", "unnamed", "edge", "an error that names the model"),
]


def test_right_stack_passes(ctx: Context) -> None:
    results = runner.run(ctx, CHECKS.values())
    assert [(r.id, r.seen) for r in results if r.verdict == "fail"] == []
    skipped = {result.id: result.reason for result in results if result.verdict == "skip"}
    assert skipped == {"edge-tls": "the base URL is not https"}
    assert all(result.evidence for result in results if result.verdict == "pass")


@pytest.mark.parametrize(("check", "fault", "layer", "words"), BROKEN)
def test_broken_stack_fails(
    stack: Stack, ctx: Context, check: str, fault: str, layer: str, words: str
) -> None:
    stack.world.break_at(layer, fault)
    (result,) = runner.run(ctx, [CHECKS[check]])
    said = f"expected {result.expected}; seen {result.seen}; hint {result.hint}"
    assert result.verdict == "fail", result.evidence
    assert words in said
    assert (result.layer, result.suspects) == (layer, (layer,)), result.asked
    assert "journalctl" in result.next


def test_every_check_has_a_failing_test() -> None:
    # edge-tls has its own file: it needs certificates.
    assert {row[0] for row in BROKEN} == set(CHECKS) - {"edge-tls"}


def test_ids_are_stable_words() -> None:
    assert all(name == name.lower() and " " not in name for name in CHECKS)
    assert len(CHECKS) == 32
