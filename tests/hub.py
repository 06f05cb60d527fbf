"""A Hugging Face hub on localhost that serves a folder, so that tests run the hub's real clients.

The folder holds datasets as `<root>/<org>/<name>/...` and models as `<root>/models/<org>/<name>/...`, each as a
snapshot download lays it. With `HF_ENDPOINT` set to the hub's address, `datasets`, `huggingface_hub` and `transformers`
read from it. They read that variable, and `HF_HOME`, when they are imported: run them in a process of their own, with
`Hub.environment(home)`.

    python -m tests.hub ROOT --port 8123
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha1, sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qs, quote, unquote, urlsplit

MODELS = "models"
GRANTED = "hf_granted"
PAGE = 1000
_COMMIT = re.compile(r"[0-9a-f]{40}")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/(revision|tree|paths-info|refs)(?:/([^/]+)(?:/(.+))?)?)?")
_RESOLVE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Request(NamedTuple):
    """One request that the hub answered."""

    method: str
    path: str
    status: int


class RefusalError(Exception):
    """An answer other than the one asked for: a status and the hub's own code for it."""

    def __init__(
        self, status: HTTPStatus | int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.code, self.message = HTTPStatus(status), code, message or code
        self.headers = dict(headers or {})


@dataclass
class Trouble:
    """What befalls requests whose path ends in `suffix`: every `every`th of them, `times` at most.

    With `status` they are answered by it. With `cut` half a file is sent, with `drip` one byte each so many seconds,
    with `spoil` a file of which one byte is another.
    """

    suffix: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    drip: float = 0.0
    spoil: bool = False
    every: int = 1
    times: int = 1 << 30
    seen: int = 0
    struck: int = 0

    def strikes(self, path: str) -> bool:
        if not path.endswith(self.suffix):
            return False
        self.seen += 1
        strikes = self.seen % self.every == 0 and self.struck < self.times
        self.struck += strikes
        return strikes


@dataclass
class Hub:
    """A running hub between `__enter__` and `__exit__`.

    The other fields make it misbehave for the repositories (`org/name`) they name: a `gated` one lists its files but
    gives them only to whoever sends the token `GRANTED`; a `missing` one does not exist although its folder does; of a
    `truncated` one's parquet files the second half never arrives; a `failing` one answers everything with the status.
    `trouble` befalls single requests, whatever the repository.
    """

    root: Path
    port: int = 0
    gated: Collection[str] = ()
    missing: Collection[str] = ()
    truncated: Collection[str] = ()
    failing: Mapping[str, int] = field(default_factory=dict)
    trouble: Trouble | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Hub:
        server = self._server = _Server(("127.0.0.1", self.port), _Handler)
        server.hub = self  # type: ignore[attr-defined]
        server.daemon_threads = True
        self.port = server.server_address[1]
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, home: Path) -> dict[str, str]:
        """The variables of a process that knows no hub but this one and has no cache but `home`."""
        own = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE_"))}
        return own | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def downloads(self, repository: str = "") -> list[str]:
        """The files sent so far, of all repositories or of one: `org/name/path`."""
        sent = []
        for request in self.requests:
            match = _RESOLVE.fullmatch(unquote(urlsplit(request.path).path))
            if match and request.method == "GET" and request.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                sent.append(f"{match[2]}/{match[4]}")
        return [path for path in sent if path.startswith(f"{repository}/" if repository else "")]

    def folder(self, kind: str, repository: str) -> Path:
        """Where the repository lies; refuses one that is missing or fails."""
        if repository in self.failing:
            raise RefusalError(self.failing[repository], message="this repository was told to fail")
        folder = (self.root / MODELS if kind == MODELS else self.root) / repository
        if repository in self.missing or not folder.is_dir():
            raise RefusalError(HTTPStatus.NOT_FOUND, "RepoNotFound", "Repository not found")
        return folder


def files(folder: Path) -> list[str]:
    """The files of a repository, as paths with slashes, sorted; hidden ones left out."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def commit_of(repository: str, revision: str) -> str:
    """The commit that a revision stands for: any 40 hexadecimal digits are one, and `main` has one of its own."""
    if _COMMIT.fullmatch(revision):
        return revision
    if revision == "main":
        return sha1(repository.encode()).hexdigest()
    raise RefusalError(HTTPStatus.NOT_FOUND, "RevisionNotFound", f"Invalid rev id: {revision}")


def blob_id(path: Path) -> str:
    """The id git gives the file's content."""
    stat = path.stat()
    return _blob_id(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=10_000)
