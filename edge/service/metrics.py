"""Figures and health of a running door over HTTP, for this machine only: /metrics (Prometheus), /livez, /readyz.

No figure is of a person: outcomes are counted by verdict and reason, times by stage. Nothing listens unless ``metrics.port`` says so.
"""

import http
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from socketserver import TCPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from edge.errors import SettingsError
from edge.records import Frame, Outcome, Reason, Sighting, Verdict

ADDRESS = "127.0.0.1"
CLIENTS = 8  # at a time; more are turned away
SLOW = 2.0  # seconds that a client may keep silent
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # seconds


class Metrics:
    """A watcher that counts. fresh: seconds without a frame after which the door is not ready. references: how many are enrolled now."""

    def __init__(self, *, fresh: float, references: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh, self._references, self._clock = fresh, references, clock
        self._seen: float | None = None
        self._ended = False
        self.registry = own = CollectorRegistry()
        self._frames = Counter("edge_frames", "Frames that went through the loop", registry=own)
        self._faces = Counter("edge_faces", "Faces found in frames", registry=own)
        self._refused = Counter("edge_refused_samples", "Samples that were not used, by reason", ["reason"], registry=own)
        self._outcomes = Counter("edge_outcomes", "Approaches decided, by verdict and main reason", ["verdict", "reason"], registry=own)
        self._stages = Histogram("edge_stage_seconds", "Time of each stage", ["stage"], registry=own, buckets=BUCKETS)
        self._delay = Histogram("edge_decision_seconds", "From the newest frame to the decision", registry=own, buckets=BUCKETS)
        self._enrolled = Gauge("edge_references", "References enrolled", registry=own)
        Gauge("edge_frame_age_seconds", "Since the newest frame went through the loop", registry=own).set_function(self._age)
        for reason in Reason:
            self._refused.labels(reason.value)
        for verdict in Verdict:
            self._outcomes.labels(verdict.value, "")

    def stage(self, name: str, seconds: float) -> None:
        """Hears of every stage that ran (``Stages.heard``)."""
        self._stages.labels(name).observe(seconds)

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """Counts a frame and its faces."""
        self._seen = self._clock()
        self._frames.inc()
        self._faces.inc(len(sightings))
        self._enrolled.set(self._references())
        for sighting in sightings:
            for reason in sighting.reasons:
                self._refused.labels(reason.value).inc()

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """Counts an outcome; whose it is is not looked at."""
        reason = outcome.reasons[0].value if outcome.verdict is Verdict.NOT_ACQUIRED and outcome.reasons else ""
        self._outcomes.labels(outcome.verdict.value, reason).inc()
        self._delay.observe(max(0.0, outcome.decided - outcome.captured))

    def close(self) -> None:
        """The loop has ended."""
        self._ended = True

    def alive(self) -> tuple[bool, str]:
        """Whether the loop runs, and a word on it."""
        return not self._ended, "stopped" if self._ended else "alive"

    def ready(self) -> tuple[bool, str]:
        """Whether somebody who comes now would be seen, and a word on it."""
        if self._ended:
            return False, "stopped"
        if self._seen is None:
            return False, "no frame yet"
        age = self._age()
        return age <= self._fresh, "ready" if age <= self._fresh else f"no frame for {age:.0f} s"

    def page(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def _age(self) -> float:
        return float("nan") if self._seen is None else self._clock() - self._seen


class Server:
    """Answers on the loopback address. SettingsError if the port is taken."""

    def __init__(self, port: int, metrics: Metrics) -> None:
        """port: 0 for any that is free (tests)."""
        try:
            self._http = _Bounded((ADDRESS, port), _handler(metrics))
        except OSError as error:
            raise SettingsError(
                f"metrics.port = {port}: cannot be listened on ({error.strerror}); choose another, or 0 for none"
            ) from error
        self.port = int(self._http.server_address[1])
        threading.Thread(target=self._http.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """No more answers."""
        self._http.shutdown()
        self._http.server_close()


class _Bounded(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *words: Any) -> None:
        self._room = threading.BoundedSemaphore(CLIENTS)
        super().__init__(*words)

    def server_bind(self) -> None:
        """Without asking a name server what this machine is called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """A client that went away is nobody's trouble."""


def _handler(metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SLOW
        server_version, sys_version = "edge", ""

        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rpartition(":")
            if (host[0] or host[2]) not in (ADDRESS, "localhost"):
                self._answer(http.HTTPStatus.FORBIDDEN, b"this machine only\n")  # a page in a browser here, under a name of its own
            elif self.path == "/metrics":
                self._answer(http.HTTPStatus.OK, metrics.page(), CONTENT_TYPE_PLAIN_0_0_4)
            elif self.path in ("/livez", "/readyz"):
                well, word = metrics.alive() if self.path == "/livez" else metrics.ready()
                self._answer(http.HTTPStatus.OK if well else http.HTTPStatus.SERVICE_UNAVAILABLE, word.encode() + b"\n")
            else:
                self._answer(http.HTTPStatus.NOT_FOUND, b"/metrics /livez /readyz\n")

        def _answer(self, status: http.HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Who asks is not logged."""

    return Handler
