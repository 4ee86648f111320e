"""`fruitlake serve` in a thread of this process, on a free port of loopback."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from bootstrap.serve.app import Facts, Limits, make_app
from bootstrap.serve.gold import CurrentGold
from catalog.lake import Lake

LIMITS = Limits(max_bytes=4 * 1024**2, seconds=5, threads=2)


@dataclass(frozen=True)
class Service:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send a request; returns the status, and the response as JSON or text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode()
        finally:
            connection.close()


@contextmanager
def serving(lake: Lake, facts: Facts | None = None, limits: Limits = LIMITS) -> Iterator[Service]:
    app = make_app(CurrentGold(lake), limits, facts or {}, refresh=0.2)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield Service(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
