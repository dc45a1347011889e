"""The test bed's command line."""

from __future__ import annotations

import argparse
import signal
import sys

import requests
from docker.errors import DockerException

from testbed import commands
from testbed.config import SUITES
from testbed.errors import TestbedError


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    root = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    verbs = root.add_subparsers(dest="verb", required=True)

    up = verbs.add_parser("up", help="make everything, or nothing where all is up to date")
    up.add_argument("--os", choices=SUITES, action="append", help="node images (default: all)")
    up.set_defaults(run=lambda options: commands.up(options.os or list(SUITES)))

    down = verbs.add_parser("down", help="remove the containers, nodes and the network")
    down.add_argument("--images", action="store_true", help="also the images and the registry")
    down.set_defaults(run=lambda options: commands.down(options.images))

    nodes = verbs.add_parser("node", help="one simulated node").add_subparsers(
        dest="action", required=True
    )
    create = nodes.add_parser("create", help="make or start a node")
    create.add_argument("name")
    create.add_argument("--os", choices=SUITES, default=SUITES[0])
    create.set_defaults(run=lambda options: commands.node_create(options.name, options.os))
    remove = nodes.add_parser("remove", help="remove a node and its volume")
    remove.add_argument("name")
    remove.set_defaults(run=lambda options: commands.node_remove(options.name))
    address = nodes.add_parser("address", help="print a node's address")
    address.add_argument("name")
    address.set_defaults(run=lambda options: commands.node_address(options.name))

    faults = verbs.add_parser("fault", help="faults of the model hub").add_subparsers(
        dest="action", required=True
    )
    set_fault = faults.add_parser("set", help="set the fault of one file")
    set_fault.add_argument("path", help="owner/name/file")
    kind = set_fault.add_mutually_exclusive_group(required=True)
    kind.add_argument("--cut-after", type=int, metavar="BYTES", help="close the connection there")
    kind.add_argument("--flip-at", type=int, metavar="BYTE", help="invert that byte")
    kind.add_argument("--status", type=int, metavar="CODE", help="answer with this status")
    set_fault.set_defaults(run=commands.fault_set)
    clear = faults.add_parser("clear", help="clear all faults")
    clear.set_defaults(run=lambda options: commands.fault_clear())
    return root


def main() -> int:
    """Run one command."""
    # Every step may be cut anywhere; without this, Ctrl-C would wait for the threads of `up`.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = parser().parse_args()
    try:
        options.run(options)
    except TestbedError as error:
        print(f"testbed: error: {error}", file=sys.stderr)
        return 1
    except (DockerException, requests.RequestException) as error:
        print(
            f"testbed: error: {type(error).__name__}: {error}\n"
            "Everything made so far is kept; run the command again.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
