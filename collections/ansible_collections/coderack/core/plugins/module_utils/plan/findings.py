"""What the plan found wrong, in one report."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        rule: Its id, kebab-case and stable.
        where: The place in the inventory or on the node.
        what: What is wrong there.
        next_step: What to do about it.
        fatal: Whether the run has to stop; else it is a warning.
    """

    rule: str
    where: str
    what: str
    next_step: str
    fatal: bool = True

    def __str__(self) -> str:
        """Return the finding as one line of the report."""
        level = "refused" if self.fatal else "warning"
        return f"[{level}: {self.rule}] {self.where}: {self.what} Next: {self.next_step}"


def nearest(word: object, known: Iterable[str], prefix: str = "") -> str:
    """Return ` Did you mean ...?` for the known word nearest to `word`, or nothing.

    A `prefix` that all of them share makes nobody similar: only what follows it is compared.
    """
    rests = [name.removeprefix(prefix) for name in known]
    close = difflib.get_close_matches(str(word).removeprefix(prefix), rests, n=1, cutoff=0.6)
    return f" Did you mean {prefix + close[0]!r}?" if close else ""


def report(findings: list[Finding]) -> str:
    """Return all findings as text, the fatal ones first."""
    ordered = sorted(findings, key=lambda finding: not finding.fatal)
    return "\n".join(str(finding) for finding in ordered)
