"""The event-stream parser on fragments, and the one deadline of an exchange."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from coderack.smoke import client

STREAM = (
    ": a comment\n"
    'event: message_start\r\ndata: {"a": "naïve 🦀"}\r\n\r\n'
    "data: first\ndata:second\nid: 7\n\n"
    "event: nothing\n\n"
    "data: [DONE]\r\r"
    "data: cut off"
).encode()
EVENTS = [("message_start", '{"a": "naïve 🦀"}'), ("", "first\nsecond"), ("", "[DONE]")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_parser_does_not_care_for_fragments(size: int) -> None:
    parser = client.SseParser()
    events = []
    for start in range(0, len(STREAM), size):
        events += parser.feed(STREAM[start : start + size], at=float(start))
    assert [(event.name, event.data) for event in events] == EVENTS


def test_parser_keeps_the_time_of_the_last_fragment() -> None:
    parser = client.SseParser()
    assert parser.feed(b"data: x", 1.0) == []
    assert parser.feed(b"\n\n", 2.0) == [client.Event("", "x", 2.0)]


def serve(*parts: bytes, pause: float = 0.0) -> str:
    """Answer one connection with these bytes, slowly, and close it."""
    server = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = server.accept()
        with connection, server:
            connection.recv(65536)
            for part in parts:
                try:
                    connection.sendall(part)
                except OSError:
                    return
                time.sleep(pause)

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/x"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def test_events_have_the_time_at_which_they_came() -> None:
    reply = client.request("GET", serve(HEAD, b"data: 1\n\n", b"data: 2\n\n", pause=0.1))
    assert [event.data for event in reply.events] == ["1", "2"]
    assert reply.events[1].at - reply.events[0].at > 0.05


def test_pings_do_not_put_the_deadline_off() -> None:
    url = serve(HEAD, *[b": ping\n\n"] * 40, pause=0.05)
    start = time.monotonic()
    with pytest.raises(client.WireError) as error:
        client.request("GET", url, timeout=0.3)
    assert error.value.kind == "timeout"
    assert time.monotonic() - start < 1


def test_a_body_that_is_cut_short_is_broken() -> None:
    url = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
    with pytest.raises(client.WireError, match="IncompleteRead") as error:
        client.request("GET", url)
    assert error.value.kind == "broken"


def test_a_connection_that_stays_open_does_not_delay_the_answer() -> None:
    url = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", pause=2)
    reply = client.request("GET", url)
    assert reply.body == b"whole"
    assert reply.seconds < 1


def test_no_http_at_all_is_broken() -> None:
    with pytest.raises(client.WireError) as error:
        client.request("GET", serve(b"SSH-2.0-x\r\n"))
    assert error.value.kind == "broken"


def test_a_closed_port_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(client.WireError) as error:
        client.request("GET", f"http://127.0.0.1:{port}/")
    assert error.value.kind == "refused"


def test_a_path_is_sent_as_it_is() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def run() -> None:
        for _ in range(3):
            connection, _ = server.accept()
            with connection:
                got.append(connection.recv(65536).split(b" ")[1])
                connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.getsockname()[1]}"
    for path in ("/v1/../metrics", "//metrics", "/v1/%2e%2e/metrics?a=b"):
        assert client.request("GET", base + path).status == 404
    thread.join(2)
    server.close()
    assert got == [b"/v1/../metrics", b"//metrics", b"/v1/%2e%2e/metrics?a=b"]


def test_json_of_something_else_is_broken() -> None:
    reply = client.Reply(200, {}, b"<html>", 0.1)
    with pytest.raises(client.WireError, match="not JSON"):
        reply.json()
