"""Is each layer there at all? The other checks are skipped when one of these fails."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from coderack.smoke.client import tls_context, tls_reason
from coderack.smoke.core import Context, Failed, Group, Layer, Skipped
from coderack.smoke.expect import answer, dig, need, status

GROUP = Group()


@GROUP.check(
    "edge-tls", "Certificate verifies against the CA and the name", asks=("edge",), needs=()
)
def edge_tls(ctx: Context, at: Layer) -> str:
    """A handshake of its own, so that every other failure of the edge is about something else."""
    parts = urlsplit(at.url)
    if parts.scheme != "https":
        raise Skipped("the base URL is not https")
    host = parts.hostname or ""
    context = tls_context(ctx.ca_file)
    try:
        with (
            socket.create_connection((host, parts.port or 443), at.timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as sock,
        ):
            return _described(sock)
    except ssl.SSLError as error:
        authority = ctx.ca_file or "the system's CAs"
        raise Failed(
            f"a certificate for {host} that {authority} vouches for", tls_reason(error)
        ) from None
    except OSError as error:
        raise Failed(f"a TLS handshake with {host}", str(error)) from None


def _described(sock: ssl.SSLSocket) -> str:
    certificate: Any = sock.getpeercert() or {}
    names = [value for _, value in certificate.get("subjectAltName", ())]
    days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86400
    return f"{sock.version()}, names {', '.join(names)}, {days:.0f} days left"


@GROUP.check("gateway-health", "Gateway is alive", asks=("gateway",), needs=())
def gateway_health(ctx: Context, at: Layer) -> str:
    """Its readiness says nothing about the engine, and its /health costs real completions."""
    reply = at.get("/health/liveliness")
    status(reply, 200)
    return f"/health/liveliness 200 in {reply.seconds:.2f} s"


@GROUP.check("engine-health", "Engine is healthy and makes a token", asks=("engine",), needs=())
def engine_health(ctx: Context, at: Layer) -> str:
    """/health says little, so one real token is asked for as well."""
    status(at.get("/health"), 200)
    body = {"model": at.model, "prompt": "Hello", "max_tokens": 1}
    reply = at.post("/v1/completions", body)
    tokens = dig(answer(reply), "usage", "completion_tokens")
    need(tokens == 1, "one token", tokens)
    return f"/health 200, one token in {reply.seconds:.2f} s"


@GROUP.check("engine-window", "Engine serves the expected context window", asks=("engine",))
def engine_window(ctx: Context, at: Layer) -> str:
    """Without --expect-window there is nothing to compare, but the model must be there."""
    window = max_model_len(at)
    if ctx.expect_window is not None:
        need(window == ctx.expect_window, f"max_model_len {ctx.expect_window}", window)
    return f"{at.model}: max_model_len {window}"


def max_model_len(engine: Layer) -> int:
    """Read the served model's window from the engine's own list."""
    listed = {dig(model, "id"): model for model in dig(answer(engine.get("/v1/models")), "data")}
    need(engine.model in listed, f"{engine.model} in the engine's /v1/models", sorted(listed))
    return int(dig(listed[engine.model], "max_model_len"))
