"""A `docker` that keeps containers as files, and runs `sleep` as the process of each.

It lies in the folder where it keeps everything. `down` there says that the daemon is not up,
`exits` that a container ends as soon as it is started, with the status that the file holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def main(command: str, arguments: list[str]) -> int:
    if command not in ("ps", "inspect", "logs"):
        with (FOLDER / "events").open("a") as events:
            events.write(f"docker {' '.join([command, *arguments])}\n")
    if (FOLDER / "down").exists():
        print("Cannot connect to the Docker daemon. Is the daemon running?", file=sys.stderr)
        return 1
    if command == "ps":
        pattern = arguments[-1].partition("name=")[2]
        for file in sorted(FOLDER.glob("*.container")):
            if re.search(pattern, f"/{file.stem}"):
                print(file.stem)
    elif command == "create":
        options = dict(zip(arguments[0:8:2], arguments[1:8:2]))
        label = options["--label"].partition("=")
        save(options["--name"], {"spec": label[2], "arguments": arguments[8:], "pid": 0})
    else:
        return on_container(command, arguments[-1], arguments)
    return 0


def on_container(command: str, name: str, arguments: list[str]) -> int:
    file = FOLDER / f"{name}.container"
    if not file.exists():
        print(f"Error: No such container: {name}", file=sys.stderr)
        return 1
    container: dict[str, Any] = json.loads(file.read_text())
    if command == "inspect":
        print(json.dumps([described(name, container)]))
    elif command == "start":
        exits = FOLDER / "exits"
        process = subprocess.Popen(
            ["sleep", "0" if exits.exists() else "60"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if exits.exists():
            process.wait()
            container["exit_code"] = int(exits.read_text())
        save(name, {**container, "pid": process.pid})
    elif command == "stop":
        kill(container["pid"], signal.SIGTERM)
    elif command == "rm":
        kill(container["pid"], signal.SIGKILL)
        file.unlink()
    elif command == "logs":
        print(f"log of {name} {arguments[1:3]}", flush=True)
        while alive(container["pid"]):
            time.sleep(0.01)
    return 0


def described(name: str, container: dict[str, Any]) -> dict[str, Any]:
    running = alive(container["pid"])
    return {
        "Name": f"/{name}",
        "Config": {"Labels": {"coderack.spec": container["spec"]}},
        "State": {
            "Running": running,
            "Pid": container["pid"] if running else 0,
            "ExitCode": 0 if running else container.get("exit_code", 137),
            "OOMKilled": (FOLDER / "oom").exists(),
        },
    }


def save(name: str, container: dict[str, Any]) -> None:
    temporary = FOLDER / f"{name}.{os.getpid()}"
    temporary.write_text(json.dumps(container))
    temporary.rename(FOLDER / f"{name}.container")


def kill(pid: int, number: signal.Signals) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    while alive(pid):
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        # Nobody may reap it here, so a zombie is dead.
        return pid > 0 and ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