def _blob_id(path: Path, size: int, changed: int) -> str:
    return sha1(b"blob %d\0" % size + path.read_bytes()).hexdigest()


def lfs(path: Path) -> dict[str, Any] | None:
    """What the hub says of a large file: of parquet files, that is, however small the tests' own are."""
    if path.suffix != ".parquet":
        return None
    stat = path.stat()
    return {"sha256": _sha256(path, stat.st_size, stat.st_mtime_ns), "size": stat.st_size, "pointerSize": 134}


@lru_cache(maxsize=10_000)
def _sha256(path: Path, size: int, changed: int) -> str:
    return sha256(path.read_bytes()).hexdigest()


def tree(folder: Path, below: str, *, recursive: bool, expand: bool, commit: str) -> list[dict[str, Any]]:
    """The entries of one folder of a repository, or of all below it."""
    if not (folder / below).is_dir():
        raise RefusalError(HTTPStatus.NOT_FOUND, "EntryNotFound", f"{below} does not exist")
    depth = below.count("/") + 1 if below else 0
    paths: dict[str, None] = {}
    for name in files(folder):
        if below and not name.startswith(f"{below}/"):
            continue
        parts = name.split("/")
        for end in range(depth + 1, len(parts) + 1 if recursive else depth + 2):
            paths["/".join(parts[:end])] = None
    return [entry(folder, path, expand=expand, commit=commit) for path in paths]


