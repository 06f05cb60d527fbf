"""Voyage's API on a server of the tests' own, which fails when it is told to."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

KEY = "pa-the-tests-own-secret"


@dataclass
class Answer:
    """What the server does with one request instead of embedding."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    hang_up: bool = False


class Voyage(ThreadingHTTPServer):
    """The API: counts tokens as words, embeds by a hash of all that decides an embedding."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answers: list[Answer] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def inputs(self) -> list[Any]:
        return [content["content"] for request in self.requests for content in request["inputs"]]

    def embed(self, body: dict[str, Any]) -> dict[str, Any]:
        usage = {"text_tokens": 0, "image_pixels": 0, "video_pixels": 0, "total_tokens": 0}
        vectors = []
        for content in body["inputs"]:
            for part in content["content"]:
                if part["type"] == "text":
                    usage["text_tokens"] += len(part["text"].split())
                else:
                    width, height = picture(part).size
                    usage["image_pixels"] += min(max(width * height, 50_000), 2_000_000)
            vectors.append(expected(content["content"], body["input_type"]))
        coded = [base64.b64encode(vector.tobytes()).decode() for vector in vectors]
        return {"data": [{"embedding": each, "index": n} for n, each in enumerate(coded)], "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    server: Voyage

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.keys.append(self.headers["Authorization"])
        answer = self.server.answers.pop(0) if self.server.answers else Answer(body=self.server.embed(body))
        time.sleep(answer.seconds)
        if answer.hang_up:
            self.close_connection = True
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body or {}).encode()
        self.send_response(answer.status)
        for name, value in ({"Content-Length": str(len(content))} | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def expected(content: list[dict[str, str]], input_type: str) -> NDArray[np.float32]:
    seed = sha256(json.dumps([content, input_type]).encode()).digest()[:8]
    return np.random.default_rng(int.from_bytes(seed, "big")).standard_normal(1024, dtype=np.float32)


def picture(part: dict[str, str]) -> Image.Image:
    head, _, content = part["image_base64"].partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Voyage]:
    """The API while it runs, and the environment variables by which its client finds it."""
    with Voyage() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("VOYAGE_API_KEY", KEY)
        monkeypatch.setenv("VOYAGE_API_BASE", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
        server.shutdown()
