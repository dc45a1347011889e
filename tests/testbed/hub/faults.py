"""Faults of the model hub, kept in a file so that they can be set while it serves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FAULTS = Path("/run/testbed/faults.json")


def read_fault(path: str, faults: Path = FAULTS) -> dict[str, int]:
    """Return the fault set for `owner/name/file`: cut_after, flip_at or status; or nothing."""
    try:
        content = json.loads(faults.read_text())
    except FileNotFoundError:
        return {}
    fault: dict[str, int] = content.get(path, {})
    return fault


def damage(chunk: bytes, position: int, fault: dict[str, int]) -> bytes:
    """Apply a fault to a chunk that starts at `position` of the file.

    Positions count from the start of the file, not of the answer: a client that resumes meets
    the same fault again until it is cleared.
    """
    if "flip_at" in fault:
        index = fault["flip_at"] - position
        if 0 <= index < len(chunk):
            chunk = chunk[:index] + bytes([chunk[index] ^ 0xFF]) + chunk[index + 1 :]
    if "cut_after" in fault:
        chunk = chunk[: max(0, fault["cut_after"] - position)]
    return chunk


def main() -> None:
    """Add the faults given as a JSON object to those that are set; without an argument, clear."""
    faults: dict[str, dict[str, int]] = {}
    if len(sys.argv) > 1:
        if FAULTS.exists():
            faults = json.loads(FAULTS.read_text())
        faults |= json.loads(sys.argv[1])
    FAULTS.parent.mkdir(parents=True, exist_ok=True)
    temporary = FAULTS.with_suffix(".new")
    temporary.write_text(json.dumps(faults))
    temporary.replace(FAULTS)


if __name__ == "__main__":
    main()
