"""Attack 5, second half: everything that reads bytes from disk or socket, fed with bytes that no program of ours wrote.

    python -m evaluation.attacks.parsers [--seconds 60] [--only NAME ...]

Each parser may take the bytes, or refuse them with an error of the error tree; anything else is a defect. Here sound files are mutated at
random, for so many seconds each; with ``atheris`` (pip install atheris) coverage leads the way instead, one parser a run:
`python -m evaluation.attacks.parsers --only manifest --atheris`. The tests do the same with hypothesis. The last line of output is JSON.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from edge.assembly import build
from edge.assembly.calibration import Calibration, read_calibration
from edge.errors import EdgeError
from edge.gallery import NetworkId, open_gallery
from edge.gallery.backup import new_identity, restore, write_backup
from edge.gallery.head import EMPTY, Head, Signer
from edge.gallery.witness import Witness
from edge.inference import read_manifest
from edge.inference.plan import Board, Candidate, Options, PlanManifest, Proof
from edge.inference.plans import MANIFEST, POINTER, PlanStore
from edge.keys import Keyring, load_root_key
from edge.service.audit import Audit, files
from edge.service.messages import MOST_ASKED, MOST_PICTURE, MOST_TEXT, EnrolSave, Hello, Preview, Reader, asked, packed, told
from edge.service.verify import verify
from edge.settings import DEFAULTS, Settings, load_settings
from edge.template.protect import KEY_BYTES, ProtectedTemplate, RowCipher, open_record, seal_record
from evaluation.attacks.bench import NEVER, Knowledge, Result
from evaluation.pictures import Answer, answer, two_columns
from evaluation.schemes import DEVICE, NETWORK

KEY = bytes(range(KEY_BYTES))
KEYS = Keyring(KEY, "bench", "door")
WIDTH = 192
DAY = "2026-01-31"
Parser = Callable[[bytes, Path], object]
"""Bytes, and a folder to put them in where the parser wants a file."""


@lru_cache(maxsize=1)
def _made() -> tuple[str, bytes]:
    """A fresh operator's identity, and a backup of an empty gallery encrypted to it."""
    with TemporaryDirectory(prefix="edge-attack-") as name:
        folder, network = Path(name), NetworkId(NETWORK, 512, 8)
        recipient = new_identity(folder / "identity")
        with open_gallery(folder / "gallery.db", KEYS, network, DEVICE) as gallery:
            write_backup(gallery, folder / "backup.age", KEYS, network, DEVICE, [recipient])
        return (folder / "identity").read_text(encoding="ascii"), (folder / "backup.age").read_bytes()


def _cipher() -> RowCipher:
    return RowCipher(KEY, network=NETWORK, device=DEVICE, transform_epoch=1, row_epoch=1)


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def _plan_names(data: bytes, folder: Path) -> None:
    _file(folder, f"net/{POINTER}", data)
    store = PlanStore(folder, "net")
    for name in store.names():
        store.read(name)


def _plan(data: bytes, folder: Path) -> object:
    _file(folder, f"net/one/{MANIFEST}", data)
    return PlanStore(folder, "net").read("one")


def _calibration(data: bytes, folder: Path) -> Calibration:
    settings = load_settings(None)
    return read_calibration(_file(folder, "calibration.json", data), build.conditions(settings, build.hash_manifest(settings)))


def _backup(data: bytes, folder: Path) -> object:
    identity = folder / "identity"
    if not identity.exists():
        identity.write_text(_made()[0])
    return restore(_file(folder, "tried.age", data), identity, folder / "new.db", KEYS, "bench", witness=None, replace=True)


def _identity(data: bytes, folder: Path) -> object:
    source = _file(folder, "sound.age", _made()[1])
    return restore(source, _file(folder, "who", data), folder / "other.db", KEYS, "bench", witness=None, replace=True)


