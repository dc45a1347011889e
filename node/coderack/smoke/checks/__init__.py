"""The checks, one module for each group."""

from __future__ import annotations

from coderack.smoke.checks import access, anthropic, engine, health, openai, responses
from coderack.smoke.core import Check

_ORDER = (health, openai, anthropic, responses, engine, access)


def all_checks() -> dict[str, Check]:
    """Return every check by its id, in the order in which they run."""
    return {check.id: check for module in _ORDER for check in module.GROUP.checks}
