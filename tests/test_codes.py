"""Door codes: random, tagged, never twice, shown once; and the command that hands them out."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.assembly.fallback import Shelf, code_key, new_code, under_the_same_key
from edge.assembly.report import reporter
from edge.commands.care import change_key
from edge.commands.codes import hand_out, holders
from edge.door import codes
from edge.door.codes import BLANK, DURESS, NORMAL, WIDTH, CodeBook, CodeKey, Found, new_digits, slips, unused
from edge.errors import EdgeError, KeySourceError, SettingsError
from edge.gallery import Gallery, NetworkId, open_gallery
from edge.keys import Keyring
from edge.records import Code
from edge.settings import load_settings

ROOT = Path(__file__).parent.parent
KEY = CodeKey(b"k" * 32)
ADA, BOB = "a" * 32, "b" * 32
NETWORK = NetworkId("0" * 64, 64, 8)


def book(**facts: dict[str, str]) -> CodeBook:
    return CodeBook(KEY, {{"ada": ADA, "bob": BOB}[name]: own for name, own in facts.items()})


def test_a_code_finds_its_owner_and_says_whether_somebody_is_forced() -> None:
    made = book(ada={NORMAL: KEY.fact("12345678"), DURESS: KEY.fact("87654321")}, bob={NORMAL: KEY.fact("00000000"), DURESS: BLANK})
    assert len(made) == 3
    assert made.find("12345678") == Found(ADA, duress=False)
    assert made.find("87654321") == Found(ADA, duress=True)
    assert made.find("00000000") == Found(BOB, duress=False)
    assert made.find("12345679") is None
    assert book().find("12345678") is None


def test_tags_of_another_key_are_nobody_s_and_are_known_as_such() -> None:
    other = CodeKey(b"o" * 32)
    assert CodeBook(KEY, {ADA: {NORMAL: other.fact("12345678")}}).find("12345678") is None
    assert not KEY.is_ours(other.fact("12345678"))
    assert KEY.is_ours(KEY.fact("12345678"))
    assert not KEY.is_ours(BLANK)


def test_the_tag_is_that_of_the_document_and_a_key_shows_nothing() -> None:
    """HMAC-SHA-256 over label("door code", digits), written out by hand."""
    import hashlib
    import hmac

    text = b"\x00\x09edge-face" + b"\x00\x01" + b"\x00\x09door code" + b"\x00\x0812345678"
    assert KEY.tag("12345678") == hmac.new(b"k" * 32, text, hashlib.sha256).digest()
    assert repr(KEY) == "CodeKey()"


def test_a_record_is_as_long_with_a_duress_code_as_without() -> None:
    assert len(KEY.fact(new_digits())) == len(BLANK) == WIDTH


def test_codes_are_eight_digits_each_as_likely_as_the_others() -> None:
    many = [new_digits() for _ in range(5_000)]
    assert all(re.fullmatch(r"[0-9]{8}", digits) for digits in many)
    for place in range(8):
        counts = Counter(digits[place] for digits in many)
        assert all(390 < counts[digit] < 610 for digit in "0123456789"), "500 expected, five deviations of 21"
    assert len(set(many)) > 4_990


def test_a_slip_is_one_digit_or_two_neighbours_exchanged() -> None:
    found = slips("12345678")
    assert len(found) == 72 + 7
    assert {"22345678", "12345679", "21345678", "12345687"} <= found
    assert "12345678" not in found
    assert len(slips("11111111")) == 72


def test_no_code_comes_twice_or_is_near_another_s() -> None:
    taken = book(ada={NORMAL: KEY.fact("12345678"), DURESS: KEY.fact("90909090")})
    drawn = iter(["12345678", "12345679", "21345678", "90909090", "90909009", "80909090", "55555555", "66666666"])
    assert unused(taken, lambda: next(drawn)) == "55555555"


def opened(folder: Path) -> Gallery:
    return open_gallery(folder / "gallery.db", Keyring(b"r" * 32, "site", "door"), NETWORK, "door-1", witness=folder / "head")


def a_code(seed: int) -> Code:
    return Code(np.random.default_rng(seed).integers(0, 8, 64).astype(np.uint8), 8)


def test_a_fact_of_a_record_is_followed_by_another_process_survives_renewal_and_goes_with_the_person(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        ada = one.enrol("Ada", [a_code(1)])
        one.amend(ada.id, {NORMAL: KEY.fact("12345678")})
        assert other.refresh()
        assert other.facts(ada.id) == one.facts(ada.id) == {NORMAL: KEY.fact("12345678")}
        one.renew(ada.id, None)
        one.rotate(transform=True)
        other.refresh()
        assert other.facts(ada.id) == {NORMAL: KEY.fact("12345678")}
        one.revoke(ada.id)
        other.refresh()
        assert other.facts(ada.id) == one.facts(ada.id) == {}
        assert other.altered is None


def test_the_file_holds_neither_a_code_nor_its_tag_in_the_clear(tmp_path: Path) -> None:
    with opened(tmp_path) as gallery:
        ada = gallery.enrol("Ada", [a_code(1)])
        gallery.amend(ada.id, {NORMAL: KEY.fact("12345678")})
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [what for what in (b"12345678", KEY.tag("12345678"), KEY.tag("12345678").hex().encode()) if what in stored]


@pytest.fixture
def job(tmp_path: Path) -> Appliance:
    """A gallery of twenty people."""
    (tmp_path / "door.toml").write_text('[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n')
    appliance = Appliance(load_settings(tmp_path / "door.toml", {}), reporter(as_json=True, quiet=True))
    network, random = build.network_id(appliance.settings), np.random.default_rng(1)
    with appliance.gallery(create=True) as gallery:
        for number in range(20):
            symbols = random.integers(0, network.q, network.m, dtype=np.uint8)
            gallery.enrol(f"person {number}", [Code(symbols, network.q)])
    return appliance


def test_a_new_code_is_far_from_all_that_the_gallery_has(job: Appliance) -> None:
    """Of three digits, so that among twenty some would be near one another by chance."""
    before, codes.DIGITS = codes.DIGITS, 3
    try:
        with job.gallery() as gallery:
            made = [new_code(job, gallery, subject, duress=False) for subject in gallery.subjects()]
        assert [one for one in made if ({one} | slips(one)) & {*made} != {one}] == []
    finally:
        codes.DIGITS = before
    assert len(set(made)) == 20


def test_no_code_is_made_where_it_would_be_kept_in_the_journal(job: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = os.fstat(1)
    monkeypatch.setenv("JOURNAL_STREAM", f"{stdout.st_dev}:{stdout.st_ino}")
    with pytest.raises(SettingsError, match="would be kept in the journal; run it at a terminal"):
        hand_out(job, "person 7", duress=False)
    with job.gallery() as gallery:
        assert holders(job, gallery) == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with somebody enrolled."""
    folder = tmp_path_factory.mktemp("codes")
    (folder / "door.toml").write_text('[gallery]\npath = "gallery.db"\n[calibration]\npath = "c.json"\n[keys]\nfile = "root.key"\n')
    done = edge(folder, "enrol", "Ada Lovelace", "--source", "demo:")
    assert done.returncode == 0, done.stderr
    return folder


