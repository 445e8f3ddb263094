"""Events to an HTTP server: signed, kept until they have arrived, tried again, and an unlock that has become late is sent as a record only.

The message and its signature are described in docs/outputs.md.
"""

import hashlib
import hmac
import http.client
import ipaddress
import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge.door.events import Alarm, Denied, OutputError, State, Unlock
from edge.door.lane import Tell
from edge.door.outbox import Letter, Outbox

MESSAGE = 1  # version of the message's form
REFUSED = frozenset({400, 413, 415, 422})  # answers by which a receiver says that this very message will never do
FIRST_PAUSE = 1.0  # seconds after the first failure; doubled with each, up to ``longest_pause``
AGAIN_WHILE_FRESH = 0.25  # seconds between the tries of an unlock that is still in time, or of a fresh alarm
ALARM_FRESH = 60.0  # seconds for which an alarm goes before everything that waits, whatever pause is on; afterwards it waits with the rest
LEAST_KEY = 32  # characters
CLOSING = 1.0  # seconds that a request under way has to end


@dataclass(frozen=True)
class Address:
    """Where to send. Raises OutputError for anything but https, or http to this machine itself. ca: a file of authorities, or None."""

    url: str
    ca: Path | None
    timeout: float

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        local = parts.hostname is not None and _is_loopback(parts.hostname)
        if parts.hostname is None or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            raise OutputError("webhook.url: expected https://HOST/..., or http:// to this machine itself; give such an address")
        if parts.username is not None or parts.fragment:
            raise OutputError("webhook.url: holds a user name or a fragment; the key signs, so leave them out")
        try:
            _ = parts.port
        except ValueError as error:
            raise OutputError("webhook.url: the port is no number up to 65535; mend it") from error
        if not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise OutputError("webhook.url: holds a blank or a letter that no address has; write it as the server's people do (%20, xn--)")
        _ = self.context

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        return parts.hostname, parts.port or (443 if self.secure else 80)

    @property
    def secure(self) -> bool:
        return self.url.lower().startswith("https:")

    @cached_property
    def context(self) -> ssl.SSLContext:
        """What checks the server. Raises OutputError where the file of authorities cannot be read."""
        try:
            return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except (OSError, ssl.SSLError) as error:
            raise OutputError(f"webhook.ca {self.ca}: {error}; name a PEM file of the authority that signed the server") from error


