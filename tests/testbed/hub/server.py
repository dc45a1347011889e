"""The hub's HTTP server: the metadata API and file downloads, behind a TLS proxy."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from testbed.hub.faults import damage, read_fault
from testbed.hub.ranges import UnsatisfiableError, parse_range
from testbed.hub.repository import CHUNK, File, list_files, revision, write_sharded

PORT = 8080
REPOSITORIES = Path("/srv/hub")
SHARDED = REPOSITORIES / "coderack" / "sharded"

NAME = r"(?P<name>[^/]+/[^/]+)"
API = re.compile(rf"/api/models/{NAME}(?:/(?P<kind>revision|tree)/(?P<revision>[^/]+))?/?")
RESOLVE = re.compile(rf"/{NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


class Repository:
    """One model repository, hashed once when the server starts."""

    def __init__(self, name: str, folder: Path) -> None:
        """Hash the files of a folder."""
        self.name = name
        self.folder = folder
        self.files = {file.path: file for file in list_files(folder)}
        self.revision = revision(list(self.files.values()))

    def describe(self, blobs: bool) -> dict[str, object]:
        """Return what the hub's API says of a model."""
        siblings = [
            file.describe() if blobs else {"rfilename": file.path} for file in self.files.values()
        ]
        return {
            "_id": self.revision[:24],
            "id": self.name,
            "modelId": self.name,
            "author": self.name.partition("/")[0],
            "sha": self.revision,
            "private": False,
            "gated": False,
            "disabled": False,
            "tags": [],
            "siblings": siblings,
        }


class Refusal(Exception):  # noqa: N818 - an answer, not an error of this program
    """An answer other than success, with the hub's error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep what the answer will say."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Server(ThreadingHTTPServer):
    """An HTTP server that knows the repositories."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = PORT) -> None:
        """Read every repository `owner/name` under a folder."""
        self.repositories = {
            f"{folder.parent.name}/{folder.name}": Repository(
                f"{folder.parent.name}/{folder.name}", folder
            )
            for folder in sorted(root.glob("*/*"))
        }
        super().__init__(("", port), Handler)

    def find(self, name: str, wanted: str | None) -> Repository:
        """Return a repository at a revision, or refuse as the hub does."""
        repository = self.repositories.get(name)
        if repository is None:
            raise Refusal(404, "RepoNotFound", f"Repository {name} not found")
        if wanted not in (None, "main", repository.revision):
            raise Refusal(404, "RevisionNotFound", f"Invalid rev id: {wanted}")
        return repository


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """Answer HEAD."""
        self.answer()

    def do_GET(self) -> None:
        """Answer GET."""
        self.answer()

    def answer(self) -> None:
        """Find what is asked for and send it, or the hub's refusal."""
        url = urlsplit(self.path)
        path = unquote(url.path)
        try:
            if match := API.fullmatch(path):
                self.answer_api(match, parse_qs(url.query))
            elif match := RESOLVE.fullmatch(path):
                self.answer_file(match)
            else:
                raise Refusal(404, "", f"no such page: {path}")
        except Refusal as refusal:
            headers = {"X-Error-Message": refusal.message}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            self.send_json(refusal.status, {"error": refusal.message}, headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer_api(self, match: re.Match[str], query: dict[str, list[str]]) -> None:
        """Answer a question about a model or its list of files."""
        repository = self.server.find(match["name"], match["revision"])
        if match["kind"] == "tree":
            files = repository.files.values()
            self.send_json(200, [file.tree_entry() for file in files], {})
        else:
            self.send_json(200, repository.describe("blobs" in query), {})

    def answer_file(self, match: re.Match[str]) -> None:
        """Answer HEAD or GET of a file."""
        repository = self.server.find(match["name"], match["revision"])
        headers = {"X-Repo-Commit": repository.revision}
        file = repository.files.get(match["path"])
        if file is None:
            raise Refusal(404, "EntryNotFound", f"Entry not found: {match['path']}")
        fault = read_fault(f"{repository.name}/{file.path}")
        if "status" in fault:
            raise Refusal(fault["status"], "", f"fault set for {file.path}")
        headers |= {"ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.lfs:
            headers |= {"X-Linked-Size": str(file.size), "X-Linked-ETag": f'"{file.sha256}"'}
        try:
            wanted = parse_range(self.headers.get("Range"), file.size)
        except UnsatisfiableError:
            self.send_json(416, {"error": "range"}, {"Content-Range": f"bytes */{file.size}"})
            return
        first, last = wanted or (0, file.size - 1)
        if wanted:
            headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        self.send_response(206 if wanted else 200)
        self.send_headers(headers, "application/octet-stream", last - first + 1)
        if self.command == "GET":
            self.send_file(repository.folder / file.path, file, first, last, fault)

    def send_file(
        self, path: Path, file: File, first: int, last: int, fault: dict[str, int]
    ) -> None:
        """Send bytes `first` to `last` of a file, with its fault if one is set."""
        position = first
        with path.open("rb") as content:
            content.seek(first)
            while position <= last:
                chunk = content.read(min(CHUNK, last + 1 - position))
                damaged = damage(chunk, position, fault)
                self.wfile.write(damaged)
                if len(damaged) < len(chunk):
                    self.close_connection = True
                    self.log_message("fault: %s cut at byte %d", file.path, position + len(damaged))
                    return
                position += len(chunk)

    def send_json(self, status: int, content: object, headers: dict[str, str]) -> None:
        """Send an answer in JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_headers(headers, "application/json; charset=utf-8", len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def send_headers(self, headers: dict[str, str], content_type: str, length: int) -> None:
        """Send the headers that every answer has, and these."""
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def main() -> None:
    """Serve for ever."""
    write_sharded(SHARDED)
    Server(REPOSITORIES).serve_forever()


if __name__ == "__main__":
    main()
