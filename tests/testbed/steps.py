"""Progress: one line when a step starts, one when it ends, and one every 15 s between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

QUIET_SECONDS = 15


def say(message: str) -> None:
    """Print one line of progress at once."""
    print(f"testbed: {message}", flush=True)


class Step:
    """A step that runs; `now` notes what it is at, for the lines printed in between."""

    def __init__(self, name: str) -> None:
        """Start counting."""
        self.name = name
        self.started = time.monotonic()
        self.detail = ""

    def now(self, detail: str) -> None:
        """Note what the step is doing."""
        self.detail = detail

    def seconds(self) -> float:
        """Return the seconds since the step started."""
        return time.monotonic() - self.started


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Run a block as a named step."""
    running = Step(name)
    done = threading.Event()

    def tick() -> None:
        while not done.wait(QUIET_SECONDS):
            say(f"{name} ... {running.seconds():.0f} s  {running.detail}".rstrip())

    say(f"{name} ...")
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield running
    except BaseException:
        say(f"{name}: failed after {running.seconds():.1f} s")
        raise
    finally:
        done.set()
        ticker.join()
    say(f"{name}: {running.seconds():.1f} s")
