"""The certificate: right, from another CA, for another name."""

from __future__ import annotations

import dataclasses
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from coderack.smoke import runner
from coderack.smoke.checks import all_checks
from coderack.smoke.core import Context, Layer

CHECKS = all_checks()


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def _certificate(folder: Path, name: str) -> Path:
    """Make a self-signed certificate, which is its own CA."""
    file = folder / f"{name}.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", str(file)),
            *("-addext", f"subjectAltName=DNS:{name}", "-out", str(folder / f"{name}.crt")),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + (folder / f"{name}.crt").read_text())
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("localhost", "elsewhere.test"):
        _certificate(folder, name)
    return folder


def _served(certificate: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def right(folder: Path) -> Iterator[str]:
    yield from _served(folder / "localhost.pem")


@pytest.fixture(scope="module")
def misnamed(folder: Path) -> Iterator[str]:
    yield from _served(folder / "elsewhere.test.pem")


def _context(url: str, ca: Path) -> Context:
    layers = {"edge": Layer("edge", url, key="k", model="coder", timeout=5)}
    return Context(layers=layers, model="coder", ca_file=str(ca))


def test_a_right_certificate(folder: Path, right: str) -> None:
    (result,) = runner.run(_context(right, folder / "localhost.crt"), [CHECKS["edge-tls"]])
    assert result.verdict == "pass", result.seen
    assert "TLSv1.3, names localhost, " in result.evidence
    assert "days left" in result.evidence


def test_another_ca_spares_the_other_checks(folder: Path, right: str) -> None:
    ctx = _context(right, folder / "elsewhere.test.crt")
    results = {result.id: result for result in runner.run(ctx, CHECKS.values())}
    failed = results["edge-tls"]
    assert (failed.verdict, failed.layer) == ("fail", "edge")
    assert "certificate refused: self" in failed.seen
    assert "elsewhere.test.crt vouches for" in failed.expected
    assert results["chat"].reason == "edge-tls failed"
    assert results["hidden-paths"].reason == "edge-tls failed"


def test_another_name(folder: Path, misnamed: str) -> None:
    ctx = _context(misnamed, folder / "elsewhere.test.crt")
    (result,) = runner.run(ctx, [CHECKS["edge-tls"]])
    assert (result.verdict, result.layer) == ("fail", "edge")
    assert "Hostname mismatch" in result.seen


def test_every_request_verifies_too(folder: Path, right: str) -> None:
    ctx = _context(right, folder / "elsewhere.test.crt")
    chat = dataclasses.replace(CHECKS["chat"], needs=())
    (result,) = runner.run(ctx, [chat])
    assert "certificate refused" in result.seen
