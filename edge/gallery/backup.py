"""Backup and restore: a copy of the gallery under a key of its own, encrypted to the operator (age, https://age-encryption.org/v1).

A backup holds neither the device's root key nor its transform: its copy is a gallery of device "backup" under a fresh random key, and that
key lies with it inside the age file, which only the operator's identity opens. Restoring recodes everything for the device at hand.

Anybody can encrypt to the operator, so the header carries a code made with the device's head key: a device restores what it wrote itself,
and what comes from elsewhere only where the operator says so.
"""

import contextlib
import hashlib
import hmac
import io
import json
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from glob import escape
from pathlib import Path
from typing import BinaryIO

import pyrage

from edge.durable import sync_folder
from edge.errors import GalleryError
from edge.gallery.errors import BusyGalleryError, UnwritableGalleryError, translated
from edge.gallery.file import NetworkId, reader
from edge.gallery.gallery import Gallery, open_gallery
from edge.gallery.renewal import Tell, untold
from edge.gallery.state import now_text
from edge.template.protect import KEY_BYTES, Keys, derive

DEVICE = "backup"
KIND, VERSION = "edge-face backup", 1
MOST_HEADER = 4096  # bytes
_SUFFIX = ".draft"
_NAME = re.compile(r"gallery-(\d{8}T\d{6}Z)-([0-9a-f]{32})\.age")


class BackupError(GalleryError):
    """A backup cannot be written or read; nothing was changed."""


@dataclass(frozen=True)
class Facts:
    """What a backup says of itself: the device it is from, when (wall-clock UTC), its network, and the gallery's number of changes then."""

    device: str
    time: str
    network: NetworkId
    counter: int


@dataclass(frozen=True)
class Restored:
    """What a restore did. revoked: labels of people whose later revocation was carried over from the gallery that was there. aside: where
    that one is kept; None where there was none. unread: why its revocations, or some of them, could not be carried over; None if all were.
    """

    facts: Facts
    subjects: int
    revoked: tuple[str, ...]
    aside: Path | None
    unread: str | None = None


