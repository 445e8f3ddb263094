"""Derived keys follow HKDF and their labels; a root key is taken only from a safe place."""

import hashlib
import hmac
import json
import os
import pickle
from pathlib import Path

import pytest

from edge.errors import KeySourceError
from edge.keys import Keyring, MissingKeyError, create_root_key, load_root_key

VECTORS = json.loads((Path(__file__).parent / "vectors" / "template-1.json").read_text(encoding="utf-8"))
ROOT = bytes.fromhex(VECTORS["root"])
NOTHING: dict[str, str] = {}


def key_of(keyring: Keyring, purpose: str, epoch: int) -> bytes:
    by_purpose = {
        "transform key": lambda: keyring.transform_key(epoch),
        "row key": lambda: keyring.row_key(epoch),
        "label key": keyring.label_key,
        "head key": keyring.head_key,
        "check value": keyring.check_value,
    }
    return by_purpose[purpose]()


def all_keys(keyring: Keyring) -> list[bytes]:
    return [key_of(keyring, row["purpose"], row["epoch"]) for row in VECTORS["keys"]]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "root.key"
    path.write_bytes(ROOT)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("row", VECTORS["keys"], ids=lambda row: f"{row['purpose']} {row['epoch']}")
def test_keys_are_those_of_the_vectors(row: dict) -> None:
    keyring = Keyring(ROOT, VECTORS["site"], VECTORS["application"])
    assert key_of(keyring, row["purpose"], row["epoch"]).hex() == row["key"]


@pytest.mark.parametrize("row", VECTORS["keys"], ids=lambda row: f"{row['purpose']} {row['epoch']}")
def test_the_vectors_are_hkdf_of_their_labels(row: dict) -> None:
    """RFC 5869 with SHA-256 and no salt, by the standard library alone."""
    extracted = hmac.new(bytes(32), ROOT, hashlib.sha256).digest()
    expanded = hmac.new(extracted, bytes.fromhex(row["info"]) + b"\x01", hashlib.sha256).digest()
    assert row["key"] == expanded[: len(row["key"]) // 2].hex()


def test_the_audit_key_is_hkdf_of_its_label_and_none_of_the_others() -> None:
    """RFC 5869 by the standard library, with a label put together by hand."""
    keyring = Keyring(ROOT, "a", "b")
    info = b"\0\x09edge-face" + b"\0\1" + b"\0\x09audit key" + b"\0\1a" + b"\0\1b" + bytes(4)
    extracted = hmac.new(bytes(32), ROOT, hashlib.sha256).digest()
    assert keyring.audit_key() == hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()
    assert keyring.audit_key() not in all_keys(keyring)


def test_root_site_application_and_epoch_each_give_other_keys() -> None:
    places = [("a", "b"), ("ab", ""), ("a", "c"), ("c", "b")]
    rings = [Keyring(ROOT[::-1], "a", "b"), *(Keyring(ROOT, site, application) for site, application in places)]
    keys = [key for ring in rings for key in all_keys(ring)]
    assert len(set(keys)) == len(keys)


def test_the_same_site_written_in_two_normal_forms_gives_the_same_keys() -> None:
    assert all_keys(Keyring(ROOT, "Ko\u0308ln", "door")) == all_keys(Keyring(ROOT, "K\u00f6ln", "door"))


def test_a_keyring_shows_and_leaks_no_key(key_file: Path) -> None:
    keyring = Keyring(ROOT, "site", "door")
    loaded = load_root_key(key_file, environment=NOTHING)
    for text in (repr(keyring), str(keyring), repr(loaded), loaded.warning or ""):
        assert ROOT.hex() not in text
        assert repr(ROOT) not in text
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(keyring)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_root_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"expected 32 bytes, got {size}"):
        Keyring(bytes(size), "site", "door")


def test_a_key_file_is_taken_with_a_loud_warning(key_file: Path) -> None:
    loaded = load_root_key(key_file, environment=NOTHING)
    assert loaded.secret == ROOT
    assert loaded.source == str(key_file)
    assert loaded.warning is not None
    assert "PLAIN FILE" in loaded.warning
    assert "systemd-creds" in loaded.warning


