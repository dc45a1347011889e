"""Which layer is blamed, and what happens when one does not answer at all."""

from __future__ import annotations

import dataclasses
import socket
from typing import Callable

import pytest
from smoke_fake import Stack

from coderack.smoke import runner
from coderack.smoke.checks import all_checks
from coderack.smoke.core import LAYERS, Check, Context, Failed, Layer, Skipped

CHECKS = all_checks()
Only = Callable[..., Context]


@pytest.mark.parametrize(
    ("verdicts", "suspects"),
    [
        ({"engine": "fail", "hold": "fail", "gateway": "fail", "edge": "fail"}, ["engine"]),
        ({"engine": "pass", "hold": "fail", "gateway": "fail", "edge": "fail"}, ["hold"]),
        ({"engine": "pass", "gateway": "fail", "edge": "fail"}, ["hold", "gateway"]),
        ({"engine": "pass", "edge": "fail"}, ["hold", "gateway", "edge"]),
        ({"gateway": "pass", "edge": "fail"}, ["edge"]),
        ({"gateway": "fail", "edge": "fail"}, ["engine", "hold", "gateway"]),
        ({"edge": "fail"}, list(LAYERS)),
        ({"engine": "pass", "edge": "pass"}, []),
    ],
)
def test_suspects(verdicts: dict[str, str], suspects: list[str]) -> None:
    assert runner.suspected(LAYERS, verdicts) == suspects


def test_layers_that_are_not_asked_are_no_suspects() -> None:
    assert runner.suspected(("gateway", "edge"), {"edge": "fail"}) == ["gateway", "edge"]


def test_a_fault_behind_an_unknown_hold_is_the_gateways(stack: Stack, only: Only) -> None:
    stack.world.break_at("hold", "no-key-mapping")
    (result,) = runner.run(only("engine", "gateway", "edge"), [CHECKS["messages"]])
    assert result.layer == "gateway"
    assert result.suspects == ("hold", "gateway")
    assert "coderack-hold" in result.next
    assert "coderack-gateway" in result.next


def test_from_a_remote_machine_the_layer_is_unknown(stack: Stack, only: Only) -> None:
    stack.world.break_at("gateway", "wrong-stop")
    (result,) = runner.run(only("edge"), [CHECKS["chat"]])
    assert result.layer == "unknown"
    assert result.suspects == LAYERS
    assert "coderack status" in result.next


def test_from_a_remote_machine_the_rest_still_passes(only: Only) -> None:
    results = runner.run(only("edge"), CHECKS.values())
    skipped = {result.id: result.reason for result in results if result.verdict == "skip"}
    assert [r.id for r in results if r.verdict == "fail"] == []
    assert skipped == {
        "edge-tls": "the base URL is not https",
        "gateway-health": "no gateway URL given",
        "engine-health": "no engine URL given",
        "engine-window": "no engine URL given",
        "prefix-cache": "no engine URL given",
    }


def test_the_engine_alone_can_be_asked(only: Only) -> None:
    results = {r.id: r.verdict for r in runner.run(only("engine"), CHECKS.values())}
    assert results["messages-tool-stream"] == results["prefix-cache"] == "pass"
    assert results["models"] == results["hidden-paths"] == "skip"
    assert "fail" not in results.values()


@pytest.mark.parametrize(
    ("down", "first", "spared"),
    [("engine", "engine-health", "key-wrong"), ("gateway", "gateway-health", "hidden-paths")],
)
def test_a_layer_that_is_down_is_one_failure(
    ctx: Context, down: str, first: str, spared: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    dead = dataclasses.replace(ctx.layers[down], url=f"http://127.0.0.1:{port}")
    ctx = dataclasses.replace(ctx, layers={**ctx.layers, down: dead})
    results = {result.id: result for result in runner.run(ctx, CHECKS.values())}
    failed = [result for result in results.values() if result.verdict == "fail"]
    assert [(result.id, result.layer) for result in failed] == [(first, down)]
    assert "ConnectionRefusedError" in failed[0].seen
    assert results["chat"].reason == f"{first} failed"
    assert results[spared].verdict == "pass"


def test_two_timeouts_are_enough(stack: Stack, ctx: Context) -> None:
    stack.world.hang = 1.0
    stack.world.break_at("gateway", "hang")
    # Only those that hang are hurried, or a busy machine would slow the others too much.
    hurried = {
        name: dataclasses.replace(ctx.layers[name], timeout=0.1) for name in ("gateway", "edge")
    }
    ctx = dataclasses.replace(ctx, layers={**ctx.layers, **hurried})
    names = ("chat", "chat-stream", "messages", "key-missing")
    results = runner.run(ctx, [CHECKS[name] for name in names])
    # A wrong key needs no model, so it is still asked.
    assert [result.verdict for result in results] == ["fail", "fail", "skip", "fail"]
    assert results[0].layer == "gateway"
    assert "no complete answer within 0.1 s" in results[0].seen
    assert results[2].reason == "2 checks timed out before this one"


def test_a_passing_fault_is_called_so(ctx: Context) -> None:
    asked: list[str] = []

    def flaky(ctx: Context, at: Layer) -> str:
        asked.append(at.name)
        if len(asked) == 1:
            raise Failed("calm", "a storm")
        return "calm"

    (result,) = runner.run(ctx, [Check("flaky", "Flaky", flaky, LAYERS)])
    assert result.verdict == "fail"
    assert (result.layer, result.suspects) == ("none", ())
    assert asked == ["edge", "engine", "hold", "gateway", "edge"]


def test_an_answer_of_an_unheard_of_shape_is_a_failure(ctx: Context) -> None:
    def strict(ctx: Context, at: Layer) -> str:
        return str([][1])

    (result,) = runner.run(ctx, [Check("strict", "Strict", strict, LAYERS)])
    assert result.verdict == "fail"
    assert "IndexError" in result.seen


def test_features_are_skipped_with_their_reason(ctx: Context) -> None:
    ctx = dataclasses.replace(ctx, without=frozenset({"tools", "claude"}))
    results = {result.id: result for result in runner.run(ctx, CHECKS.values())}
    assert results["chat-tool"].reason == "--no-tools"
    assert results["messages"].reason == "no Claude name given"
    assert "tool_calls" not in results["chat-stop-reasons"].evidence
    assert results["chat-reasoning"].verdict == "pass"


def test_a_check_can_skip_itself(ctx: Context) -> None:
    def pointless(ctx: Context, at: Layer) -> str:
        raise Skipped("because")

    (result,) = runner.run(ctx, [Check("p", "P", pointless, LAYERS)])
    assert (result.verdict, result.reason) == ("skip", "because")


def test_keys_do_not_reach_the_report(stack: Stack, ctx: Context) -> None:
    wrong = dataclasses.replace(ctx.layers["edge"], key="leaked-key")
    ctx = dataclasses.replace(ctx, layers={"edge": wrong}, secrets=("leaked-key",))
    (result,) = runner.run(ctx, [CHECKS["chat"]])
    assert "Unknown API key Bearer ***" in result.seen
    assert "leaked-key" not in repr(result)
