"""The door to the root key: where it comes from, and the keys derived from it.

Order: a systemd credential (sealed by TPM2 where there is one), else a helper program (PKCS#11, OP-TEE), else a file that only the
service's user can read. The labels of the derived keys stand in docs/template-format.md.
"""

import os
import secrets
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.durable import sync_folder
from edge.errors import KeySourceError
from edge.keys.command import key_from
from edge.template.protect import KEY_BYTES, derive

CREDENTIAL = "edge-root-key"
CHECK_BYTES = 16


class MissingKeyError(KeySourceError):
    """There is no root key in any place: the only case in which a new one may be made."""


class Keyring:
    """The keys of one site and application, derived from the 32-byte root key by HKDF-SHA-256. Shows no key when printed."""

    def __init__(self, root: bytes, site: str, application: str) -> None:
        if len(root) != KEY_BYTES:
            raise ValueError(f"root key: expected {KEY_BYTES} bytes, got {len(root)}")
        self._root, self._wiped = bytearray(root), False
        self.site = unicodedata.normalize("NFC", site)
        self.application = unicodedata.normalize("NFC", application)

    def transform_key(self, epoch: int) -> bytes:
        """K_T: makes the keyed permutation and tables of a transform epoch (from 1)."""
        return self._derive("transform key", epoch)

    def row_key(self, epoch: int) -> bytes:
        """K_R: makes the one-time pads and tags of a row epoch (from 1)."""
        return self._derive("row key", epoch)

    def label_key(self) -> bytes:
        """Seals names, times and events."""
        return self._derive("label key", 0)

    def head_key(self) -> bytes:
        """Signs which references belong to a gallery and how many changes it has seen."""
        return self._derive("head key", 0)

    def audit_key(self) -> bytes:
        """Chains the lines of the audit log."""
        return self._derive("audit key", 0)

    def code_key(self) -> bytes:
        """Makes the tags by which door codes are known again."""
        return self._derive("door code key", 0)

    def check_value(self) -> bytes:
        """16 bytes that tell this keyring from another one and tell nothing about its keys."""
        return self._derive("check value", 0, CHECK_BYTES)

    def _derive(self, purpose: str, epoch: int, length: int = KEY_BYTES) -> bytes:
        if self._wiped:
            raise ValueError("keyring: was wiped")
        return derive(bytes(self._root), purpose, self.site, self.application, epoch, length=length)

    def wipe(self) -> None:
        """Overwrites the root key. Python may still hold copies of it and of derived keys until their memory is used again."""
        self._root[:] = bytes(KEY_BYTES)
        self._wiped = True

    def __repr__(self) -> str:
        return f"Keyring(site={self.site!r}, application={self.application!r})"

    def __reduce__(self) -> str:
        raise TypeError("a keyring is not pickled: its root key must not leave the process")


@dataclass(frozen=True)
class RootKey:
    """A loaded root key. source: where it came from. warning: what the operator must be told about it, or None."""

    secret: bytes = field(repr=False)
    source: str
    warning: str | None


def load_root_key(path: Path, *, credential: str = CREDENTIAL, command: str = "", environment: Mapping[str, str] | None = None) -> RootKey:
    """The root key from the systemd credential of that name, else from the command if one is given, else from the file.

    MissingKeyError if none of them is there, or KeySourceError: a source that is there but unusable is no reason to look further.
    """
    folder = (os.environ if environment is None else environment).get("CREDENTIALS_DIRECTORY")
    if folder and os.path.lexists(sealed := Path(folder) / credential):
        return RootKey(_read(sealed, owner=None), f"systemd credential {credential}", None)
    if command:
        return RootKey(key_from(command, KEY_BYTES), f"command {command.split()[0]}", None)
    if not os.path.lexists(path):
        way_out = "restore it, or create a new one for a new gallery"
        raise MissingKeyError(f"root key: neither systemd credential {credential} nor file {path}: {way_out}")
    return RootKey(_read(path, owner=os.geteuid()), str(path), _plain_file_warning(path, credential))


def _plain_file_warning(path: Path, credential: str) -> str:
    return (
        f"ROOT KEY IN A PLAIN FILE: whoever copies this disk has {path} and with it every code. "
        f"Seal it: systemd-creds encrypt --with-key=tpm2 --name={credential} {path} {credential}.cred"
    )


def _read(path: Path, owner: int | None) -> bytes:
    """The 32 bytes of a regular file that is no link and, with ``owner`` given, belongs to that user and nobody else can read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise KeySourceError(f"root key {path}: is a symbolic link: put the file itself there") from error
        raise KeySourceError(f"root key {path}: {error.strerror}: check the path and the user this program runs as") from error
    try:
        _check(path, os.fstat(descriptor), owner)
        secret = os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(secret) != KEY_BYTES:
        raise KeySourceError(f"root key {path}: {len(secret)} bytes read, {KEY_BYTES} expected: restore the right file")
    return secret


def _check(path: Path, facts: os.stat_result, owner: int | None) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise KeySourceError(f"root key {path}: is no regular file: name the file that holds the {KEY_BYTES} bytes")
    if facts.st_size != KEY_BYTES:
        raise KeySourceError(f"root key {path}: has {facts.st_size} bytes, {KEY_BYTES} expected: restore the right file (raw bytes)")
    if owner is None:
        return
    if facts.st_uid != owner:
        raise KeySourceError(f"root key {path}: belongs to user {facts.st_uid}, this program runs as {owner}: chown {owner} {path}")
    if facts.st_mode & 0o077:
        raise KeySourceError(f"root key {path}: mode {stat.S_IMODE(facts.st_mode):04o} lets others in: chmod 600 {path}")


def create_root_key(path: Path) -> RootKey:
    """A fresh random root key in a new file of mode 0600, on the disk when this returns. KeySourceError if anything is there already."""
    try:
        _write_new(path, secrets.token_bytes(KEY_BYTES))
    except FileExistsError as error:
        refusal = "exists already and is not replaced, the galleries made with it would be lost"
        raise KeySourceError(f"root key {path}: {refusal}: use it, or name another file") from error
    except OSError as error:
        way_out = "check that its folder exists, has room and may be written"
        raise KeySourceError(f"root key {path}: cannot be created, {error.strerror}: {way_out}") from error
    return load_root_key(path, environment={})


def _write_new(path: Path, secret: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
