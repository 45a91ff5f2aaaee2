"""A real HTTP server with faults on order, for tests of the `openai` policy."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

Reply = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Answers chat completions by the server's `reply`."""

    protocol_version = "HTTP/1.1"
    server: "Server"
    extra: Mapping[str, str] = MappingProxyType({})
    """Headers of every answer from here on."""

    def do_GET(self) -> None:
        self.server.probed += 1
        if self.server.hang_on_probe:
            time.sleep(30)
        if self.path.endswith("/models"):
            self.send(self.server.probe_status, {"object": "list", "data": self.server.models})
        elif self.path == "/openapi.json" and self.server.description is not None:
            if self.server.stale_connection:
                self.server.stale_connection = False
                self.drop()
                return
            self.send(200, self.server.description)
        else:
            self.send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.keys.append(self.headers.get("Authorization"))
            self.server.paths.append(self.path)
            self.server.times.append(time.monotonic())
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
        try:
            self.server.reply(self, body)
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in {**self.extra, **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, pieces: Iterable[bytes], *, pause_s: float = 0.0, whole: bool = True) -> None:
        """Answer with a stream; one that is not `whole` breaks off without the mark of its end."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        for name, text in self.extra.items():
            self.send_header(name, text)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(pause_s)
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.drop()

    def drop(self) -> None:
        """Break the connection in the middle."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """What was asked, and what to answer."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply = reply
        self.lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.probed = 0
        self.probe_status = 200
        self.models: list[dict[str, Any]] = []
        self.description: dict[str, Any] | None = None
        self.stale_connection = False
        self.hang_on_probe = False
        self.under_way = 0
        self.most_under_way = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # dropped connections are what these tests are about


def completion(text: str | None, **fields: Any) -> dict[str, Any]:
    """The body of a good answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **fields}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def says(text: str) -> Reply:
    return lambda handler, body: handler.send(200, completion(text))


def event(value: Any) -> bytes:
    """One server-sent event."""
    return f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def delta(content: str | None = None, finish: str | None = None, choice: Any = None, **fields: Any) -> dict[str, Any]:
    """One piece of a streamed answer; `fields` go into the delta, `choice` beside it."""
    said = fields if content is None else {"content": content, **fields}
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish, **(choice or {})}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def streamed(*pieces: Any, done: bool = True) -> list[bytes]:
    """The bytes of a stream, an event each."""
    return [event(piece) for piece in (*pieces, *(["[DONE]"] if done else []))]


def streams(*pieces: Any, done: bool = True, pause_s: float = 0.0, whole: bool = True) -> Reply:
    return lambda handler, body: handler.stream(streamed(*pieces, done=done), pause_s=pause_s, whole=whole)


def in_turn(*replies: Reply) -> Reply:
    """The n-th call gets the n-th reply; the last one goes on."""
    count = iter(range(10**9))
    return lambda handler, body: replies[min(next(count), len(replies) - 1)](handler, body)


@contextmanager
def serving(reply: Reply) -> Iterator[Server]:
    server = Server(reply)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
