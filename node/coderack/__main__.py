"""Command line of the `coderack` program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from coderack import containers, probe, slots, status, supervise, weights
from coderack.errors import CoderackError

SETTLE_S = 60.0


def main(argv: list[str]) -> int:
    """Run one command; errors are one line on standard error and exit status 1."""
    if argv[:1] == ["smoke"]:
        # The suite is most of the program, and no unit needs it.
        from coderack.smoke import cli as smoke

        return smoke.main(argv[1:])
    arguments = parser().parse_args(argv)
    try:
        status_code: int = arguments.run(arguments)
    except (CoderackError, OSError) as error:
        print(f"coderack: {error}", file=sys.stderr)
        return 1
    return status_code


def parser() -> argparse.ArgumentParser:
    """Return the parser; each command carries its function as `run`."""
    top = argparse.ArgumentParser(prog="coderack")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("run", help="supervise a unit's container (used by units)")
    command.add_argument("container")
    command.add_argument("--proxy", choices=("hold", "edge"), required=True)
    command.add_argument("--backend", required=True)
    command.add_argument("--slot", choices=slots.SLOTS, required=True)
    command.add_argument("--ready-url", required=True)
    command.add_argument("--start-timeout", type=float, required=True)
    command.add_argument("--drain-timeout", type=float, required=True)
    command.add_argument("--stop-grace", type=int, required=True)
    command.add_argument("arguments", nargs="+", metavar="DOCKER_ARGUMENT")
    command.set_defaults(run=_run)

    command = commands.add_parser("slot", help="open a slot of a backend, or hold its requests")
    command.add_argument("proxy", choices=("hold", "edge"))
    command.add_argument("backend")
    command.add_argument("slot", choices=(*slots.SLOTS, slots.HOLD))
    command.set_defaults(run=_slot)

    command = commands.add_parser("render", help="write a proxy's slots file (used by units)")
    command.add_argument("proxy", choices=("hold", "edge"))
    command.add_argument("backends", nargs="*")
    command.set_defaults(run=_render)

    command = commands.add_parser("settle", help="wait until nothing is held (used by units)")
    command.add_argument("proxy", choices=("hold", "edge"))
    command.add_argument("backends", nargs="*")
    command.add_argument("--timeout", type=float, default=SETTLE_S)
    command.set_defaults(run=_settle)

    command = commands.add_parser("stage", help="download and verify a model")
    command.add_argument("repository")
    command.add_argument("revision")
    command.add_argument("--store", type=Path, required=True)
    command.add_argument("--endpoint", required=True)
    command.add_argument("--ca-file", type=Path, required=True)
    command.add_argument("--token-file", type=Path)
    command.add_argument("--uid", type=int, required=True)
    command.add_argument("--container", required=True, help="name that the download runs under")
    command.add_argument("download", nargs="+", metavar="DOWNLOAD_COMMAND")
    command.set_defaults(run=_stage)

    command = commands.add_parser("verify", help="hash a staged model again")
    command.add_argument("repository")
    command.add_argument("revision")
    command.add_argument("--store", type=Path, required=True)
    command.set_defaults(run=_verify)

    command = commands.add_parser("probe", help="ask an engine for one token (used by timers)")
    command.add_argument("unit")
    command.add_argument("--url", required=True)
    command.add_argument("--key-file", type=Path, required=True)
    command.add_argument("--model", required=True)
    command.set_defaults(run=_probe)

    command = commands.add_parser("status", help="show units and open slots")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=lambda given: status.main(given.json))

    commands.add_parser("smoke", help="prove the service with real requests", add_help=False)
    return top


def _run(given: argparse.Namespace) -> int:
    service = supervise.Service(
        container=given.container,
        proxy=slots.Proxy(given.proxy),
        backend=given.backend,
        slot=given.slot,
        ready_url=given.ready_url,
        start_timeout_s=given.start_timeout,
        drain_timeout_s=given.drain_timeout,
        stop_grace_s=given.stop_grace,
        arguments=tuple(given.arguments),
    )
    return supervise.Supervisor(service).run()


def _slot(given: argparse.Namespace) -> int:
    slot = None if given.slot == slots.HOLD else given.slot
    slots.Proxy(given.proxy).set(given.backend, slot)
    return 0


def _render(given: argparse.Namespace) -> int:
    slots.Proxy(given.proxy).render(given.backends)
    return 0


def _settle(given: argparse.Namespace) -> int:
    slots.Proxy(given.proxy).settle(given.backends, given.timeout)
    return 0


def _stage(given: argparse.Namespace) -> int:
    model = weights.Model(given.store, given.repository, given.revision)
    hub = weights.Hub(given.endpoint.rstrip("/"), given.ca_file, given.token_file)
    if not model.staged:
        # One that a killed run left behind still writes to the same files.
        containers.remove(given.container)
    changed = weights.stage(model, hub, given.uid, given.download)
    print(f"{model.folder} {'staged and verified' if changed else 'was there'}")
    return 0


def _verify(given: argparse.Namespace) -> int:
    model = weights.Model(given.store, given.repository, given.revision)
    wrong = weights.verify(model)
    for path in wrong:
        print(f"coderack: {model.folder / path} is not as staged", file=sys.stderr)
    return 1 if wrong else 0


def _probe(given: argparse.Namespace) -> int:
    name = given.unit.replace("coderack-engine-", "").replace(".service", "")
    state = Path("/var/lib/coderack/health") / f"{name}.json"
    return probe.run(probe.Probe(given.unit, given.url, given.key_file, given.model, state))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
