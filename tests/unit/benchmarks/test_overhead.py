"""The overhead benchmark: its statistics, and that it counts nothing that is not the same work."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from benchmarks import overhead


def milliseconds(values: list[float]) -> list[float]:
    return [value / 1000 for value in values]


def test_percentiles_are_interpolated_and_in_milliseconds() -> None:
    seen = overhead.spread(milliseconds([float(value) for value in range(101)]))
    assert seen.p50_ms == pytest.approx(50)
    assert seen.p95_ms == pytest.approx(95)
    assert overhead.spread([0.010, 0.020]).p50_ms == pytest.approx(15)


def test_the_order_of_the_samples_does_not_matter() -> None:
    assert overhead.spread([0.3, 0.1, 0.2]) == overhead.spread([0.1, 0.2, 0.3])


def test_differences_pair_rounds_so_that_a_slow_moment_falls_out() -> None:
    # Every third round met a busy machine; what was added is 2 ms all the same.
    base = [10.0, 10.0, 90.0] * 20
    summary = overhead.summarise(
        {
            overhead.ENGINE: milliseconds(base),
            overhead.HOLD: milliseconds([value + 2 for value in base]),
            overhead.EDGE: milliseconds([value + 10 for value in base]),
        }
    )
    assert summary["ways"][overhead.ENGINE]["p95_ms"] == pytest.approx(90)
    assert summary["added"]["hold"] == pytest.approx({"p50_ms": 2, "p95_ms": 2})
    assert summary["added"]["edge and gateway"] == pytest.approx({"p50_ms": 8, "p95_ms": 8})
    assert summary["added"]["all three"] == pytest.approx({"p50_ms": 10, "p95_ms": 10})
    assert summary["ratio_p50"] == pytest.approx(
        {"hold": 1.2, "edge and gateway": 20 / 12, "all three": 2.0}
    )


def test_rounds_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 1 rounds"):
        overhead.differences([0.1, 0.2], [0.1])


def test_each_way_has_each_turn_equally_often() -> None:
    turns = Counter(
        (turn, name) for number in range(30) for turn, name in enumerate(overhead.order(number))
    )
    assert set(turns.values()) == {10}
    assert len(turns) == 9


class Engine(BaseHTTPRequestHandler):
    """Answers as its server says; keeps connections open."""

    protocol_version = "HTTP/1.1"
    server: EngineServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.authorizations.append(self.headers["Authorization"])
        usage = {"prompt_tokens": self.server.prompt, "completion_tokens": self.server.completion}
        body = json.dumps({"usage": usage}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        if self.server.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class EngineServer(ThreadingHTTPServer):
    status = 200
    prompt = 9
    completion = 1
    closes = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Engine)
        self.authorizations: list[str] = []


def way(engine: EngineServer) -> overhead.Way:
    return overhead.Way(f"http://127.0.0.1:{engine.server_port}", "k", "coder", None)


@pytest.fixture
def engine() -> Iterator[EngineServer]:
    with EngineServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_rounds_are_counted_without_the_warm_up_on_one_connection(engine: EngineServer) -> None:
    ways = {name: way(engine) for name in overhead.WAYS}
    seconds, tokens = overhead.measure(ways, rounds=4, warm_up=2)
    assert {name: len(each) for name, each in seconds.items()} == dict.fromkeys(overhead.WAYS, 4)
    assert tokens == 9
    assert [each.connections for each in ways.values()] == [1, 1, 1]
    assert set(engine.authorizations) == {"Bearer k"}
    assert len(engine.authorizations) == 18


def test_a_connection_that_the_other_side_closes_is_opened_again(engine: EngineServer) -> None:
    engine.closes = True
    tried = way(engine)
    for _ in range(3):
        tried.ask()
    assert tried.connections == 3


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [("status", 401, "HTTP 401"), ("completion", 2, "2 tokens came"), ("prompt", "x", "not a")],
)
def test_another_answer_ends_the_run(
    engine: EngineServer, attribute: str, value: object, message: str
) -> None:
    setattr(engine, attribute, value)
    with pytest.raises(overhead.BenchmarkError, match=message):
        way(engine).ask()


def test_ways_that_do_different_work_are_not_compared(engine: EngineServer) -> None:
    with EngineServer() as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        other.prompt = 10
        ways = {
            overhead.ENGINE: way(engine),
            overhead.HOLD: way(engine),
            overhead.EDGE: way(other),
        }
        with pytest.raises(overhead.BenchmarkError, match=r"\[9, 10\] tokens"):
            overhead.measure(ways, rounds=1, warm_up=0)
        other.shutdown()


def test_faults_are_one_line(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = str(tmp_path_factory.mktemp("keys") / "absent")
    files = ["--engine-key-file", absent, "--client-key-file", absent, "--ca-file", absent]
    assert overhead.main(files) == 1
    assert absent in capsys.readouterr().err
    assert overhead.main([*files, "--requests", "5"]) == 1
    assert "20 at least" in capsys.readouterr().err
