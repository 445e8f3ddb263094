"""Renewal of a whole gallery: nobody is lost, nothing old opens, killed at any moment it was done whole or not at all."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import GalleryError
from edge.gallery import Gallery, NetworkId, OtherDeviceError, OtherNetworkError, WrongKeyError, open_gallery
from edge.keys import Keyring
from edge.records import Code
from tests.test_gallery import KEYRING, NETWORK

OTHER_KEYS = Keyring(bytes(range(1, 33)), "site", "door")
NEW = NetworkId("cd" * 32, 256, 4)
PEOPLE = [f"Person {number}" for number in range(20)]
SOON = datetime.now(timezone.utc) + timedelta(days=3)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


def code(number: int, network: NetworkId = NETWORK) -> Code:
    return Code(np.random.default_rng(number).integers(0, network.q, network.m, dtype=np.uint8), network.q)


def opened(path: Path, keyring: Keyring = KEYRING, network: NetworkId = NETWORK, device: str = "device", **others: object) -> Gallery:
    return open_gallery(path, keyring, network, device, witness=path.with_name("head"), create=False, **others)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with open_gallery(path, KEYRING, NETWORK, "device", witness=path.with_name("head")) as gallery:
        for number, name in enumerate(PEOPLE):
            gallery.enrol(name, [code(number)])
        gallery.revoke(gallery.find("Person 19").id)
    return path


def found(gallery: Gallery) -> list[str]:
    """Whom the gallery finds by the code of each person, nobody else's name twice."""
    names = {subject.id: subject.label for subject in gallery.subjects()}
    best = [gallery.search(code(number), limit=1) for number in range(len(PEOPLE))]
    return [names[one[0].subject] for one in best if one and one[0].dissimilarity == 0]