def test_a_credential_comes_before_the_file_and_warns_of_nothing(tmp_path: Path, key_file: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "edge-root-key").write_bytes(ROOT[::-1])
    loaded = load_root_key(key_file, environment={"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert (loaded.secret, loaded.warning) == (ROOT[::-1], None)
    assert loaded.source == "systemd credential edge-root-key"


def test_other_credentials_leave_the_file_in_charge(tmp_path: Path, key_file: Path) -> None:
    (tmp_path / "other").write_bytes(b"x")
    assert load_root_key(key_file, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}).secret == ROOT


def test_a_bad_credential_is_refused_even_beside_a_good_file(tmp_path: Path, key_file: Path) -> None:
    """Falling back would open the gallery with a key nobody meant."""
    (tmp_path / "edge-root-key").write_bytes(b"short")
    with pytest.raises(KeySourceError, match=r"edge-root-key: has 5 bytes, 32 expected"):
        load_root_key(key_file, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_only_a_missing_key_is_a_reason_to_make_one(tmp_path: Path) -> None:
    """A credential that is there but unusable, or a bad file, is another error."""
    (tmp_path / "edge-root-key").write_bytes(b"short")
    for path, environment in ((tmp_path / "absent", {"CREDENTIALS_DIRECTORY": str(tmp_path)}), (tmp_path / "edge-root-key", NOTHING)):
        with pytest.raises(KeySourceError) as caught:
            load_root_key(path, environment=environment)
        assert not isinstance(caught.value, MissingKeyError)


def test_a_missing_key_is_told_with_both_places(tmp_path: Path) -> None:
    with pytest.raises(MissingKeyError, match=r"neither systemd credential edge-root-key nor file .*absent\.key"):
        load_root_key(tmp_path / "absent.key", environment=NOTHING)


def test_a_symbolic_link_is_refused(tmp_path: Path, key_file: Path) -> None:
    (tmp_path / "link").symlink_to(key_file)
    with pytest.raises(KeySourceError, match="link: is a symbolic link: put the file itself there"):
        load_root_key(tmp_path / "link", environment=NOTHING)


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o601, 0o677])
def test_a_file_open_to_others_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(KeySourceError, match=f"mode {mode:04o} lets others in: chmod 600 {key_file}"):
        load_root_key(key_file, environment=NOTHING)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_refused(key_file: Path) -> None:
    os.chown(key_file, 65534, -1)
    with pytest.raises(KeySourceError, match="belongs to user 65534, this program runs as 0: chown 0"):
        load_root_key(key_file, environment=NOTHING)


@pytest.mark.parametrize("content", [b"", ROOT[:31], ROOT + b"\n", ROOT.hex().encode()])
def test_a_file_of_another_length_is_refused(key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    with pytest.raises(KeySourceError, match=f"has {len(content)} bytes, 32 expected"):
        load_root_key(key_file, environment=NOTHING)


def test_a_folder_or_a_pipe_is_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeySourceError, match="is no regular file"):
            load_root_key(path, environment=NOTHING)


def test_a_created_key_is_random_private_and_loads_again(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first, second = create_root_key(tmp_path / "a"), create_root_key(tmp_path / "b")
    finally:
        os.umask(before)
    assert len(first.secret) == 32
    assert first.secret != second.secret
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert load_root_key(tmp_path / "a", environment=NOTHING) == first


def test_an_existing_file_is_never_replaced(key_file: Path, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    for path in (key_file, tmp_path / "dangling"):
        with pytest.raises(KeySourceError, match="exists already and is not replaced"):
            create_root_key(path)
    assert key_file.read_bytes() == ROOT
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_for_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(KeySourceError, match="cannot be created, No such file or directory: check that its folder exists"):
        create_root_key(tmp_path / "absent" / "root.key")


def helper(folder: Path, script: str, mode: int = 0o755) -> Path:
    program = folder / "token"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(mode)
    return program


def test_a_helper_program_gives_the_key_before_the_file_and_after_a_credential(tmp_path: Path, key_file: Path) -> None:
    program = helper(tmp_path, 'printf "%s" "$1"')
    command = f"{program} {'k' * 32}"
    found = load_root_key(key_file, command=command, environment={})
    assert (found.secret, found.source, found.warning) == (b"k" * 32, f"command {program}", None)
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "edge-root-key").write_bytes(b"c" * 32)
    sealed = load_root_key(key_file, command=command, environment={"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert sealed.secret == b"c" * 32


@pytest.mark.parametrize(
    ("script", "mode", "message"),
    [
        ("printf 1234567", 0o755, "wrote 7 bytes, 32 expected"),
        ("echo no token in the reader >&2; exit 3", 0o755, "ended with exit code 3: no token in the reader"),
        ("printf %032d 0", 0o777, "others may change it"),
        ("printf %032d 0", 0o644, "Permission denied"),
    ],
)
def test_a_helper_that_gives_no_key_is_an_error_and_no_reason_to_take_the_file(
    tmp_path: Path, key_file: Path, script: str, mode: int, message: str
) -> None:
    with pytest.raises(KeySourceError, match=message):
        load_root_key(key_file, command=str(helper(tmp_path, script, mode)), environment={})


@pytest.mark.parametrize("command", ["token", "./token", "/no/such/program", "/tmp"])
def test_a_helper_is_named_by_the_full_path_of_a_program(key_file: Path, command: str) -> None:
    with pytest.raises(KeySourceError, match=r"keys\.command"):
        load_root_key(key_file, command=command, environment={})


def test_a_wiped_keyring_derives_nothing_any_more() -> None:
    keyring = Keyring(bytes(range(32)), "site", "door")
    keyring.wipe()
    with pytest.raises(ValueError, match="was wiped"):
        keyring.label_key()
