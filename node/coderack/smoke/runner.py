"""Runs checks one after the other and finds the layer that a failure comes from."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Callable

from coderack.smoke.core import LAYERS, Asked, Check, Context, Failed, Layer, Result, Skipped

# A hold keeps requests for up to an hour: thirty timeouts would say no more than two.
_TIMEOUTS = 2

_NEXT = {
    "engine": "journalctl -u coderack-engine-{model}",
    "hold": "journalctl -u coderack-hold",
    "gateway": "journalctl -u coderack-gateway",
    "edge": "journalctl -u coderack-edge",
}
_FEATURES = {
    "tools": "--no-tools",
    "reasoning": "--no-reasoning",
    "claude": "no Claude name given",
}


def run(
    ctx: Context, checks: Iterable[Check], told: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """Run the checks in order; `told` hears of each result as it comes."""
    results: list[Result] = []
    failed: set[str] = set()
    timeouts = 0
    for check in checks:
        start = time.monotonic()
        reason = _why_not(ctx, check, failed, timeouts)
        if reason:
            result = Result(check.id, check.title, "skip", 0.0, reason=reason)
        else:
            result, timed_out = _ask(ctx, check)
            timeouts += timed_out
        if result.verdict == "fail":
            failed.add(check.id)
        result = replace(result, seconds=round(time.monotonic() - start, 3))
        results.append(result)
        told(result)
    return results


def _why_not(ctx: Context, check: Check, failed: set[str], timeouts: int) -> str:
    for feature in check.feature.split():
        if feature in ctx.without:
            return _FEATURES[feature]
    known = [layer for layer in check.asks if layer in ctx.layers]
    if not known:
        return f"no {check.asks[0]} URL given"
    for need in check.needs:
        if need in failed and (need != "edge-tls" or known[-1] == "edge"):
            return f"{need} failed"
    if timeouts >= _TIMEOUTS and "engine" in check.asks:
        return f"{timeouts} checks timed out before this one"
    return ""


def _ask(ctx: Context, check: Check) -> tuple[Result, bool]:
    """Put the question to the outermost known layer; on failure to the others as well."""
    front = [ctx.layers[name] for name in check.asks if name in ctx.layers][-1]
    result = Result(check.id, check.title, "pass", 0.0)
    try:
        return replace(result, evidence=_put(ctx, check, front)), False
    except Skipped as skipped:
        return replace(result, verdict="skip", reason=str(skipped)), False
    except Failed as failure:
        asked = [Asked(front.name, "fail", ctx.redact(failure.seen))]
        asked += _ask_inside(ctx, check, front)
        timed_out = failure.kind == "timeout"
        if all(one.verdict == "pass" for one in asked[1:]) and not timed_out:
            # Every layer inside is right, or none is known: was it a passing thing?
            again = _ask_one(ctx, check, front)
            if again.verdict == "pass":
                again = replace(again, said=f"asked again: {again.said}")
            asked.append(again)
        return _blamed(ctx, check, result, failure, asked), timed_out


def _put(ctx: Context, check: Check, layer: Layer) -> str:
    try:
        return ctx.redact(check.run(ctx, layer))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # A server may answer in shapes that no check thought of; that is its failure too.
        seen = f"{error.__class__.__name__}: {error}"
        raise Failed("an answer in the shape that the API documents", seen) from error


def _ask_inside(ctx: Context, check: Check, front: Layer) -> list[Asked]:
    inside = [name for name in check.asks if name in ctx.layers and name != front.name]
    return [_ask_one(ctx, check, ctx.layers[name]) for name in inside]


def _ask_one(ctx: Context, check: Check, layer: Layer) -> Asked:
    try:
        return Asked(layer.name, "pass", _put(ctx, check, layer))
    except Failed as failure:
        return Asked(layer.name, "fail", ctx.redact(failure.seen))
    except Skipped as skipped:
        return Asked(layer.name, "skip", str(skipped))


def _blamed(
    ctx: Context, check: Check, result: Result, failure: Failed, asked: list[Asked]
) -> Result:
    suspects = suspected(check.asks, {one.layer: one.verdict for one in asked})
    named = [name for name in suspects if name != "hold"] or suspects
    layer = named[0] if len(named) == 1 else "unknown"
    steps = [_NEXT[name].format(model=ctx.model) for name in suspects]
    if not suspects:
        layer, steps = "none", ["ask again: it passed the second time"]
    elif layer == "unknown":
        steps = ["coderack status, on the node", *steps]
    return replace(
        result,
        verdict="fail",
        expected=failure.expected,
        seen=ctx.redact(failure.seen),
        hint=failure.hint,
        layer=layer,
        suspects=tuple(suspects),
        asked=tuple(asked),
        next="; ".join(steps),
    )


def suspected(asks: tuple[str, ...], verdicts: dict[str, str]) -> list[str]:
    """Return the layers that may be at fault: after the last right one, up to the first wrong.

    A layer that was not asked stands between two that were, and stays a suspect.
    """
    suspects: list[str] = []
    for name in LAYERS:
        if name not in asks:
            continue
        verdict = verdicts.get(name)
        if verdict == "pass":
            suspects = []
            continue
        suspects.append(name)
        if verdict == "fail":
            return suspects
    return suspects
