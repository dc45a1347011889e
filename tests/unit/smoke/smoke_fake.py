"""A stack without an engine: four servers that answer as the real ones were seen to.

A fault, added to a layer and to those outside it, makes exactly one thing wrong.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import smoke_fake_apis as fake_apis

ROLES = ("engine", "hold", "gateway", "edge")
ENGINE_KEY = "engine-key"
CLIENT_KEY = "client-key"
WINDOW = 4096

API = (
    "/v1/models",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
)


class World:
    """What the servers of one stack share: the engine's metrics and every fault."""

    def __init__(self) -> None:
        self.faults: dict[str, set[str]] = {role: set() for role in ROLES}
        self.prefix_hits = 0
        self.seen_prefixes: set[str] = set()
        self.hang = 0.0

    def break_at(self, role: str, fault: str) -> None:
        """A fault inside shows at every layer further out."""
        for outer in ROLES[ROLES.index(role) :]:
            self.faults[outer].add(fault)

    def heal(self) -> None:
        for faults in self.faults.values():
            faults.clear()


class Handler(BaseHTTPRequestHandler):
    world: World
    role: str

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._answer(json.loads(self.rfile.read(length) or b"null"))

    def _answer(self, body: Any) -> None:
        faults = self.world.faults[self.role]
        if "hang" in faults:
            time.sleep(self.world.hang)
        status, kind, payload = route(self, self.path.split("?")[0], body, faults)
        if "cut" in faults and kind.startswith("text/event-stream"):
            payload = payload[: len(payload) // 2]
        # After a hang the client has left.
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(payload)


def route(handler: Handler, path: str, body: Any, faults: set[str]) -> tuple[int, str, bytes]:
    role = handler.role
    if path not in API:
        return other_path(handler.world, role, path, faults)
    if not _authorised(handler, path, faults):
        if "refuses-500" in faults:
            return as_json(500, {"error": "no prisma"})
        key = handler.headers.get("Authorization")
        return as_json(401, {"error": {"message": f"Unknown API key {key}"}})
    if path == "/v1/models":
        return as_json(200, models(role, faults))
    known = ("coder", "claude-sonnet-4-6") if role in ("gateway", "edge") else ("coder",)
    if body["model"] not in known and not path.endswith("count_tokens"):
        named = "it" if "unnamed" in faults else body["model"]
        return as_json(500 if "unknown-500" in faults else 400, {"error": f"no model {named}"})
    if path == "/v1/chat/completions":
        count_prefix(handler.world, body, faults)
    return fake_apis.answer(path, body, faults, inside=role in ("engine", "hold"))


def _authorised(handler: Handler, path: str, faults: set[str]) -> bool:
    if "any-key" in faults:
        return True
    bearer = (handler.headers.get("Authorization") or "").replace("Bearer ", "")
    x_api_key = handler.headers.get("x-api-key") or ""
    if handler.role == "engine":
        return bearer == ENGINE_KEY
    if handler.role == "hold":
        if path.startswith("/v1/messages") and "no-key-mapping" in handler.world.faults["hold"]:
            return bearer == ENGINE_KEY
        return ENGINE_KEY in (bearer, x_api_key)
    if path.startswith("/v1/messages") and "no-key-mapping" in faults:
        return False
    if "no-x-api-key" in faults:
        x_api_key = ""
    return CLIENT_KEY in (bearer, x_api_key)


def other_path(world: World, role: str, path: str, faults: set[str]) -> tuple[int, str, bytes]:
    if role == "edge" and "no-allowlist" not in faults:
        return as_json(404, {"error": "not found"})
    if path == "/metrics":
        name = "vllm:other_total" if "no-metric" in faults else "vllm:prefix_cache_hits_total"
        hits = f'# HELP {name} x\n{name}{{engine="0"}} {world.prefix_hits}.0\n'
        return 200, "text/plain", hits.encode()
    if path == "/health" and "unhealthy" in faults:
        return as_json(503, {})
    if path == "/health/liveliness" and "not-alive" in faults:
        return as_json(503, {})
    return as_json(200, {"path": path})


def models(role: str, faults: set[str]) -> dict[str, Any]:
    window = WINDOW // 2 if "window" in faults else WINDOW
    name = "other" if "not-listed" in faults else "coder"
    field = "max_model_len" if role in ("engine", "hold") else "max_input_tokens"
    return {"object": "list", "data": [{"id": name, "object": "model", field: window}]}


def count_prefix(world: World, body: Any, faults: set[str]) -> None:
    prefix = json.dumps(body["messages"][0])
    if prefix in world.seen_prefixes and "no-prefix-cache" not in faults:
        world.prefix_hits += fake_apis.count(body)
    world.seen_prefixes.add(prefix)


def as_json(status: int, document: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(document).encode()


class Stack:
    """The four servers, each on a port of its own."""

    def __init__(self) -> None:
        self.world = World()
        self.servers = {role: self._serve(role) for role in ROLES}

    def _serve(self, role: str) -> ThreadingHTTPServer:
        handler = type(f"{role}Handler", (Handler,), {"world": self.world, "role": role})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def url(self, role: str) -> str:
        return f"http://127.0.0.1:{self.servers[role].server_address[1]}"

    def close(self) -> None:
        for server in self.servers.values():
            server.shutdown()
            server.server_close()
