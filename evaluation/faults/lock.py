"""A lock's twin: takes the door's signed messages on loopback and opens for an unlock that is still valid."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from edge.door.webhook import signature

KEY = "0123456789abcdef0123456789abcdef"


class Lock:
    """opened: (monotonic seconds, subject) of every time it opened. forged: messages whose signature is wrong. late: unlocks too old."""

    def __init__(self) -> None:
        self.opened: list[tuple[float, str | None]] = []
        self.forged = self.late = 0
        lock = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stamp, nonce = self.headers["X-Edge-Timestamp"], self.headers["X-Edge-Nonce"]
                lock.take(body, self.headers["X-Edge-Signature"] == f"v1={signature(KEY, stamp, nonce, body)}")
                self.send_response(204)
                self.end_headers()

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    return  # the door was killed

            def log_message(self, *words: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, body: bytes, signed: bool) -> None:
        """One message of the door."""
        message = json.loads(body)
        if not signed:
            self.forged += 1
        elif message["kind"] == "unlock_late":
            self.late += 1
        elif message["kind"] == "unlock" and message["valid_for"] > 0:
            self.opened.append((time.monotonic(), message["subject"]))

    def first_since(self, moment: float, subject: str) -> float:
        """When it opened for that subject first after a moment; infinite if it has not."""
        return next((at for at, who in list(self.opened) if at >= moment and who == subject), float("inf"))

    def opened_since(self, moment: float, subject: str) -> bool:
        """Whether it has opened for that subject since."""
        return self.first_since(moment, subject) < float("inf")

    def close(self) -> None:
        """No longer there."""
        self._server.shutdown()
        self._server.server_close()
