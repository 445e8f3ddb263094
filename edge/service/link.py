"""The Unix socket between the door, which decides, and the screen, which shows. The door never waits for the screen.

The door's side lives in a thread of its own. Of scene, preview and enrolment only the newest is kept; replies wait in a short queue. A
screen that does not read, that says too much or what is no message loses its connection and may come again.
"""

import contextlib
import os
import selectors
import socket
import stat
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edge.service.messages import (
    MOST_ASKED,
    MOST_PICTURE,
    MOST_TEXT,
    PAGE,
    VERSION,
    Building,
    Command,
    Dates,
    EnrolAbort,
    EnrolConfirm,
    Enrolment,
    EnrolSave,
    EnrolStart,
    EnrolTry,
    EnterCode,
    Hello,
    Hint,
    Limit,
    LinkError,
    ListPeople,
    Lock,
    NewCode,
    Person,
    Preview,
    Reader,
    Renew,
    Reply,
    Revoke,
    Scene,
    State,
    Step,
    Told,
    Trouble,
    Turn,
    Unlock,
    asked,
    packed,
    told,
)
from edge.service.refusal import refused

__all__ = [
    "PAGE",
    "VERSION",
    "Building",
    "Command",
    "Dates",
    "DoorLink",
    "EnrolAbort",
    "EnrolConfirm",
    "EnrolSave",
    "EnrolStart",
    "EnrolTry",
    "Enrolment",
    "EnterCode",
    "Hello",
    "Hint",
    "Limit",
    "LinkError",
    "ListPeople",
    "Lock",
    "NewCode",
    "Person",
    "Preview",
    "Renew",
    "Reply",
    "Revoke",
    "Scene",
    "ScreenLink",
    "State",
    "Step",
    "Told",
    "Trouble",
    "Turn",
    "Unlock",
    "asked",
    "packed",
    "refused",
    "told",
]

Picture = Callable[[], tuple[Preview, bytes] | None]
MOST_REPLIES = 16
MOST_COMMANDS = 50  # of one second; a finger makes fewer
CHUNK = 65_536
PATIENCE = 5.0  # seconds for which a screen may leave what it was sent unread
TICK = 0.1  # seconds between two looks at the clock
BREATH = 0.05  # seconds between two connections, so that knocking costs little
QUIET = 60.0  # seconds for which the same problem is not told again
PEER = struct.Struct("3i")
LONGEST_PATH = 107  # bytes: sun_path of Linux


