"""What is kept out: missing and wrong keys, other paths, unknown names."""

from __future__ import annotations

from typing import Any

from coderack.smoke import questions
from coderack.smoke.client import Reply
from coderack.smoke.core import Context, Group, Layer
from coderack.smoke.expect import need, short

GROUP = Group()
_GATE = ("edge-tls", "gateway-health")

# A part of what engine and gateway also serve: those that tell, change or bypass something.
HIDDEN = (
    # engine
    "/health",
    "/ping",
    "/load",
    "/version",
    "/metrics",
    "/server_info",
    "/tokenize",
    "/detokenize",
    "/tokenizer_info",
    "/invocations",
    "/collective_rpc",
    "/sleep",
    "/pause",
    "/abort_requests",
    "/reset_prefix_cache",
    "/update_weights",
    "/start_profile",
    "/scale_elastic_ep",
    "/inference/v1/generate",
    "/pooling",
    "/score",
    "/v1/score",
    "/v1/load_lora_adapter",
    "/v1/chat/completions/batch",
    "/v1/chat/completions/render",
    "/docs",
    "/redoc",
    "/openapi.json",
    # gateway
    "/",
    "/ui",
    "/ui/",
    "/sso/key/generate",
    "/routes",
    "/metrics/",
    "/health/readiness",
    "/health/liveliness",
    "/health/services",
    "/debug/asyncio-tasks",
    "/model/info",
    "/v1/model/info",
    "/model/new",
    "/key/generate",
    "/key/list",
    "/user/new",
    "/team/new",
    "/credentials",
    "/config/update",
    "/config/pass_through_endpoint",
    "/callbacks/configs",
    "/cache/flushall",
    "/spend/logs",
    "/scim/v2/Users",
    "/mcp",
    "/v1/mcp/server",
    "/v1/files",
    "/v1/batches",
    "/chat/completions",
    "/engines/coder/chat/completions",
    "/openai/v1/responses",
    "/vllm/v1/models",
    "/anthropic/v1/messages",
    # ways around a filter that looks at the text of a path
    "/v1/../metrics",
    "/v1/models/../../metrics",
    "/v1/models/../../key/generate",
    "/v1/%2e%2e/metrics",
    "/v1/models/..%2f..%2fmetrics",
    "/v1/models;/../../metrics",
    "//metrics",
    "/./metrics",
    "/%6detrics",
    "/metrics?/v1/models",
)


@GROUP.check(
    "hidden-paths",
    "Other paths of engine and gateway answer 404",
    asks=("edge",),
    needs=("edge-tls",),
)
def hidden_paths(ctx: Context, at: Layer) -> str:
    """Asked with a valid key: a client's key must not open them either."""
    open_paths = []
    for path in HIDDEN:
        for method in ("GET", "POST"):
            reply = at.send(method, path, body={} if method == "POST" else None)
            if reply.status != 404:
                open_paths.append(f"{method} {path} {reply.status}")
    need(not open_paths, "404 for every other path", ", ".join(open_paths))
    return f"404 on {len(HIDDEN)} paths, GET and POST"


def _requests(at: Layer) -> list[tuple[str, str, Any]]:
    messages = [questions.user(questions.GREETING)]
    claude = {"model": at.claude_model or at.model, "messages": messages, "max_tokens": 1}
    return [
        ("GET", "/v1/models", None),
        ("POST", "/v1/chat/completions", {"model": at.model, "messages": messages}),
        ("POST", "/v1/completions", {"model": at.model, "prompt": "x", "max_tokens": 1}),
        ("POST", "/v1/responses", {"model": at.model, "input": "x"}),
        ("POST", "/v1/messages", claude),
        ("POST", "/v1/messages/count_tokens", claude),
    ]


@GROUP.check("key-missing", "Without a key: 401", asks=("gateway", "edge"), needs=_GATE)
def key_missing(ctx: Context, at: Layer) -> str:
    """On every path that does work for a client."""
    return _refused(at, "", ("",))


@GROUP.check("key-wrong", "With a wrong key: 401", asks=("gateway", "edge"), needs=_GATE)
def key_wrong(ctx: Context, at: Layer) -> str:
    """In both headers, because each is looked up on its own."""
    return _refused(at, "sk-coderack-smoke-wrong-key", ("authorization", "x-api-key"))


def _refused(at: Layer, key: str, headers: tuple[str, ...]) -> str:
    let_in = []
    for method, path, body in _requests(at):
        for header in headers:
            reply = at.send(method, path, body=body, key=key, key_header=header)
            if reply.status != 401:
                let_in.append(f"{' '.join((method, path, header)).strip()} {reply.status}")
    need(not let_in, "401 on every path", ", ".join(let_in))
    return f"401 on {len(_requests(at))} paths" + (", in both headers" if len(headers) > 1 else "")


@GROUP.check("model-unknown", "An unknown model is refused with a clear 4xx")
def model_unknown(ctx: Context, at: Layer) -> str:
    """A 5xx would make clients try again for ever."""
    wrong = "coderack-no-such-model"
    seen = []
    for method, path, body in _requests(at):
        # LiteLLM estimates the tokens for any name; only a wrong key stops it there.
        if body is None or path.endswith("/count_tokens"):
            continue
        reply = at.send(method, path, body={**body, "model": wrong})
        _clear_refusal(path, wrong, reply)
        seen.append(str(reply.status))
    return f"{', '.join(seen)} on {len(seen)} paths, naming the model"


def _clear_refusal(path: str, wrong: str, reply: Reply) -> None:
    seen = f"HTTP {reply.status}: {short(reply.text)}"
    need(reply.status in (400, 403, 404), f"400, 403 or 404 from {path}", seen)
    need(wrong in reply.text, f"an error that names the model from {path}", seen)
