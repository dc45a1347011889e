"""LiteLLM's custom-auth hook: client keys from the keyring, by hash.

The keyring maps the sha256 of each key to what it may do. It is read again when it changes, so a
new or revoked key needs no restart.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fastapi import Request
from litellm.proxy._types import LitellmUserRoles, ProxyException, UserAPIKeyAuth

KEYRING = Path("/config/keyring.json")


class Keyring:
    """The keyring file, as of its last change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, dict[str, Any]] = {}

    def find(self, token: str) -> dict[str, Any] | None:
        """Return the key whose sha256 is `token`."""
        seen = self._path.stat()
        stamp = (seen.st_mtime_ns, seen.st_ino)
        if stamp != self._stamp:
            self._keys = json.loads(self._path.read_text(encoding="utf-8"))
            self._stamp = stamp
        return self._keys.get(token)


_keyring = Keyring(KEYRING)


async def user_api_key_auth(request: Request, api_key: str | None) -> UserAPIKeyAuth:
    """Return what the caller may do.

    Raises:
        ProxyException: 401, for a missing or unknown key.
    """
    token = hashlib.sha256((api_key or "").encode()).hexdigest()
    key = _keyring.find(token) if api_key else None
    if key is None:
        what = "Unknown API key." if api_key else "No API key was sent."
        raise ProxyException(message=what, type="authentication_error", param=None, code=401)
    return UserAPIKeyAuth(
        api_key=api_key,
        token=token,
        key_alias=key["alias"],
        user_id=key["alias"],
        models=key["models"],
        user_role=LitellmUserRoles.INTERNAL_USER,
    )