class DoorLink:
    """The door's side: listens at ``path``, speaks to one screen at a time (the newest), and only to processes of the users named.

    hello: what a screen is told first. on_command: hears every command, with the number of its connection; on_gone: the number of a
    connection that ended; on_tick: called about ten times a second. These are called in the link's thread and return at once.
    on_problem: hears what a person should know. Raises LinkError when the socket cannot be made.
    """

    def __init__(
        self,
        path: Path,
        users: frozenset[int],
        hello: Callable[[], Hello],
        on_command: Callable[[int, Command], None],
        on_gone: Callable[[int], None],
        on_problem: Callable[[str], None],
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.path, self._users, self._hello = path, users, hello
        self._on_command, self._on_gone, self._on_tick, self._listener = on_command, on_gone, on_tick, on_problem
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()
        self._newest: dict[str, Told | Picture] = {}
        self._kept: dict[str, Told] = {}
        self._replies: deque[tuple[int, Reply]] = deque()
        self._peer: _Peer | None = None
        self._count, self._ending = 0, False
        self._listening = listen(path, shared=users != frozenset({os.getuid()}))
        self._wake_in, self._wake_out = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self._thread = threading.Thread(target=self._serve, name="screen-link", daemon=True)
        self._thread.start()

    def show(self, message: Scene | Enrolment) -> None:
        """Keep as the newest of its kind and send it to whoever is there, or comes."""
        with self._lock:
            self._newest[message.type] = self._kept[message.type] = message
        self._wake()

    def picture(self, make: Picture) -> None:
        """The newest preview. ``make`` is called in the link's thread, and only if a screen is there to see it."""
        with self._lock:
            self._newest["preview"] = make
        self._wake()

    def reply(self, connection: int, message: Reply) -> None:
        """Answer that connection; if it is gone, nobody. A screen that lets answers pile up is dropped."""
        with self._lock:
            self._replies.append((connection, message))
        self._wake()

    @property
    def attached(self) -> bool:
        """Whether a screen is connected now."""
        return self._peer is not None

    def close(self) -> None:
        """End the thread and remove the socket."""
        self._ending = True
        self._wake()
        self._thread.join(2.0)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already; closed: nobody is left to wake
            self._wake_in.send(b"x")

    def _on_problem(self, text: str) -> None:
        """Tell a person, the same thing at most once a minute: whoever knocks again and again does not fill a log."""
        now = time.monotonic()
        if now - self._said.get(text, float("-inf")) < QUIET:
            return
        self._said = {said: when for said, when in self._said.items() if now - when < QUIET} | {text: now}
        self._listener(text)

    def _serve(self) -> None:
        while not self._ending:
            try:
                self._turn()
            except Exception as error:  # the door goes on without a screen, whatever happens here
                self._on_problem(f"screen link: {error!r}; the connection is closed")
                self._drop()
        self._drop()
        for end in (self._listening, self._wake_in, self._wake_out):
            end.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _turn(self) -> None:
        """Wait for something to do, at most a tick, and do it."""
        peer = self._peer
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_out, selectors.EVENT_READ)
            selector.register(self._listening, selectors.EVENT_READ)
            if peer is not None:
                self._fill(peer)
                selector.register(peer.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.out else 0))
            ready = {key.fileobj: events for key, events in selector.select(TICK)}
        if self._wake_out in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake_out.recv(CHUNK)
        self._on_tick()
        if peer is not None:
            self._speak(peer, ready.get(peer.socket, 0))
        if self._listening in ready:
            self._welcome()

    def _speak(self, peer: "_Peer", events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                peer.send()
            if events & selectors.EVENT_READ:
                for command in peer.commands():
                    self._on_command(peer.number, command)
            peer.check_patience()
        except (OSError, EOFError):
            self._drop()
        except LinkError as error:
            self._on_problem(str(error))
            self._drop()

    def _fill(self, peer: "_Peer") -> None:
        """Take what is to be sent next: answers first, then the newest of each kind; nothing while something is on its way."""
        if peer.out:
            return
        with self._lock:
            while self._replies and self._replies[0][0] != peer.number:
                self._replies.popleft()
            if len(self._replies) > MOST_REPLIES:
                raise LinkError("screen link: the screen does not read its answers; the connection is closed")
            if self._replies:
                next_one: Told | Picture = self._replies.popleft()[1]
            elif self._newest:
                next_one = self._newest.pop(next(iter(sorted(self._newest, key=_rank))))
            else:
                return
        if callable(next_one):
            made = next_one()
            if made is not None:
                peer.queue(packed(*made))
        else:
            peer.queue(packed(next_one))

    def _welcome(self) -> None:
        """Accept who knocks, if it is a process of a user named; it takes the place of the one before."""
        try:
            connection, _ = self._listening.accept()
        except OSError as error:
            self._on_problem(f"screen link: a connection could not be taken ({error.strerror}); close some files")
            time.sleep(TICK)
            return
        time.sleep(BREATH)
        user = peer_user(connection)
        if user not in self._users:
            self._on_problem(f"screen link: a process of user {user} was turned away; screen.user names the screen's user")
            connection.close()
            return
        self._drop()
        self._count += 1
        self._peer = _Peer(connection, self._count)
        self._peer.queue(packed(self._hello()))
        with self._lock:
            self._newest = {**self._kept}
            self._replies.clear()

    def _drop(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.socket.close()
            self._on_gone(peer.number)


def _rank(kind: str) -> int:
    return ("scene", "enrolment", "preview").index(kind)


class _Peer:
    """One connection of a screen, as the door sees it."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        connection.setblocking(False)
        self.socket, self.number = connection, number
        self.out = b""
        self._reader = Reader(MOST_ASKED, 0)
        self._moved = time.monotonic()
        self._second, self._heard = 0.0, 0

    def queue(self, data: bytes) -> None:
        self.out, self._moved = self.out + data, time.monotonic()

    def send(self) -> None:
        sent = self.socket.send(self.out)
        self.out = self.out[sent:]
        self._moved = time.monotonic() if sent else self._moved

    def commands(self) -> list[Command]:
        """What came. Raises EOFError when the screen has gone, LinkError for what is no command or for too many of them."""
        data = self.socket.recv(CHUNK)
        if not data:
            raise EOFError
        heard = [asked(text, picture) for text, picture in self._reader.feed(data)]
        now = time.monotonic()
        if now - self._second > 1.0:
            self._second, self._heard = now, 0
        self._heard += len(heard)
        if self._heard > MOST_COMMANDS:
            raise LinkError(f"screen link: more than {MOST_COMMANDS} commands in a second; the connection is closed")
        return heard

    def check_patience(self) -> None:
        if self.out and time.monotonic() - self._moved > PATIENCE:
            raise LinkError(f"screen link: the screen has read nothing for {PATIENCE:.0f} s; the connection is closed")


class ScreenLink:
    """The screen's side: connects when it can, says what it hears when asked. Never blocks; has no thread.

    path: of the door's socket. door: the user id whose process is believed to be the door; None: any.
    """

    def __init__(self, path: Path, door: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._door, self._clock = path, door, clock
        self._socket: socket.socket | None = None
        self._reader = Reader(MOST_TEXT, MOST_PICTURE)
        self._out = b""
        self._again, self._number = 0.0, 0
        self.problem = ""

    @property
    def connected(self) -> bool:
        """Whether the door is there."""
        return self._socket is not None

    def poll(self) -> list[tuple[Told, bytes]]:
        """What the door has said since the last call, each with its picture; connects again by itself. Call it often."""
        if self._socket is None and not self._connect():
            return []
        try:
            self._flush()
            return [(told(text), picture) for text, picture in self._receive()]
        except (OSError, EOFError, LinkError) as error:
            self.problem = str(error)
            self.close()
            return []

    def send(self, command: Command) -> bool:
        """Say a command; False if the door is not there or does not listen."""
        if self._socket is None or len(self._out) > CHUNK:
            return False
        self._out += packed(command)
        return True

    def refusal(self) -> Trouble | None:
        """The word of a door that refused to start; None where it left none."""
        return refused(self._path)

    def next_id(self) -> int:
        """A number for the next command."""
        self._number += 1
        return self._number

    def close(self) -> None:
        """Let go; ``poll`` connects again after half a second."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._out, self._again = None, b"", self._clock() + 0.5

    def _connect(self) -> bool:
        if self._clock() < self._again:
            return False
        self._again = self._clock() + 0.5
        fresh = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        fresh.setblocking(False)
        try:
            fresh.connect(os.fspath(self._path))
            if self._door is not None and peer_user(fresh) != self._door:
                raise PermissionError(f"{self._path}: who listens there is not the door")
        except OSError as error:
            self.problem = str(error)
            fresh.close()
            return False
        self._socket, self._reader, self._out, self.problem = fresh, Reader(MOST_TEXT, MOST_PICTURE), b"", ""
        return True

    def _flush(self) -> None:
        assert self._socket is not None
        if self._out:
            with contextlib.suppress(BlockingIOError):
                self._out = self._out[self._socket.send(self._out) :]

    def _receive(self) -> list[tuple[bytes, bytes]]:
        assert self._socket is not None
        found: list[tuple[bytes, bytes]] = []
        for _ in range(8):
            try:
                data = self._socket.recv(CHUNK)
            except BlockingIOError:
                break
            if not data:
                raise EOFError("the door has gone")
            found += self._reader.feed(data)
        return found


def peer_user(connection: socket.socket) -> int:
    """The user id of the process at the other end, as the kernel knows it (SO_PEERCRED)."""
    return int(PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[1])


def listen(path: Path, *, shared: bool) -> socket.socket:
    """A listening socket at ``path``; what a killed door left there is replaced. shared: other users may knock (and are then looked at)."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise LinkError(f"screen.socket = {path}: has more than {LONGEST_PATH} bytes, which Linux does not take; choose a shorter path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(before)
        path.chmod(0o666 if shared else 0o600)
        listening.listen(4)
    except OSError as error:
        raise LinkError(f"screen.socket = {path}: {error.strerror}; choose a path that this user may write") from error
    listening.setblocking(False)
    return listening


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens at. Raises LinkError for a socket in use, or another kind of file."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise LinkError(f"screen.socket = {path}: there is a file that is no socket; remove it or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            path.unlink()
            return
    raise LinkError(f"screen.socket = {path}: another door listens there; end it, or choose another path")
