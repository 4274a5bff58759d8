"""A web server on this machine that misbehaves in the ways that real ones do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server does.

    Attributes
    ----------
    content
        What it serves, at any address.
    tag
        Its ETag; empty: it has none, and no date either.
    drops
        After so many bytes of each of the next answers the connection breaks off.
    statuses
        What the next answers say instead of serving anything.
    ranges
        Whether it serves parts.
    lies
        Whether its parts begin elsewhere than they should.
    changes
        What it serves from the second request on, with another tag.
    requests
        The Range header of every request so far.
    """

    content: bytes
    tag: str = '"one"'
    drops: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    lies: bool = False
    changes: bytes | None = None
    requests: list[str | None] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        do: Behaviour = self.server.behaviour  # type: ignore[attr-defined]
        if do.changes is not None and do.requests:
            do.content, do.tag, do.changes = do.changes, '"two"', None
        wanted = self.headers.get("Range")
        do.requests.append(wanted)
        if do.statuses:
            self._empty(do.statuses.pop(0))
            return
        begin, total = 0, len(do.content)
        same = self.headers.get("If-Range", do.tag) == do.tag
        if wanted and do.ranges and same:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= total:
                self._empty(416)
                return
        body = do.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            first = begin - 3 if do.lies else begin
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        if do.tag:
            self.send_header("ETag", do.tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: do.drops.pop(0)] if do.drops else body)
        self.close_connection = True

    def _empty(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Run the server; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.behaviour = behaviour  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