def bytes_in(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def sealed_rows(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as db:
        return [row for (row,) in db.execute("SELECT template FROM templates UNION ALL SELECT template FROM former")]


# --- rotate


def test_progress_of_a_rotation_is_told_in_parts_of_the_whole(path: Path) -> None:
    told: list[tuple[int, int]] = []
    with opened(path) as gallery:
        gallery.rotate(transform=True, tell=lambda done, total: told.append((done, total)))
        assert found(gallery) == PEOPLE[:19]
    assert told[-1] == (19, 19)


# --- readdress


def test_other_keys_take_everybody_along_and_the_old_ones_open_nothing_any_more(path: Path) -> None:
    old = sealed_rows(path)
    with opened(path) as gallery:
        before = {(subject.id, subject.label, subject.created) for subject in gallery.subjects()}
        events = [event.kind for event in gallery.events()]
        gallery.readdress(OTHER_KEYS, "device")
        assert found(gallery) == PEOPLE[:19]
        assert {(subject.id, subject.label, subject.created) for subject in gallery.subjects()} == before
        assert [event.kind for event in gallery.events()] == ["readdressed", *events]
        assert gallery.verify().sound
    with pytest.raises(WrongKeyError):
        opened(path)
    with opened(path, OTHER_KEYS) as gallery:
        assert gallery.altered is None
        assert found(gallery) == PEOPLE[:19]
    assert not any(row[20:80] in bytes_in(path) for row in old)


def test_a_door_that_holds_the_old_keys_is_told_at_its_next_frame(path: Path) -> None:
    with opened(path) as door, opened(path) as operator:
        operator.readdress(OTHER_KEYS, "device")
        with pytest.raises(WrongKeyError):
            door.refresh()


def test_who_was_revoked_stays_barred_under_the_new_keys(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        ((revoked,),) = db.execute("SELECT subject FROM revocations")
        db.execute("UPDATE revocations SET sealed = x'00'")  # even where its record does not open
        db.commit()
    with opened(path) as gallery:
        gallery.readdress(OTHER_KEYS, "device")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT subject FROM revocations").fetchall() == [(revoked,)]


def test_another_device_takes_everybody_along(path: Path) -> None:
    with opened(path) as gallery:
        gallery.readdress(KEYRING, "door-2")
    with pytest.raises(OtherDeviceError):
        opened(path)
    with opened(path, device="door-2") as gallery:
        assert found(gallery) == PEOPLE[:19]


@pytest.mark.parametrize(
    "command",
    [lambda gallery: gallery.rotate(), lambda gallery: gallery.readdress(OTHER_KEYS, "device"), lambda gallery: gallery.rebind(NEW, SOON)],
    ids=["rotate", "readdress", "rebind"],
)
def test_what_is_damaged_stops_the_renewal_and_loses_nobody(path: Path, command: Callable[[Gallery], object]) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE templates SET template = x'00' WHERE id = (SELECT min(id) FROM templates)")
    before = sealed_rows(path)
    with opened(path) as gallery:
        with pytest.raises(GalleryError, match="damaged: 1 reference: revoke or renew their subjects first"):
            command(gallery)
        assert sealed_rows(path) == before
        assert len(found(gallery)) == 18


# --- rebind


def test_each_person_is_known_by_the_old_network_until_renewed_by_the_new_one(path: Path) -> None:
    with opened(path) as gallery:
        assert gallery.rebind(NEW, SOON) == 19
    with pytest.raises(OtherNetworkError, match="`edge rebind`"):
        opened(path)
    with opened(path, network=NEW) as gallery:
        assert gallery.former is not None
        assert (gallery.former.network, len(gallery.former), len(gallery)) == (NETWORK, 19, 0)
        person = gallery.search_former(code(3), limit=1)[0]
        assert (person.dissimilarity, gallery.find("Person 3").id) == (0, person.subject)
        assert gallery.rebound(person.subject, code(3, NEW))
        assert not gallery.rebound(person.subject, code(3, NEW))
        assert gallery.search_former(code(3), limit=1)[0].subject != person.subject
        assert gallery.search(code(3, NEW), limit=1)[0].subject == person.subject
        assert {(one.references, one.former) for one in gallery.subjects()} == {(1, 0), (0, 1)}
    with opened(path, network=NEW) as gallery:
        assert gallery.verify().sound
        assert (len(gallery), gallery.end_rebind(), gallery.former) == (1, 18, None)
        assert gallery.search_former(code(4)) == []
        assert {(one.references, one.former) for one in gallery.subjects()} == {(1, 0), (0, 0)}
        gallery.rebind(NETWORK, SOON)  # and back again


def test_while_people_are_renewed_revoking_and_rotating_reach_both_kinds(path: Path) -> None:
    with opened(path) as gallery:
        gallery.rebind(NEW, SOON)
    with opened(path, network=NEW) as gallery:
        gallery.rebound(gallery.find("Person 1").id, code(1, NEW))
        old = sealed_rows(path)
        gallery.rotate(transform=True)
        assert gallery.search_former(code(2), limit=1)[0].dissimilarity == 0
        assert gallery.search(code(1, NEW), limit=1)[0].dissimilarity == 0
        assert not set(old) & set(sealed_rows(path))
        gallery.revoke(gallery.find("Person 2").id)
        gallery.revoke(gallery.find("Person 1").id)
        assert gallery.search_former(code(2), limit=1)[0].dissimilarity > 300
        assert gallery.search(code(1, NEW)) == []
        with pytest.raises(GalleryError, match="people are being renewed until"):
            gallery.rebind(NETWORK, SOON)
        gallery.rotate()
    with opened(path, network=NEW) as gallery:
        assert gallery.verify().sound


def test_a_window_knows_when_it_is_over(path: Path) -> None:
    with opened(path) as gallery:
        gallery.rebind(NEW, SOON)
    with opened(path, network=NEW) as gallery:
        assert gallery.former
        assert [gallery.former.over(SOON + timedelta(seconds=shift)) for shift in (-2, 1)] == [False, True]


class Meddled:
    """A witness, read while another process changes the gallery and the witness."""

    def __init__(self, witness: Any, meddle: Callable[[], object]) -> None:
        self._witness, self._meddle, self.times = witness, meddle, 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._witness, name)

    def read(self) -> Any:
        if self.times:
            self.times -= 1
            self._meddle()
        return self._witness.read()


def test_a_change_between_a_look_at_the_file_and_one_at_the_witness_is_no_old_copy(path: Path) -> None:
    with opened(path) as door, opened(path) as operator:
        integrity = door._state.integrity
        integrity._witness = Meddled(integrity._witness, operator.rotate)  # type: ignore[assignment]
        operator.rotate()
        door.refresh()
        assert door.altered is None
        assert found(door) == PEOPLE[:19]
        door.record("unknown")


# --- killed at any moment

_RENEWER = """
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from edge.gallery import NetworkId, open_gallery
from edge.keys import Keyring
path, command, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
keys = [Keyring(bytes(range(32)), "site", "door"), Keyring(bytes(range(1, 33)), "site", "door")]
networks = [NetworkId("ab" * 32, 512, 8), NetworkId("cd" * 32, 512, 8)]
print("ready", flush=True)
for turn in range(10000):
    for keyring in keys:
        for network in networks:
            try:
                gallery = open_gallery(path, keyring, network, "device", witness=path.with_name("head"), create=False)
            except Exception:
                continue
            with gallery:
                if command == "rotate":
                    gallery.rotate(transform=turn % 2 == 0)
                elif command == "readdress":
                    gallery.readdress(keys[1 - keys.index(keyring)], "device")
                elif gallery.former:
                    for subject in gallery.subjects():
                        found = gallery.search_former
                    gallery.end_rebind() if not len(gallery.former) else [gallery.rebound(s.id, code(s)) for s in gallery.subjects()]
                else:
                    gallery.rebind(networks[1 - networks.index(network)], datetime.now(timezone.utc) + timedelta(days=1))
"""
_CODE = """
import numpy as np
from edge.records import Code
def code(subject):
    number = int(subject.label.split()[1])
    return Code(np.random.default_rng(number).integers(0, 8, 512, dtype=np.uint8), 8)
"""


def everybody(path: Path) -> list[str]:
    """Who is found, under whatever keys and network the file is in force now, by present or former references; it must verify."""
    for keyring in (KEYRING, OTHER_KEYS):
        for network in (NETWORK, NetworkId("cd" * 32, 512, 8)):
            try:
                gallery = opened(path, keyring, network)
            except GalleryError:
                continue
            with gallery:
                assert gallery.altered is None
                assert gallery.verify().sound
                names = {subject.id: subject.label for subject in gallery.subjects()}
                best = [(gallery.search(code(n), limit=1) + gallery.search_former(code(n), limit=1)) for n in range(len(PEOPLE))]
                return [
                    names[min(one, key=lambda each: each.dissimilarity).subject]
                    for one in best
                    if min(each.dissimilarity for each in one) == 0
                ]
    raise AssertionError("the gallery opens under none of the keys")


@pytest.mark.parametrize("command", ["rotate", "readdress", "rebind"])
def test_killed_at_any_moment_nobody_is_lost_and_nothing_is_half_done(path: Path, command: str) -> None:
    moments = random.Random(command)
    for seed in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE + _RENEWER, str(path), command, str(seed)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.02, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert everybody(path) == PEOPLE[:19]