PARSERS: dict[str, Parser] = {
    "template": lambda data, folder: ProtectedTemplate.from_bytes(data),
    "row": lambda data, folder: _cipher().open(data, WIDTH, "subject", "reference"),
    "record": lambda data, folder: open_record(data, KEY, "subject", "id"),
    "manifest": lambda data, folder: read_manifest(_file(folder, "net.json", data)),
    "settings": lambda data, folder: load_settings(_file(folder, "door.toml", data)),
    "calibration": _calibration,
    "plan manifest": _plan,
    "plan pointer": _plan_names,
    "witness": lambda data, folder: Witness(_file(folder, "witness", data), Signer(KEY)).read(),
    "audit log": lambda data, folder: verify(_file(folder, "audit-000001.jsonl", data).parent, KEY),
    "backup": _backup,
    "operator's identity": _identity,
    "screen's message": lambda data, folder: [asked(*each) for each in Reader(MOST_ASKED, 0).feed(data)],
    "door's message": lambda data, folder: [told(text) for text, _ in Reader(MOST_TEXT, MOST_PICTURE).feed(data)],
    "root key": lambda data, folder: load_root_key(_file(folder, "root.key", data), environment={}),
}
ALTERED_MAY_NOT_OPEN = ("row", "record")
"""Those whose bytes are authenticated: a mutated one that is taken is a defect too."""


def sound() -> dict[str, bytes]:
    """Bytes that each parser takes what mutations start from."""
    settings = load_settings(None)
    manifest = settings.network.models / f"{settings.network.hash}.json"
    row = _cipher().seal(bytes(WIDTH), "subject", "reference").to_bytes()
    tail = build.own_tail(settings, build.hash_manifest(settings))
    made = Calibration(conditions=build.conditions(settings, build.hash_manifest(settings)), measured=DAY, non_mated=tail)
    return {
        "template": row,
        "row": row,
        "record": seal_record(b"{}", KEY, "subject", "id"),
        "manifest": manifest.read_bytes(),
        "settings": DEFAULTS.read_bytes(),
        "calibration": made.model_dump_json().encode(),
        "plan manifest": _sound_plan(settings).model_dump_json().encode(),
        "plan pointer": b'{"now": "one", "before": null}',
        "witness": Signer(KEY).seal(Head("0" * 32, 1, EMPTY), "witness"),
        "audit log": _log(),
        "backup": _made()[1],
        "operator's identity": _made()[0].encode(),
        "screen's message": packed(EnrolSave(id=1, name="Ada")),
        "door's message": packed(Hello(consent="1", pin=True)) + packed(Preview(face=(0.1, 0.1, 0.9, 0.9)), b"picture"),
        "root key": KEY,
    }


def _log() -> bytes:
    with TemporaryDirectory(prefix="edge-attack-") as folder:
        log = Audit(Path(folder), KEY, max_bytes=1 << 20, max_total=1 << 24, keep_days=30)
        log.append("start")
        log.append("outcome", verdict="unknown")
        (file,) = files(Path(folder))
        return file.read_bytes()


def _sound_plan(settings: Settings) -> PlanManifest:
    manifest, digest = build.hash_manifest(settings), "0" * 64
    return PlanManifest(
        network=manifest.name,
        network_sha256=manifest.sha256,
        plan_sha256=digest,
        source_sha256=digest,
        precision="fp16",
        board=Board(tensorrt="10.3", cuda="12.6", gpu="Orin", sm="8.7", power_mode="0"),
        options=Options(batch=1, side=320, workspace=64),
        profile="1",
        golden=manifest.golden,
        proof=Proof(reference_sha256=digest, samples=1, real=False, measures={}, gate={}),
        candidates=(Candidate(name="fp16"),),
        facts={},
    )


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """A few changes: a bit, a byte, a run cut out or doubled, a piece of another kind of text put in."""
    pieces = (b"null", b"-1", b"1e999", b"[" * 64, b"{}", b'""', b"\xff\xfe", b"\0", b"9" * 40, b"true", b"NaN", b"..", b"=")
    found = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        place = int(random.integers(len(found) + 1))
        kind = int(random.integers(5))
        if kind == 0 and place < len(found):
            found[place] ^= 1 << int(random.integers(8))
        elif kind == 1 and place < len(found):
            found[place] = int(random.integers(256))
        elif kind == 2:
            del found[place : place + int(random.integers(1, 64))]
        elif kind == 3:
            found[place:place] = found[place : place + int(random.integers(1, 64))]
        else:
            found[place : place + int(random.integers(0, 8))] = pieces[int(random.integers(len(pieces)))]
    return bytes(found)


