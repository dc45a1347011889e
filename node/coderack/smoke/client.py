"""HTTP and server-sent events over http.client, with one deadline for a whole exchange."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

# A \r at the very end may be the first half of a \r\n that the next read completes.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class WireError(Exception):
    """No complete HTTP answer came back; `kind` is refused, timeout, tls or broken."""

    def __init__(self, kind: str, message: str) -> None:
        """Keep the kind beside the message, for callers that treat a timeout differently."""
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Event:
    """One server-sent event and when it arrived, in seconds after the request was sent."""

    name: str
    data: str
    at: float = 0.0


class SseParser:
    """Incremental parser: bytes in any fragments in, complete events out."""

    def __init__(self) -> None:
        """Start with nothing buffered."""
        self._rest = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes, at: float = 0.0) -> list[Event]:
        """Take the next bytes and return the events that they complete."""
        events = []
        lines = _LINE_END.split(self._rest + chunk)
        self._rest = lines.pop()
        for line in lines:
            if line:
                self._field(line.decode("utf-8", "replace"))
                continue
            if self._data:
                events.append(Event(self._name, "\n".join(self._data), at))
            self._name, self._data = "", []
        return events

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value


@dataclass(frozen=True)
class Reply:
    """A complete answer: either a body or, for an event stream, its events."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    events: list[Event] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body as JSON; WireError("broken") if it is something else."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise WireError("broken", f"not JSON: {self.text[:200]!r}") from None


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Verify certificate and name, against `ca_file` or the system's own CAs."""
    return ssl.create_default_context(cafile=ca_file)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    timeout: float = 60.0,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """Send one request on a connection of its own and read the answer before the deadline."""
    start = time.monotonic()
    deadline = start + timeout
    parts = urlsplit(url)
    data = None if body is None else json.dumps(body).encode()
    sent = {"User-Agent": "coderack-smoke", "Connection": "close", **(headers or {})}
    if data is not None:
        sent["Content-Type"] = "application/json"
    try:
        conn = _connect(parts.scheme, parts.hostname or "", parts.port, timeout, tls)
        try:
            # Built from the URL as given: urlsplit keeps dot segments and %2e, which some
            # checks must send as they are.
            target = parts.path or "/"
            target += f"?{parts.query}" if parts.query else ""
            conn.request(method, target, body=data, headers=sent)
            sock = conn.sock
            response = conn.getresponse()
            parser = SseParser()
            streaming = response.headers.get_content_type() == "text/event-stream"
            events: list[Event] = []
            received: list[bytes] = []
            for chunk in _chunks(response, sock, deadline):
                received.append(chunk)
                if streaming:
                    events += parser.feed(chunk, time.monotonic() - start)
        finally:
            conn.close()
    except (socket.timeout, TimeoutError):
        raise WireError("timeout", f"no complete answer within {timeout:g} s") from None
    except ssl.SSLError as error:
        raise WireError("tls", tls_reason(error)) from None
    except (OSError, http.client.HTTPException) as error:
        absent = isinstance(error, (ConnectionRefusedError, socket.gaierror))
        kind = "refused" if absent else "broken"
        raise WireError(kind, f"{error.__class__.__name__}: {error}") from None
    lower = {name.lower(): value for name, value in response.headers.items()}
    seconds = time.monotonic() - start
    return Reply(response.status, lower, b"".join(received), seconds, events)


def tls_reason(error: ssl.SSLError) -> str:
    """Shorten OpenSSL's wording to the reason itself."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    return f"TLS failed: {error.reason or error}"


def _connect(
    scheme: str, host: str, port: int | None, timeout: float, tls: ssl.SSLContext | None
) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(
            host, port, timeout=timeout, context=tls or tls_context()
        )
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _chunks(
    response: http.client.HTTPResponse, sock: socket.socket, deadline: float
) -> Iterator[bytes]:
    # A held request gets a ping every few seconds, so a timeout for each read alone would
    # never end it. The length is counted here because read1 of older Pythons neither stops
    # at it nor misses what a cut connection did not bring.
    missing = response.length
    while missing is None or missing > 0:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        # The socket may be closed already when the whole answer is in the buffer.
        if sock.fileno() != -1:
            sock.settimeout(left)
        chunk = response.read1(65536)
        if not chunk and missing:
            raise http.client.IncompleteRead(b"", missing)
        if not chunk:
            return
        if missing is not None:
            missing -= len(chunk)
        yield chunk
