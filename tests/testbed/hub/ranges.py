"""The Range header, as far as clients of a model hub use it: one range of bytes."""

from __future__ import annotations

import re


class UnsatisfiableError(ValueError):
    """The range lies outside the file; the answer is 416."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte asked for, or None for the whole file.

    A header that is malformed or asks for several ranges is ignored, as HTTP allows.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip())
    if not match or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        if int(last) == 0 or size == 0:
            raise UnsatisfiableError(header)
        return max(0, size - int(last)), size - 1
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise UnsatisfiableError(header)
    return int(first), end
