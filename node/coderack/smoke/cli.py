"""The command line of `coderack smoke`."""

from __future__ import annotations

import argparse
import difflib
import os
import socket
import ssl
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from coderack.smoke import client, report, runner
from coderack.smoke.checks import all_checks
from coderack.smoke.core import Check, Context, Layer

_EPILOG = """\
The client key comes from --api-key-file (- is stdin) or from CODERACK_API_KEY.
Exit status: 0 all passed, 1 a check failed, 2 bad usage or the service cannot be reached."""


class UsageError(Exception):
    """The run cannot start; the message is the one line that says why."""


def main(argv: list[str]) -> int:
    """Run the suite and return the exit status."""
    args = _parser().parse_args(argv)
    if args.list:
        for check in all_checks().values():
            print(f"{check.id:<22} {check.title}")
        return 0
    try:
        selected = _selected(args.only)
        ctx = _context(args)
        _reach(ctx)
        return _run(args, ctx, selected)
    except UsageError as error:
        print(f"coderack smoke: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coderack smoke",
        description="Ask a coderack service what its clients will ask, and name what is wrong.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--base-url", metavar="URL", help="the edge, e.g. https://coder.example.com (no /v1)")
    add("--api-key-file", metavar="FILE", help="a client's key")
    add("--ca-file", metavar="FILE", help="CA of the edge's certificate (default: the system's)")
    add("--model", default="coder", help="served name (default: coder)")
    add(
        "--claude-model",
        default="claude-sonnet-4-6",
        metavar="NAME",
        help="the name to use on /v1/messages (default: claude-sonnet-4-6; '' skips these)",
    )
    add("--engine-url", metavar="URL", help="the engine itself, from the node")
    add("--engine-key-file", metavar="FILE", help="the engine's key")
    add("--hold-url", metavar="URL", help="the hold's port of this deployment, from the node")
    add("--gateway-url", metavar="URL", help="the gateway itself, from the node")
    add("--expect-window", type=int, metavar="N", help="context window that the model must have")
    add("--no-tools", action="store_true", help="the model calls no tools")
    add("--no-reasoning", action="store_true", help="the model does not think, or not by default")
    add("--json", metavar="FILE", help="write the results as JSON")
    add("--junit", metavar="FILE", help="write the results as JUnit XML")
    add("--only", metavar="ID,...", help="run these checks alone")
    add("--list", action="store_true", help="list the checks and exit")
    add("--timeout", type=float, default=60.0, metavar="S", help="for each request (default: 60)")
    return parser


def _selected(only: str | None) -> list[Check]:
    known = all_checks()
    if only is None:
        return list(known.values())
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            tip = f"did you mean {near[0]}?" if near else "--list shows all"
            raise UsageError(f"there is no check {name}; {tip}")
    if not wanted:
        raise UsageError("--only names no check; --list shows all")
    return [check for check in known.values() if check.id in wanted]


def _context(args: argparse.Namespace) -> Context:
    urls = {
        "engine": args.engine_url,
        "hold": args.hold_url,
        "gateway": args.gateway_url,
        "edge": args.base_url,
    }
    if not any(urls.values()):
        raise UsageError("give --base-url (or --gateway-url, --engine-url alone, on the node)")
    key = ""
    if args.base_url or args.gateway_url:
        key = _client_key(args.api_key_file)
    engine_key = _read_key(args.engine_key_file) if args.engine_key_file else ""
    try:
        tls = client.tls_context(args.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"--ca-file {args.ca_file}: {error}") from None
    layers = {}
    for name, url in urls.items():
        if not url:
            continue
        inside = name in ("engine", "hold")
        layers[name] = Layer(
            name,
            _address(name, url),
            key=engine_key if inside else key,
            model=args.model,
            # Inside, nobody knows the Claude names.
            claude_model=args.model if inside else args.claude_model,
            timeout=args.timeout,
            tls=tls if name == "edge" else None,
        )
    without = {
        "tools": args.no_tools,
        "reasoning": args.no_reasoning,
        "claude": not args.claude_model,
    }
    return Context(
        layers=layers,
        model=args.model,
        claude_model=args.claude_model,
        expect_window=args.expect_window,
        ca_file=args.ca_file,
        without=frozenset(name for name, absent in without.items() if absent),
        secrets=tuple(secret for secret in (key, engine_key) if secret),
    )


def _client_key(file: str | None) -> str:
    if file:
        return _read_key(file)
    key = os.environ.get("CODERACK_API_KEY", "").strip()
    if not key:
        raise UsageError("no client key: give --api-key-file FILE or set CODERACK_API_KEY")
    return key


def _read_key(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the key file {file}: {error}") from None
    key = text.strip()
    if not key or not key.isascii() or len(key.split()) != 1:
        raise UsageError(f"the key file {file} does not hold one key on one line")
    return key


def _address(name: str, url: str) -> str:
    option = "--base-url" if name == "edge" else f"--{name}-url"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{option} {url}: not an http or https URL")
    if parts.path.strip("/") or parts.query or parts.username is not None:
        raise UsageError(f"{option} {url}: give scheme, host and port alone, e.g. without /v1")
    return f"{parts.scheme}://{parts.netloc}"


def _reach(ctx: Context) -> None:
    """Stop before the first check if the way in is not there at all."""
    front = list(ctx.layers.values())[-1]
    parts = urlsplit(front.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), min(front.timeout, 10)).close()
    except OSError as error:
        raise UsageError(f"cannot reach {front.url}: {error}") from None


def _run(args: argparse.Namespace, ctx: Context, selected: list[Check]) -> int:
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    start = time.monotonic()
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    table = report.Table(sys.stdout, colour, max(len(check.id) for check in selected))
    results = runner.run(ctx, selected, table.row)
    seconds = time.monotonic() - start
    table.summary(results, seconds)
    about = {
        "started": started,
        "base_url": args.base_url,
        "model": args.model,
        "claude_model": args.claude_model or None,
        "seconds": round(seconds, 3),
    }
    _write(args.json, report.as_json(results, about))
    _write(args.junit, report.as_junit(results, seconds))
    return 1 if report.counts(results)[1] else 0


def _write(file: str | None, text: str) -> None:
    if file:
        try:
            Path(file).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error}") from None
