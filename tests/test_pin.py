"""The operator's PIN: none by default, weak ones refused, guessing made slow, also across restarts."""

from pathlib import Path

import pytest

pytest.importorskip("argon2", reason="PINs need .venv/bin/pip install -e '.[screen]'")

from edge.service.messages import Trouble
from edge.service.pin import PinError, PinLock, set_pin

PIN = "271828"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_there_is_no_default_pin(tmp_path: Path) -> None:
    lock = PinLock(tmp_path / "pin")
    assert not lock.is_set
    assert [lock.check(pin) for pin in ("", "0000", "123456")] == [Trouble.NO_PIN] * 3


@pytest.mark.parametrize("weak", ["", "12345", "1" * 13, "abcdef", "１２３４５７", "000000", "123456", "987654", "121212"])
def test_a_weak_pin_is_refused_and_not_stored(tmp_path: Path, weak: str) -> None:
    with pytest.raises(PinError):
        set_pin(tmp_path / "pin", weak)
    assert list(tmp_path.iterdir()) == []


def test_only_a_hash_is_stored_readable_by_its_owner_alone(tmp_path: Path) -> None:
    set_pin(tmp_path / "var" / "pin", PIN)
    (stored,) = (tmp_path / "var").iterdir()
    assert stored.stat().st_mode & 0o777 == 0o600
    assert PIN not in stored.read_text()
    assert stored.read_text().startswith("$argon2id$")


def test_the_right_pin_unlocks_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    set_pin(tmp_path / "pin", PIN)
    lock = PinLock(tmp_path / "pin", Clock())
    assert lock.check("314159") is Trouble.WRONG_PIN
    assert lock.check(PIN) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pin"], "a success forgets the failures"


def test_after_three_failures_even_the_right_pin_waits_and_the_wait_doubles(tmp_path: Path) -> None:
    set_pin(tmp_path / "pin", PIN)
    clock = Clock()
    lock = PinLock(tmp_path / "pin", clock)
    assert [lock.check("314159") for _ in range(4)] == [Trouble.WRONG_PIN] * 3 + [Trouble.WAIT]
    assert (lock.wait(), lock.check(PIN)) == (10.0, Trouble.WAIT)
    clock.now += 10
    assert lock.check("314159") is Trouble.WRONG_PIN
    assert lock.wait() == 20.0
    clock.now += 20
    assert lock.check(PIN) is None


def test_pulling_the_plug_does_not_shorten_the_wait(tmp_path: Path) -> None:
    set_pin(tmp_path / "pin", PIN)
    for _ in range(5):
        PinLock(tmp_path / "pin", Clock()).check("314159")
    assert PinLock(tmp_path / "pin", Clock()).wait() == 10.0


@pytest.mark.parametrize("damage", ["", "$argon2id$", "nonsense \u00e9"])
def test_a_damaged_file_unlocks_nothing(tmp_path: Path, damage: str) -> None:
    (tmp_path / "pin").write_text(damage, encoding="utf-8")
    assert PinLock(tmp_path / "pin", Clock()).check(PIN) is Trouble.WRONG_PIN


def test_a_damaged_count_of_failures_is_the_longest_wait(tmp_path: Path) -> None:
    set_pin(tmp_path / "pin", PIN)
    (tmp_path / "pin.failures").write_text("many")
    assert PinLock(tmp_path / "pin", Clock()).wait() == 600.0