def edge(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *words, "--config", str(folder / "door.toml")]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)


def test_a_code_is_shown_once_listed_without_it_and_taken_away(place: Path) -> None:
    made = edge(place, "code", "new", "Ada Lovelace")
    assert re.match(r"\d{4} \d{4}\n", made.stdout)
    assert 'access.fallback is "off"' in made.stderr
    digits = made.stdout[:9].replace(" ", "")
    forced = json.loads(edge(place, "code", "new", "Ada Lovelace", "--duress", "--json").stdout)
    assert forced["duress"] is True
    assert re.fullmatch(r"\d{8}", forced["code"])
    listed = edge(place, "code", "list", "--json").stdout
    (entry,) = json.loads(listed)["codes"]
    assert (entry["name"], entry["code"], entry["duress"], entry["stale"]) == ("Ada Lovelace", True, True, False)
    everything = listed + edge(place, "code").stdout + edge(place, "audit", "show").stdout
    assert not [code for code in (digits, made.stdout[:9], forced["code"]) if code in everything]
    assert everything.count("code_new") == 2
    assert [path for path in place.rglob("*") if path.is_file() and digits.encode() in path.read_bytes()] == []
    gone = json.loads(edge(place, "code", "revoke", "Ada Lovelace", "--json").stdout)
    assert gone["revoked"] == 2
    assert json.loads(edge(place, "code", "list", "--json").stdout) == {"codes": []}
    assert "code_revoke" in edge(place, "audit", "show").stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("code", "new", "Nobody"), 9, "nobody has that name"),
        (("code", "new"), 2, "name the subject"),
        (("code", "list", "Ada"), 2, "takes no subject"),
        (("code", "choose", "Ada"), 2, "choose new or revoke or list"),
    ],
)
def test_what_is_asked_wrongly_is_told(place: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = edge(place, *words)
    assert done.returncode == code
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_under_another_root_key_codes_are_stale_and_are_told_as_such(place: Path) -> None:
    edge(place, "code", "new", "Ada Lovelace")
    (place / "new.key").write_bytes(b"n" * 32)
    (place / "new.key").chmod(0o600)
    moved = edge(place, "rotate", "--new-key", str(place / "new.key"))
    assert moved.returncode == 0, moved.stderr
    assert "door codes" in moved.stdout + moved.stderr
    (place / "new.key").replace(place / "root.key")
    (entry,) = json.loads(edge(place, "code", "list", "--json").stdout)["codes"]
    assert entry["stale"] is True


def test_codes_of_a_root_key_that_was_exchanged_are_over_at_a_running_door_too(tmp_path: Path) -> None:
    """The gallery was moved to another root key, and the key file is the new one: the door that knows the old tags opens nothing more."""
    (tmp_path / "door.toml").write_text('[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n')
    job = Appliance(load_settings(tmp_path / "door.toml"), reporter(as_json=True, quiet=True))
    size = build.network_id(job.settings)
    with job.gallery(create=True) as gallery:
        ada = gallery.enrol("Ada", [Code(np.zeros(size.m, np.uint8), size.q)])
    key = code_key(job.settings)
    with job.gallery() as gallery:
        digits = new_code(job, gallery, ada, duress=False)
    shelf = Shelf(lambda: under_the_same_key(job, key), key)
    assert shelf.find(digits) == Found(ada.id, duress=False)
    fresh = tmp_path / "new.key"
    fresh.write_bytes(bytes(range(32)))
    fresh.chmod(0o600)
    change_key(job, fresh)
    with pytest.raises(EdgeError):
        shelf.find(digits)
    fresh.replace(tmp_path / "root.key")
    with pytest.raises(KeySourceError, match="another root key is in place"):
        shelf.find(digits)