def signature(key: str, stamp: str, nonce: str, body: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104) in hex over ``stamp.nonce.body``."""
    return hmac.new(key.encode(), f"{stamp}.{nonce}.".encode() + body, hashlib.sha256).hexdigest()


def checked_key(key: str) -> str:
    """The key, if it is long enough. Raises OutputError, which never shows it."""
    if len(key) < LEAST_KEY:
        raise OutputError(f"webhook key: {len(key)} characters, at least {LEAST_KEY} expected; make one: openssl rand -hex 32")
    return key


class Webhook:
    """An output. ``unlock`` and the others only put the event into the outbox; a thread of its own sends."""

    name = "webhook"

    def __init__(
        self,
        address: Address,
        key: str,
        outbox: Outbox,
        tell: Tell,
        *,
        device: str,
        longest_pause: float,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._address, self._key, self._outbox, self._tell = address, checked_key(key), outbox, tell
        self._device, self._longest, self._wall = device, longest_pause, wall
        self._change = threading.Condition()
        self._closing = False
        self._news = 0  # events so far
        self._fresh: dict[str, tuple[float, Letter]] = {}  # unlocks still in time, and fresh alarms, by id, with their deadline
        self._pause, self._not_before, self._failing = 0.0, 0.0, False
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        self._thread.start()

    def unlock(self, event: Unlock) -> None:
        """See ``Output``."""
        facts = {"at": event.at, "cause": event.cause.value, "subject": event.subject}
        self._keep(Letter(event.id, "unlock", json.dumps(facts)), event.deadline)

    def denied(self, event: Denied) -> None:
        """See ``Output``."""
        facts = {"at": event.at, "cause": event.cause.value, "refusal": event.refusal.value, "subject": event.subject}
        self._keep(Letter(event.id, "denied", json.dumps(facts)))

    def alarm(self, event: Alarm) -> None:
        """See ``Output``."""
        letter = Letter(event.id, "duress", json.dumps({"at": event.at, "subject": event.subject}))
        self._keep(letter, time.monotonic() + ALARM_FRESH)

    def state(self, event: State) -> None:
        """See ``Output``."""
        self._keep(Letter(event.id, "state", json.dumps({"at": event.at, "try_later": event.try_later, "leaf": event.leaf.value})))

    def close(self) -> None:
        """What has not been sent stays in the outbox for the next start."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(CLOSING)
        if not self._thread.is_alive():
            self._outbox.close()

    def _keep(self, letter: Letter, deadline: float | None = None) -> None:
        """Into the outbox; an unlock, or an alarm, is sent even when the disk is full."""
        try:
            self._outbox.add(letter)
        finally:
            with self._change:
                self._news += 1
                if deadline is not None:
                    self._fresh[letter.id] = deadline, letter
                self._change.notify()

    def _work(self) -> None:
        while not self._closing:
            try:
                letter = self._next()
                if letter is not None:
                    self._send(letter)
            except OutputError as error:
                self._failed(str(error))

    def _next(self) -> Letter | None:
        """An unlock that is still in time, else what has waited longest, unless a pause is on; None after a wait."""
        with self._change:
            now, news = time.monotonic(), self._news
            self._fresh = {identity: kept for identity, kept in self._fresh.items() if kept[0] > now}
            if self._fresh:
                return next(iter(self._fresh.values()))[1]
        pausing = self._not_before - now
        letter = self._outbox.first() if pausing <= 0 else None
        if letter is None:
            with self._change:  # something new that is no unlock does not end a pause
                self._change.wait_for(
                    lambda: self._closing or bool(self._fresh) or (pausing <= 0 and self._news != news), pausing if pausing > 0 else None
                )
        return letter

    def _send(self, letter: Letter) -> None:
        try:
            body = self._body(letter)
        except (ValueError, KeyError, TypeError, ArithmeticError, OSError):
            self._tell("webhook: a message in the outbox is damaged and is given up")
            return self._outbox.remove(letter.id)
        try:
            status = _post(self._address, self._headers(body), body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return self._again(letter, f"the receiver cannot be reached ({type(error).__name__})")
        if not 200 <= status < 300 and status not in REFUSED:
            self._again(letter, f"the receiver answers HTTP {status}")
            return self._outbox.to_the_end(letter.id)
        with self._change:
            self._fresh.pop(letter.id, None)
        self._pause, self._not_before, self._failing = 0.0, 0.0, False
        if status in REFUSED:
            kind = "" if letter.kind == "duress" else f" of kind {letter.kind}"  # the log at the door names no alarm
            self._tell(f"webhook: the receiver refuses a message{kind} for good (HTTP {status}); it is given up")
        return self._outbox.remove(letter.id)

    def _body(self, letter: Letter) -> bytes:
        facts: dict[str, Any] = json.loads(letter.facts)
        deadline, _ = self._fresh.get(letter.id, (0.0, letter))
        kind, left = letter.kind, deadline - time.monotonic()
        if kind == "unlock" and left <= 0:
            kind = "unlock_late"
        at = datetime.fromtimestamp(facts.pop("at"), timezone.utc).isoformat(timespec="milliseconds")
        message = {"version": MESSAGE, "id": letter.id, "kind": kind, "device": self._device, "at": at, **facts}
        if kind == "unlock":
            message["valid_for"] = round(left, 3)
        return json.dumps(message).encode()

    def _headers(self, body: bytes) -> dict[str, str]:
        stamp, nonce = str(int(self._wall())), secrets.token_hex(16)
        return {
            "Content-Type": "application/json",
            "User-Agent": "edge-door",
            "X-Edge-Timestamp": stamp,
            "X-Edge-Nonce": nonce,
            "X-Edge-Signature": f"v1={signature(self._key, stamp, nonce, body)}",
        }

    def _again(self, letter: Letter, why: str) -> None:
        """It did not arrive: an unlock that is still in time is tried again in a moment, anything else after a pause."""
        if letter.id not in self._fresh:
            return self._failed(why)
        self._tell_once(why)
        with self._change:
            self._fresh[letter.id] = self._fresh.pop(letter.id)  # others go first
            self._change.wait_for(lambda: self._closing, AGAIN_WHILE_FRESH)
        return None

    def _failed(self, why: str) -> None:
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), self._longest)
        self._not_before = time.monotonic() + self._pause
        self._tell_once(why)

    def _tell_once(self, why: str) -> None:
        if not self._failing:
            self._tell(f"webhook: {why}; events are kept and sent later")
        self._failing = True


def _post(address: Address, headers: Mapping[str, str], body: bytes) -> int:
    """The status of one request. Redirects are not followed and the answer's body is not read. The whole takes ``timeout`` seconds at most,
    however slowly the other side drips. Raises OSError or HTTPException."""
    parts, (host, port) = urlsplit(address.url), address.place
    plain = socket.create_connection((host, port), address.timeout)
    handle = plain.dup()
    over = threading.Event()
    cut = threading.Timer(address.timeout, _shut, [handle, over])
    cut.daemon = True
    cut.start()
    connection = http.client.HTTPConnection(host, port, timeout=address.timeout)
    try:
        connection.sock = address.context.wrap_socket(plain, server_hostname=host) if address.secure else plain
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, dict(headers))
        status = connection.getresponse().status
        if over.is_set():
            raise TimeoutError("the answer was cut off")
        return status
    finally:
        connection.close()
        cut.cancel()
        cut.join()
        handle.close()
        plain.close()


def _shut(handle: socket.socket, over: threading.Event) -> None:
    over.set()
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
