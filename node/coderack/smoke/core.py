"""What a check is made of: the layers it can ask, its verdict, and how checks are declared."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from coderack.smoke import client

# From the inside out; "hold" is the HAProxy between gateway and engine.
LAYERS = ("engine", "hold", "gateway", "edge")


class Failed(Exception):  # noqa: N818 - a verdict, not an error of the program
    """A layer answered, or failed to, in a way that a client could not use."""

    def __init__(self, expected: str, seen: str, hint: str = "", kind: str = "") -> None:
        """Say what should have come and what came; `hint` names a likely cause."""
        super().__init__(f"expected {expected}; seen {seen}")
        self.expected = expected
        self.seen = seen
        self.hint = hint
        self.kind = kind


class Skipped(Exception):  # noqa: N818 - a verdict, not an error of the program
    """The question makes no sense here; the message is the reason."""


@dataclass(frozen=True)
class Layer:
    """One place that can be asked: its address, its key, and what it calls the model."""

    name: str
    url: str
    key: str = ""
    model: str = ""
    claude_model: str = ""
    timeout: float = 60.0
    tls: ssl.SSLContext | None = None

    def get(self, path: str, **options: Any) -> client.Reply:
        """GET with this layer's key."""
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> client.Reply:
        """POST JSON with this layer's key."""
        return self.send("POST", path, body=body, **options)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        key: str | None = None,
        key_header: str = "",
    ) -> client.Reply:
        """Send one request; `key` replaces the layer's own and "" sends none."""
        headers = self._headers(path, self.key if key is None else key, key_header)
        try:
            return client.request(
                method,
                self.url + path,
                headers=headers,
                body=body,
                timeout=self.timeout,
                tls=self.tls,
            )
        except client.WireError as error:
            expected = f"an answer to {method} {path} from the {self.name}"
            raise Failed(expected, str(error), kind=error.kind) from None

    def _headers(self, path: str, key: str, key_header: str) -> Mapping[str, str]:
        anthropic = path.startswith("/v1/messages")
        version = {"anthropic-version": "2023-06-01"} if anthropic else {}
        if not key:
            return version
        # LiteLLM's Anthropic route sends x-api-key, which the hold maps to the Bearer that
        # vLLM wants: the hold must be asked the way the gateway asks it.
        if not key_header:
            key_header = "x-api-key" if anthropic and self.name == "hold" else "authorization"
        if key_header == "x-api-key":
            return {**version, "x-api-key": key}
        return {**version, "Authorization": f"Bearer {key}"}


@dataclass(frozen=True)
class Context:
    """Everything that a run was told."""

    layers: Mapping[str, Layer]
    model: str
    claude_model: str = ""
    expect_window: int | None = None
    ca_file: str | None = None
    without: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()

    @property
    def engine(self) -> Layer:
        """The engine, for checks that read its own account of things."""
        if "engine" not in self.layers:
            raise Skipped("no engine URL given")
        return self.layers["engine"]

    def redact(self, text: str) -> str:
        """Blot out the keys, which a server may repeat in an error."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


CheckFunction = Callable[[Context, Layer], str]


@dataclass(frozen=True)
class Check:
    """One question with a stable id; `run` returns the evidence or raises Failed or Skipped."""

    id: str
    title: str
    run: CheckFunction
    asks: tuple[str, ...]
    feature: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What one layer said when the failed question was put to it again."""

    layer: str
    verdict: str
    said: str


@dataclass(frozen=True)
class Result:
    """The outcome of one check."""

    id: str
    title: str
    verdict: str
    seconds: float
    evidence: str = ""
    reason: str = ""
    expected: str = ""
    seen: str = ""
    hint: str = ""
    layer: str = ""
    suspects: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()
    next: str = ""


@dataclass
class Group:
    """The checks of one module, in the order in which they run."""

    checks: list[Check] = field(default_factory=list)

    def check(
        self,
        check_id: str,
        title: str,
        *,
        asks: tuple[str, ...] = LAYERS,
        feature: str = "",
        needs: tuple[str, ...] = ("edge-tls", "gateway-health", "engine-health"),
    ) -> Callable[[CheckFunction], CheckFunction]:
        """Declare a function as a check.

        `asks`: the layers that can answer the question; the outermost known one is the one
        whose answer counts, the others are asked when it fails. `feature`: what the model
        must have (tools, reasoning) or the run must know (claude). `needs`: checks whose
        failure makes this one pointless.
        """

        def add(run: CheckFunction) -> CheckFunction:
            self.checks.append(Check(check_id, title, run, asks, feature, needs))
            return run

        return add