def defect(name: str, data: bytes, folder: Path, original: bytes | None = None) -> str | None:
    """What is wrong with how a parser takes these bytes, or None. original: sound bytes of which these are a mutation."""
    try:
        PARSERS[name](data, folder)
    except EdgeError:
        return None
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error}"[:200]
    altered = name in ALTERED_MAY_NOT_OPEN and original is not None and data != original
    return f"{name}: altered bytes open" if altered else None


def attack(trials: int) -> list[Result]:
    """So many mutations for each parser; a success is a defect."""
    found, random = [], np.random.default_rng(0)
    with TemporaryDirectory(prefix="edge-attack-") as name:
        for parser, data in sound().items():
            defects = [wrong for _ in range(trials) if (wrong := defect(parser, mutated(data, random), Path(name), data))]
            note = defects[0] if defects else ""
            success = "a crash, or altered bytes taken"
            found.append(Result(f"mutated bytes, {parser}", Knowledge.DATABASE, success, trials, len(defects), NEVER, note))
    return found


def fuzzed(names: Sequence[str], seconds: float) -> Answer:
    """Mutations for so long each: how many, and the defects found."""
    random, originals = np.random.default_rng(), sound()
    facts: dict[str, Any] = {"parsers": {}}
    with TemporaryDirectory(prefix="edge-attack-") as folder:
        for name in names:
            end, tried, wrong = time.monotonic() + seconds, 0, set()
            while time.monotonic() < end:
                found = defect(name, mutated(originals[name], random), Path(folder), originals[name])
                tried += 1
                wrong |= {found} if found else set()
            facts["parsers"][name] = {"tried": tried, "defects": sorted(wrong)}
    lines = [(name, f"{found['tried']} tried, {len(found['defects'])} defects") for name, found in facts["parsers"].items()]
    facts["sound"] = not any(found["defects"] for found in facts["parsers"].values())
    return [two_columns("parsers fed with mutated bytes", lines)], facts


def led_by_coverage(name: str, seconds: int) -> Answer:
    """Atheris takes over the process until a defect or the end of time, and ends it. Raises EdgeError where it is not installed."""
    try:
        import atheris
    except ImportError as error:
        raise EdgeError("parsers: atheris is not installed; .venv/bin/pip install atheris, or leave --atheris out") from error
    with TemporaryDirectory(prefix="edge-attack-") as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        (corpus / "sound").write_bytes(sound()[name])

        def one(data: bytes) -> None:
            if wrong := defect(name, data, Path(folder)):
                raise AssertionError(wrong)

        atheris.instrument_all()
        atheris.Setup(["parsers", f"-max_total_time={seconds}", "-max_len=65536", str(corpus)], one)
        atheris.Fuzz()
    return [], {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz and print; 1 if a defect was found."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.attacks.parsers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each parser (default 60)")
    parser.add_argument("--only", nargs="+", choices=sorted(PARSERS), default=sorted(PARSERS), help="these parsers (default all)")
    parser.add_argument("--atheris", action="store_true", help="led by coverage; the first of the parsers named")
    options = parser.parse_args(arguments)
    if options.atheris:
        return answer(lambda: led_by_coverage(options.only[0], options.seconds))
    sound_found: list[bool] = []

    def measured() -> Answer:
        tables, facts = fuzzed(options.only, options.seconds)
        sound_found.append(bool(facts["sound"]))
        return tables, facts

    return answer(measured) or int(sound_found == [False])


if __name__ == "__main__":
    sys.exit(main())
