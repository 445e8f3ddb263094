"""An operator who never rests, to be killed at any moment: ``python -m evaluation.faults.operator CONFIG KIND``.

KIND: enrol, rotate, rebind, backup, restore. Each begins anew for ever; a line of standard output says what has just been done.
"""

import secrets
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from edge.assembly import build
from edge.errors import GalleryError
from edge.gallery import Gallery, NetworkId
from edge.gallery.backup import restore, write_backup
from edge.keys import Keyring
from edge.records import Code
from edge.settings import Settings, load_settings

RECIPIENT, IDENTITY, BACKUP = "recipient.txt", "identity.txt", "whole.age"


def other(network: NetworkId) -> NetworkId:
    """Another network of the same size of codes."""
    return NetworkId("cd" * 32, network.m, network.q)


class Operator:
    """One gallery and its keys; every method does one thing once. told: hears what was done."""

    def __init__(self, settings: Settings, told: Callable[[str], None]) -> None:
        self._settings, self._told = settings, told
        self._network = build.network_id(settings)
        self._keys: Keyring = build.keyring(settings, lambda warning: None)
        self._turn = 0

    def _open(self, network: NetworkId | None = None) -> Gallery:
        return build.gallery(self._settings, network or self._network, lambda warning: None)

    def enrol(self) -> None:
        """Somebody new; every third goes again."""
        symbols = np.random.default_rng().integers(0, self._network.q, self._network.m, np.uint8)
        with self._open() as gallery:
            self._turn += 1
            subject = gallery.enrol(f"Guest {secrets.token_hex(8)}", [Code(symbols, self._network.q)])
            if self._turn % 3:
                self._told(subject.id)
            else:
                gallery.revoke(subject.id)

    def rotate(self) -> None:
        """Fresh pads, every second time another transform too."""
        self._turn += 1
        with self._open() as gallery:
            gallery.rotate(transform=self._turn % 2 == 0)
        self._told("rotated")

    def rebind(self) -> None:
        """To another network; everybody renewed there; the window closed; and back the next time."""
        for network, following in ((self._network, other(self._network)), (other(self._network), self._network)):
            try:
                gallery = self._open(network)
            except GalleryError:
                continue
            with gallery:
                if gallery.former is None:
                    gallery.rebind(following, datetime.now(timezone.utc) + timedelta(days=1))
                else:
                    self._renew(gallery)
        self._told("rebound")

    def _renew(self, gallery: Gallery) -> None:
        codes = np.load(self._settings.gallery.path.with_name("codes.npz"))
        for subject in gallery.subjects():
            gallery.rebound(subject.id, Code(codes[subject.label], self._network.q))
        gallery.end_rebind()

    def backup(self) -> None:
        """A backup under a new name."""
        folder = self._settings.gallery.path.parent
        recipient = (folder / RECIPIENT).read_text().strip()
        target = folder / f"copy-{secrets.token_hex(4)}.age"
        with self._open() as gallery:
            write_backup(gallery, target, self._keys, self._network, self._settings.gallery.device, [recipient])
        self._told(target.name)

    def restore(self) -> None:
        """The whole backup in place of the gallery."""
        folder, settings = self._settings.gallery.path.parent, self._settings
        witness = settings.gallery.witness_path
        restore(
            folder / BACKUP, folder / IDENTITY, settings.gallery.path, self._keys, settings.gallery.device, witness=witness, replace=True
        )
        self._told("restored")


KINDS = ("enrol", "rotate", "rebind", "backup", "restore")


def main(words: list[str]) -> int:
    """Works until it is killed."""
    operator = Operator(load_settings(Path(words[0]), {}), lambda text: print(text, flush=True))
    work = {kind: getattr(operator, kind) for kind in KINDS}[words[1]]
    print("ready", flush=True)
    while True:
        work()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