class BackupKeys:
    """The keys of one backup, all from its one random key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def transform_key(self, epoch: int) -> bytes:
        """See ``edge.template.protect.Keys``."""
        return derive(self._secret, "backup transform key", epoch)

    def row_key(self, epoch: int) -> bytes:
        """See ``edge.template.protect.Keys``."""
        return derive(self._secret, "backup row key", epoch)

    def label_key(self) -> bytes:
        """See ``edge.template.protect.Keys``."""
        return derive(self._secret, "backup label key")

    def head_key(self) -> bytes:
        """See ``edge.template.protect.Keys``."""
        return derive(self._secret, "backup head key")

    def check_value(self) -> bytes:
        """See ``edge.template.protect.Keys``."""
        return derive(self._secret, "backup check value", length=16)


def recipients_of(texts: Sequence[str]) -> list["pyrage.x25519.Recipient"]:
    """age recipients ("age1...") -> what encrypts to them. Raises BackupError."""
    try:
        return [pyrage.x25519.Recipient.from_str(text) for text in texts]
    except pyrage.RecipientError as error:
        raise BackupError(f"backup recipient: {error}: expected age1..., as `age-keygen` prints it") from error


def write_backup(gallery: Gallery, target: Path, keys: Keys, network: NetworkId, device: str, recipients: Sequence[str]) -> Facts:
    """A backup of an open gallery at ``target``, which must not exist; whole or not at all. Damaged references are not in it.

    Raises BackupError, UnwritableGalleryError, and AlteredGalleryError for a gallery that is not the one that was signed.
    """
    audience = recipients_of(recipients)
    if not audience:
        raise BackupError("backup: no recipient: make an identity with `edge backup --new-identity FILE` and name it in backup.recipients")
    if target.exists():
        raise BackupError(f"backup {target}: exists already: name another file")
    secret = secrets.token_bytes(KEY_BYTES)
    facts = Facts(device, now_text(), network, gallery.counter or 0)
    with _drafts(target, "gallery", "age") as (draft, sealed):
        gallery.copy_to(draft)
        with open_gallery(draft, keys, network, device, create=False) as copy:
            copy.readdress(BackupKeys(secret), DEVICE, whole=False)
        with draft.open("rb") as plain, sealed.open("xb") as out:
            os.fchmod(out.fileno(), 0o600)
            pyrage.encrypt_io(_Joined(_header(facts, secret, keys), plain), out, audience)
            out.flush()
            os.fsync(out.fileno())
        sealed.replace(target)
    sync_folder(target.parent)
    return facts


def name_of(keys: Keys, when: datetime) -> str:
    """The name of a backup made at a wall-clock time, with a code that only the device with these keys can make."""
    stamp = f"{when.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}"
    return f"gallery-{stamp}-{_name_code(stamp, keys)}.age"


def surplus(folder: Path, keys: Keys, keep: int, newest: Path) -> list[Path]:
    """The backups of a folder beyond the ``keep`` newest that bear a name made with these keys; ``newest`` is never among them.

    A file of another name is neither counted nor given: whoever may write there could else push out real backups with files of his own.
    """
    ours = [path for path in folder.iterdir() if (named := _NAME.fullmatch(path.name)) and _is_named_by(keys, *named.groups())]
    others = sorted(path for path in ours if path.name != newest.name)
    return others[: max(0, len(others) + 1 - keep)]


def _name_code(stamp: str, keys: Keys) -> str:
    return hmac.new(derive(keys.head_key(), "backup name"), stamp.encode(), hashlib.sha256).hexdigest()[:32]


def _is_named_by(keys: Keys, stamp: str, code: str) -> bool:
    return hmac.compare_digest(code, _name_code(stamp, keys))


def restore(
    source: Path,
    identity: Path,
    path: Path,
    keys: Keys,
    device: str,
    *,
    witness: Path | None,
    replace: bool,
    elsewhere: bool = False,
    forget: bool = False,
    tell: Tell = untold,
) -> Restored:
    """The gallery of a backup at ``path``, recoded for these keys and this device.

    replace: also where a gallery is; it stays beside it under another name, and whoever was revoked in it stays revoked. elsewhere: also a
    backup that was not written with these keys. forget: also where those revocations cannot be read, so that who was revoked since is
    enrolled again. tell: progress. Raises BackupError, BusyGalleryError while another process has the gallery open, and the other errors
    of edge.gallery.errors.
    """
    if os.path.lexists(path) and not replace:
        raise BackupError(f"gallery {path}: is there already: restore with --replace to put the backup in its place")
    with _drafts(path, "gallery") as (draft,):
        header = _decrypted(source, identity, draft)
        facts, secret = _read_header(header, source)
        if not (_is_ours(header, keys) or elsewhere):
            raise BackupError(
                f"backup {source}: of {facts.time}, says it is from device {facts.device}, but was not written with this device's present "
                "keys: make sure where it comes from, then restore with --from-elsewhere"
            )
        with open_gallery(draft, BackupKeys(secret), facts.network, DEVICE, create=False) as copy:
            revoked, unread = _carry_over(copy, path)
            if unread and not forget and os.path.lexists(path):
                raise BackupError(
                    f"{unread}, so whoever was revoked since {facts.time} would be enrolled again; see `edge audit show`, then restore "
                    "with --forget-revocations and revoke them anew"
                )
            copy.readdress(keys, device, tell)
            subjects, head = len(copy.subjects()), copy.head
        with open_gallery(draft, keys, facts.network, device, create=False, witness=witness) as ours:
            ours.accept(only=head, keep=witness is None or not os.path.lexists(witness))
        aside = _set_aside(path)
        draft.replace(path)
        sync_folder(path.parent)
    with open_gallery(path, keys, facts.network, device, create=False, witness=witness) as gallery:  # the witness follows
        late, lost = _carry_over(gallery, aside) if aside else ((), None)  # revoked while this was at work
    return Restored(facts, subjects - len(late), revoked + late, aside, unread or lost)


class _Joined(io.RawIOBase):
    """Bytes and then a file, as one file."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        self._first, self._rest = io.BytesIO(first), rest

    def read(self, size: int = -1) -> bytes:
        return self._first.read(size) or self._rest.read(size)


@contextmanager
def _drafts(target: Path, *kinds: str) -> Iterator[list[Path]]:
    """Names beside the target for what is not whole yet; removed at the end, and what an earlier process left too."""
    for left in target.parent.glob(f".{escape(target.name)}.*{_SUFFIX}*"):
        with contextlib.suppress(OSError):
            left.unlink()
    drafts = [target.with_name(f".{target.name}.{kind}.{secrets.token_hex(8)}{_SUFFIX}") for kind in kinds]
    try:
        yield drafts
    except OSError as error:
        raise UnwritableGalleryError(f"{target}: {error.strerror}: check that its folder exists, has room and may be written") from error
    finally:
        for draft in drafts:
            for name in (draft.name, f"{draft.name}-wal", f"{draft.name}-shm", f"{draft.name}-journal"):
                with contextlib.suppress(OSError):
                    draft.with_name(name).unlink(missing_ok=True)


def _header(facts: Facts, secret: bytes, keys: Keys) -> bytes:
    network = {"sha256": facts.network.sha256, "m": facts.network.m, "q": facts.network.q}
    told = {"kind": KIND, "version": VERSION, "device": facts.device, "time": facts.time, "network": network, "counter": facts.counter}
    line = json.dumps({**told, "key": secret.hex()}).encode()
    return line + b" " + _code(line, keys).encode() + b"\n"


def _code(line: bytes, keys: Keys) -> str:
    """What only the device with these keys can put behind a header."""
    return hmac.new(derive(keys.head_key(), "backup origin"), line, hashlib.sha256).hexdigest()


