"""The checks, one module for each group.

A check is a function that asks one layer one question; it returns its evidence or fails:

    @GROUP.check("chat-seed", "A seed is accepted")
    def chat_seed(ctx: Context, at: Layer) -> str:
        # why a client cares
        turn, time = ask(at, [questions.user(questions.GREETING)], seed=7)
        final_text(turn, "stop")
        return f"in {time}"

On a failure the runner asks the other layers the same question, so it must not name a layer
itself. Give it a row in BROKEN of tests/unit/smoke/test_smoke_checks.py: a fault of the fake
stack with which it fails.
"""

from __future__ import annotations

from coderack.smoke.checks import access, anthropic, engine, health, openai, responses
from coderack.smoke.core import Check

_ORDER = (health, openai, anthropic, responses, engine, access)


def all_checks() -> dict[str, Check]:
    """Return every check by its id, in the order in which they run."""
    return {check.id: check for module in _ORDER for check in module.GROUP.checks}
