"""Attack 5, backups: whoever can write where backups lie, but has no key, tries to be let in by the next restoration.

Edited backups must not open. A forged one needs no key to be encrypted, for the recipient is public; but only the device can put the code
behind its header, and without that it is restored only where the operator says that it comes from elsewhere.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge.errors import EdgeError
from edge.gallery import open_gallery
from edge.gallery.backup import new_identity, restore
from edge.keys import Keyring
from edge.records import Code
from edge.template.protect import KEY_BYTES
from evaluation.attacks.bench import NEVER, Knowledge, Result
from evaluation.attacks.door import Door, Rule
from evaluation.attacks.faces import Faces

PEOPLE, TRIALS = 4, 40
SUCCESS = "a stranger is let in after a restoration"
DEVICE = "bench"
KEYS = Keyring(bytes(KEY_BYTES), "backup", DEVICE)
"""Of the device that restores; the attacker does not know them."""
Forge = Callable[[bytes, np.random.Generator], bytes]


def flipped(raw: bytes, random: np.random.Generator) -> bytes:
    found = bytearray(raw)
    found[int(random.integers(len(found)))] ^= 1 << int(random.integers(8))
    return bytes(found)


def cut(raw: bytes, random: np.random.Generator) -> bytes:
    return raw[: int(random.integers(len(raw)))]


def spliced(raw: bytes, random: np.random.Generator) -> bytes:
    """A run of bytes from elsewhere in the file."""
    found, (source, target) = bytearray(raw), random.integers(0, len(raw) - 64, 2)
    found[target : target + 64] = raw[source : source + 64]
    return bytes(found)


EDITS: dict[str, Forge] = {"bit flipped in a backup": flipped, "backup cut short": cut, "backup spliced": spliced}


def attack(faces: Faces, rule: Rule, trials: int = TRIALS) -> list[Result]:
    """Backups edited, and one forged by whoever knows the recipient."""
    codes, _ = faces.some(slice(0, PEOPLE)).codes
    stranger = faces.projection.probes(faces.strangers[:1])[0]
    with TemporaryDirectory(prefix="edge-attack-") as name:
        folder = Path(name)
        recipient = new_identity(folder / "identity")
        sound = Door(folder, rule, codes, "own").back_up(folder / "own.age", recipient)
        forged = Door(folder, rule, stranger.symbols[None], "forger").back_up(folder / "forged.age", recipient)
        results = []
        for what, edit in EDITS.items():
            made = [edit(sound, np.random.default_rng(trial)) for trial in range(trials)]
            hits = sum(_lets_in(folder, raw, rule, stranger, elsewhere=True) for raw in made if raw != sound)
            results.append(Result(what, Knowledge.DATABASE, SUCCESS, trials, hits, NEVER))
        note = "without --from-elsewhere; whoever says that takes what is in the backup"
        hits = _lets_in(folder, forged, rule, stranger, elsewhere=False)
        return [*results, Result("backup forged", Knowledge.BACKUPS, SUCCESS, 1, int(hits), NEVER, note)]


def _lets_in(folder: Path, raw: bytes, rule: Rule, stranger: Code, *, elsewhere: bool) -> bool:
    """Whether a device that restores these bytes then identifies the stranger. elsewhere: what the operator says."""
    source, place = folder / "tried.age", folder / "restored"
    source.write_bytes(raw)
    place.mkdir(exist_ok=True)
    try:
        target, witness = place / "gallery.db", place / "witness"
        restore(source, folder / "identity", target, KEYS, DEVICE, witness=witness, replace=True, elsewhere=elsewhere)
        with open_gallery(place / "gallery.db", KEYS, rule.network, DEVICE, witness=place / "witness") as gallery:
            return rule.judge(gallery, stranger).subject is not None
    except EdgeError:
        return False