def _is_ours(header: bytes, keys: Keys) -> bool:
    line, _, code = header.rpartition(b" ")
    return hmac.compare_digest(code, _code(line, keys).encode())


def _read_header(header: bytes, source: Path) -> tuple[Facts, bytes]:
    try:
        told = json.loads(header.rpartition(b" ")[0])
        if told["kind"] != KIND:
            raise ValueError(told["kind"])
        if told["version"] > VERSION:
            raise BackupError(f"backup {source}: has version {told['version']}, this program knows {VERSION}: update the program")
        secret = bytes.fromhex(told["key"])
        if len(secret) != KEY_BYTES:
            raise ValueError("key")
        return Facts(str(told["device"]), str(told["time"]), NetworkId(**told["network"]), int(told["counter"])), secret
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise BackupError(f"backup {source}: opens, but is no backup of a gallery: name another file") from error


def _decrypted(source: Path, identity: Path, draft: Path) -> bytes:
    """Opens a backup into ``draft``, sealed still, and gives its header."""
    identities = _identities(identity)
    out = _Splitter(draft)
    try:
        with source.open("rb") as sealed, contextlib.closing(out):
            pyrage.decrypt_io(sealed, out, identities)
    except FileNotFoundError as error:
        raise BackupError(f"backup {source}: does not exist: check the path") from error
    except (pyrage.DecryptError, OSError) as error:
        raise BackupError(f"backup {source}: is damaged, or not encrypted to {identity} ({error}): name the right identity") from error
    return out.header


class _Splitter(io.RawIOBase):
    """Keeps the first line written to it and writes the rest to a new private file."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        self.header, self._whole = b"", False

    def write(self, data: object) -> int:
        given = rest = bytes(data)  # type: ignore[call-overload]
        if not self._whole:
            line, end, rest = given.partition(b"\n")
            self.header += line
            self._whole = bool(end)
            if len(self.header) > MOST_HEADER:
                raise OSError("not a backup")
        self._file.write(rest)
        return len(given)

    def close(self) -> None:
        self._file.close()
        super().close()


def _identities(path: Path) -> list["pyrage.x25519.Identity"]:
    """The age identities of a file as ``age-keygen`` writes it. Raises BackupError."""
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(f"identity {path}: cannot be read ({error}): name the file that `age-keygen` or --new-identity wrote") from error
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith("AGE-SECRET-KEY-1")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise BackupError(f"identity {path}: holds no sound AGE-SECRET-KEY-1...: name the file that `age-keygen` or --new-identity wrote")
    return found


def new_identity(path: Path) -> str:
    """Writes a fresh age identity (mode 0600) and gives its recipient. To be kept away from the device. Raises BackupError."""
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackupError(f"identity {path}: {error.strerror}: name a new file in a folder that may be written") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"# public key: {recipient}\n{identity}\n")
    return recipient


def _carry_over(copy: Gallery, path: Path) -> tuple[tuple[str, ...], str | None]:
    """Revokes in the copy whoever was revoked in the gallery at ``path``, as far as it can be read; their labels, and what hindered it."""
    revoked, hindered = _revocations(path)
    again = [subject for subject in copy.subjects() if subject.id in revoked]
    for subject in again:
        copy.revoke(subject.id)
    return tuple(subject.label for subject in again), hindered


def _revocations(path: Path) -> tuple[set[str], str | None]:
    """The ids that a gallery says are revoked, also one that is damaged elsewhere, and why there may be more."""
    revoked: set[str] = set()
    if not os.path.lexists(path):
        return revoked, f"gallery {path}: is not there, and with it the revocations since that backup"
    try:
        with contextlib.closing(reader(path)) as db:
            db.text_factory = lambda stored: stored.decode("utf-8", "backslashreplace")  # one damaged id must let nobody else back in
            for (subject,) in db.execute("SELECT subject FROM revocations"):
                revoked.add(str(subject))
    except sqlite3.Error as error:
        return revoked, f"gallery {path}: its revocations cannot be read ({error})"
    return revoked, None


def _set_aside(path: Path) -> Path | None:
    """Gives the gallery at ``path`` another name too, its journal first copied back.

    Raises BusyGalleryError while another process has it.
    """
    if not os.path.lexists(path):
        return None
    try:
        with translated(path), contextlib.closing(sqlite3.connect(path, timeout=1)) as db:
            db.execute("PRAGMA journal_mode=DELETE").fetchall()
    except BusyGalleryError:
        raise
    except GalleryError:  # damaged: its journal goes with it
        pass
    stamp = now_text().replace(":", "")
    for ending in ("-wal", "-shm"):
        name = path.with_name(f"{path.name}{ending}")
        if os.path.lexists(name):
            name.replace(path.with_name(f"{path.name}.{stamp}{ending}"))
    aside = path.with_name(f"{path.name}.{stamp}")
    try:
        os.link(path, aside, follow_symlinks=False)  # it stays in its place until the other one takes it: at no moment is there none
    except OSError:  # a file system without links
        path.replace(aside)
    return aside
