"""The one error type that reaches a person."""

from __future__ import annotations


class CoderackError(Exception):
    """A fault a person can act on.

    Args:
        what: What is wrong, and where.
        hint: The next command or step; may be empty.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what} Next: {hint}" if hint else what)
        self.what = what
        self.hint = hint