def entry(folder: Path, path: str, *, expand: bool, commit: str) -> dict[str, Any]:
    """What the hub says of one file or folder."""
    found = folder / path
    about: dict[str, Any] = {"path": path}
    if found.is_dir():
        about |= {"type": "directory", "size": 0, "oid": sha1(path.encode()).hexdigest()}
    else:
        about |= {"type": "file", "size": found.stat().st_size, "oid": blob_id(found)}
    if expand:
        about["lastCommit"] = {"id": commit, "title": "Serve a folder", "date": "2024-01-01T00:00:00.000Z"}
    return about


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header, or None where the whole file is asked for."""
    match = _RANGE.fullmatch(header or "")
    if not match or match[0] == "bytes=-":
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size - 1
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last:
        raise RefusalError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, message=f"{header} of {size} bytes")
    return first, last


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    @property
    def hub(self) -> Hub:
        hub: Hub = self.server.hub  # type: ignore[attr-defined]
        return hub

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, *args: Any) -> None:
        """Say nothing: `Hub.requests` keeps what was asked."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.hub.requests.append(Request(self.command, self.path, int(code)))

    def _answer(self, action: Callable[[str, dict[str, list[str]]], None]) -> None:
        url = urlsplit(self.path)
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._trouble = self._struck(unquote(url.path))
            action(unquote(url.path), parse_qs(url.query))
        except RefusalError as refusal:
            headers = {"X-Error-Message": refusal.message, **refusal.headers}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            self._send_json({"error": refusal.message}, status=refusal.status, headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _struck(self, path: str) -> Trouble | None:
        trouble = self.hub.trouble
        if trouble is None or (self.command == "HEAD" and not trouble.status) or not trouble.strikes(path):
            return None
        if trouble.status:
            raise RefusalError(trouble.status, message="the hub has trouble", headers=trouble.headers)
        return trouble

    def _get(self, path: str, query: dict[str, list[str]]) -> None:
        if match := _RESOLVE.fullmatch(path):
            self._send_file("datasets" if match[1] else MODELS, *match.group(2, 3, 4))
        elif match := _API.fullmatch(path):
            kind, repository, what, revision, below = match.groups()
            folder = self.hub.folder(kind, repository)
            if what == "refs":
                self._send_json({"branches": [_branch(repository)], "tags": [], "converts": []})
                return
            commit = commit_of(repository, revision or "main")
            if what == "tree":
                self._send_tree(folder, below or "", commit, query)
            else:
                self._send_json(self._about(repository, folder, commit, blobs="blobs" in query))
        else:
            self._refuse_unknown(path)

    def _post(self, path: str, query: dict[str, list[str]]) -> None:
        match = _API.fullmatch(path)
        if not match or match[3] != "paths-info":
            self._refuse_unknown(path)
        kind, repository, _, revision, _ = match.groups()
        folder, commit = self.hub.folder(kind, repository), commit_of(repository, revision)
        asked = self._form()
        expand = asked.get("expand") in (True, ["true"], ["True"])
        names = [name.strip("/") for name in asked.get("paths", [])]
        there = [name for name in names if (folder / name).exists()]
        self._send_json([entry(folder, name, expand=expand, commit=commit) for name in there])

    def _form(self) -> dict[str, Any]:
        if "json" in (self.headers.get("Content-Type") or ""):
            content: dict[str, Any] = json.loads(self._body)
            return content
        return dict(parse_qs(self._body.decode()))

    def _about(self, repository: str, folder: Path, commit: str, *, blobs: bool) -> dict[str, Any]:
        return {
            "_id": commit[:24],
            "id": repository,
            "modelId": repository,
            "sha": commit,
            "private": False,
            "disabled": False,
            "gated": "auto" if repository in self.hub.gated else False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": "2024-01-01T00:00:00.000Z",
            "createdAt": "2024-01-01T00:00:00.000Z",
            "siblings": [_sibling(folder, name, blobs=blobs) for name in files(folder)],
        }

    def _send_tree(self, folder: Path, below: str, commit: str, query: dict[str, list[str]]) -> None:
        recursive, expand = (query.get(key, ["false"])[0].lower() in ("true", "1") for key in ("recursive", "expand"))
        entries = tree(folder, below.strip("/"), recursive=recursive, expand=expand, commit=commit)
        start, size = int(query.get("cursor", ["0"])[0]), int(query.get("limit", [str(PAGE)])[0])
        headers = {}
        if start + size < len(entries):
            kept = "&".join(f"{key}={quote(query[key][0])}" for key in ("recursive", "expand", "limit") if key in query)
            headers["Link"] = f'<{self.hub.url}{urlsplit(self.path).path}?{kept}&cursor={start + size}>; rel="next"'
        self._send_json(entries[start : start + size], headers=headers)

    def _send_file(self, kind: str, repository: str, revision: str, name: str) -> None:
        folder = self.hub.folder(kind, repository)
        commit = commit_of(repository, revision)
        if repository in self.hub.gated:
            self._refuse_strangers(repository)
        file = folder / name
        if name not in files(folder):
            raise RefusalError(HTTPStatus.NOT_FOUND, "EntryNotFound", f"{name} does not exist")
        size = file.stat().st_size
        asked = byte_range(self.headers.get("Range"), size)
        first, last = asked or (0, size - 1)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        large = lfs(file)
        self.send_header("ETag", f'"{large["sha256"] if large else blob_id(file)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if repository in self.hub.truncated and name.endswith(".parquet"):
            last = min(last, size // 2)
            self.close_connection = True
        if self._trouble and self._trouble.cut:
            last = first + (last - first) // 2
            self.close_connection = True
        for part in _parts(file, first, last):
            if self._trouble and self._trouble.spoil:
                part = bytes([part[0] ^ 1]) + part[1:]
            if self._trouble and self._trouble.drip:
                self._drip(part, self._trouble.drip)
            else:
                self.wfile.write(part)

    def _drip(self, part: bytes, seconds: float) -> None:
        for byte in part:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(seconds)

    def _refuse_strangers(self, repository: str) -> None:
        sent = self.headers.get("Authorization", "")
        if sent == f"Bearer {GRANTED}":
            return
        status = HTTPStatus.FORBIDDEN if sent else HTTPStatus.UNAUTHORIZED
        raise RefusalError(status, "GatedRepo", f"Access to dataset {repository} is restricted.")

    def _refuse_unknown(self, path: str) -> NoReturn:
        raise RefusalError(HTTPStatus.NOT_FOUND, message=f"this hub does not serve {path}")

    def _send_json(
        self, content: Any, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
    ) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _sibling(folder: Path, name: str, *, blobs: bool) -> dict[str, Any]:
    about: dict[str, Any] = {"rfilename": name}
    if blobs:
        file = folder / name
        about |= {"size": file.stat().st_size, "blobId": blob_id(file)}
        about |= {"lfs": large} if (large := lfs(file)) else {}
    return about


def _branch(repository: str) -> dict[str, str]:
    return {"name": "main", "ref": "refs/heads/main", "targetCommit": commit_of(repository, "main")}


def _parts(file: Path, first: int, last: int) -> Iterator[bytes]:
    with file.open("rb") as stream:
        stream.seek(first)
        left = last - first + 1
        while left > 0 and (part := stream.read(min(left, 1 << 20))):
            left -= len(part)
            yield part


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a mirror folder as a Hugging Face hub until interrupted.")
    parser.add_argument("root", type=Path, help="folder of <org>/<name>/ datasets and models/<org>/<name>/ models")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    options = parser.parse_args()
    with Hub(options.root.resolve(), port=options.port) as hub:
        print(f"export HF_ENDPOINT={hub.url}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
