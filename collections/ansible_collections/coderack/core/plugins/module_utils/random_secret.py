"""One way to make a secret."""

from __future__ import annotations

import secrets

SECRET_BYTES = 32


def generate(prefix: str) -> bytes:
    """Return a new random secret that begins with `prefix`."""
    return (prefix + secrets.token_urlsafe(SECRET_BYTES)).encode()
