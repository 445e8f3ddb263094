"""The webhook against real HTTP servers on loopback: sound, slow, hostile, gone."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.door.events import Alarm, Cause, Denied, Leaf, OutputError, Refusal, State, Unlock
from edge.door.outbox import Outbox
from edge.door.webhook import Address, Webhook
from tests.door_twins import soon
from tests.http_twins import KEY, Hostile, Receiver, certificate, drip, flood, for_ever_100, garbage, reset, silent

SUBJECT = "5d" * 16


def unlock(life: float = 1.5) -> Unlock:
    return Unlock(Cause.FACE, SUBJECT, time.monotonic() + life, 1_800_000_000.25)


def denied() -> Denied:
    return Denied(Refusal.UNKNOWN, None, 1_800_000_000.0)


@contextmanager
def hook(
    folder: Path, port: int, told: list[str] | None = None, *, timeout: float = 2.0, url: str = "", ca: Path | None = None
) -> Iterator[Webhook]:
    address = Address(url or f"http://127.0.0.1:{port}/door?site=1", ca, timeout)
    outbox = Outbox(folder / "outbox.db", 100)
    made = Webhook(address, KEY, outbox, (told if told is not None else []).append, device="door-1", longest_pause=0.2)
    yield made
    made.close()


def waiting(folder: Path) -> int:
    box = Outbox(folder / "outbox.db", 100)
    count = len(box)
    box.close()
    return count


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_an_alarm_goes_out_at_once_also_in_a_pause_and_the_log_at_the_door_does_not_name_it(tmp_path: Path) -> None:
    receiver, told = Receiver(500, 204, 204, 400), list[str]()
    with hook(tmp_path, receiver.port, told) as sender:
        sender._longest = 60.0
        sender.denied(denied())
        assert soon(lambda: bool(told))  # the pause is on, which is made longer here
        sender._not_before = time.monotonic() + 60.0
        sender.alarm(Alarm(SUBJECT, 1_800_000_000.0))
        assert soon(lambda: receiver.kinds == ["denied", "duress", "denied"])  # what arrived ended the pause
        alarm = receiver.messages[1]
        assert (alarm["subject"], alarm["at"], len(alarm["id"])) == (SUBJECT, "2027-01-15T08:00:00.000+00:00", 32)
        assert sorted(alarm) == ["at", "device", "id", "kind", "subject", "version"]
        sender.alarm(Alarm(SUBJECT, 1_800_000_001.0))
        assert soon(lambda: any("HTTP 400" in text for text in told))
    assert "duress" not in "".join(told)
    assert receiver.all_are_signed()


def test_an_alarm_waits_for_a_server_that_is_away_through_a_restart(tmp_path: Path) -> None:
    port = free_port()
    with hook(tmp_path, port) as sender:
        sender.alarm(Alarm(SUBJECT, 1_800_000_000.0))
        time.sleep(0.3)
    receiver = Receiver(port=port)
    with hook(tmp_path, port):
        assert soon(lambda: receiver.kinds == ["duress"])


def test_every_event_arrives_once_signed_with_opaque_ids_only(tmp_path: Path) -> None:
    receiver = Receiver()
    with hook(tmp_path, receiver.port) as sender:
        sender.unlock(unlock())
        sender.denied(denied())
        sender.state(State(True, Leaf.FORCED, 1_800_000_000.0))
        assert soon(lambda: len(receiver.bodies) == 3)
    time.sleep(0.1)
    opened, refused, state = receiver.messages
    assert 1.0 < opened.pop("valid_for") <= 1.5
    assert opened == {
        "version": 1,
        "id": opened["id"],
        "kind": "unlock",
        "device": "door-1",
        "at": "2027-01-15T08:00:00.250+00:00",
        "cause": "face",
        "subject": SUBJECT,
    }
    assert (refused["kind"], refused["refusal"], refused["subject"]) == ("denied", "unknown", None)
    assert (state["kind"], state["try_later"], state["leaf"]) == ("state", True, "forced")
    assert receiver.all_are_signed()
    assert len({head["X-Edge-Nonce"] for head in receiver.headers}) == 3
    assert all(abs(int(head["X-Edge-Timestamp"]) - time.time()) < 60 for head in receiver.headers)
    assert waiting(tmp_path) == 0


def test_a_receiver_that_comes_back_gets_everything_but_a_late_unlock_is_a_record_only(tmp_path: Path) -> None:
    port, told = free_port(), list[str]()
    with hook(tmp_path, port, told) as sender:
        sender.unlock(unlock(life=0.3))
        sender.denied(denied())
        time.sleep(0.5)
        receiver = Receiver(port=port)
        assert soon(lambda: len(receiver.bodies) == 2)
        assert receiver.kinds == ["unlock_late", "denied"]
        assert "valid_for" not in receiver.messages[0]
    assert len(told) == 1
    assert "cannot be reached" in told[0]
    receiver.close()


def test_an_unlock_is_tried_again_while_it_is_in_time(tmp_path: Path) -> None:
    receiver = Receiver(503, 503)
    with hook(tmp_path, receiver.port) as sender:
        sender.unlock(unlock(life=5.0))
        assert soon(lambda: len(receiver.bodies) == 3)
        assert receiver.kinds == ["unlock"] * 3
        assert len({message["id"] for message in receiver.messages}) == 1, "by its id the receiver knows it again"
        assert len({head["X-Edge-Nonce"] for head in receiver.headers}) == 3


def test_a_fresh_unlock_does_not_wait_for_a_pause_nor_behind_what_waits(tmp_path: Path) -> None:
    receiver = Receiver(*[503] * 3)
    address = Address(f"http://127.0.0.1:{receiver.port}/", None, 2.0)
    sender = Webhook(address, KEY, Outbox(tmp_path / "outbox.db", 100), lambda problem: None, device="d", longest_pause=300.0)
    for _ in range(5):
        sender.denied(denied())
    assert soon(lambda: len(receiver.bodies) == 1), "then it pauses for a second"
    sender.unlock(unlock(life=3.0))
    assert soon(lambda: receiver.kinds[:4] == ["denied", "unlock", "unlock", "unlock"], 3.0)
    sender.close()


def test_what_waited_through_a_restart_is_sent_and_no_unlock_of_an_earlier_life_opens(tmp_path: Path) -> None:
    with hook(tmp_path, free_port()) as sender:
        sender.unlock(unlock(life=600.0))
        sender.denied(denied())
    assert waiting(tmp_path) == 2
    receiver = Receiver()
    with hook(tmp_path, receiver.port):
        assert soon(lambda: len(receiver.bodies) == 2)
    assert receiver.kinds == ["unlock_late", "denied"]


def test_a_message_that_the_receiver_stumbles_over_does_not_hold_up_the_others(tmp_path: Path) -> None:
    receiver, told = Receiver(500, 400), list[str]()
    with hook(tmp_path, receiver.port, told) as sender:
        for _ in range(3):
            sender.denied(denied())
        assert soon(lambda: len(receiver.bodies) == 4)
    first, second, third, again = (message["id"] for message in receiver.messages)
    assert again == first
    assert len({first, second, third}) == 3
    assert waiting(tmp_path) == 0
    assert any("refuses a message of kind denied for good (HTTP 400)" in text for text in told)


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    receiver = Receiver(302)
    with hook(tmp_path, receiver.port) as sender:
        sender.denied(denied())
        assert soon(lambda: len(receiver.bodies) == 2)
        assert receiver.kinds == ["denied", "denied"]


@pytest.mark.parametrize("behave", [drip, silent, garbage, for_ever_100, reset])
def test_a_hostile_receiver_holds_up_neither_the_caller_nor_the_end_and_nothing_is_lost(
    tmp_path: Path, behave: Callable[[socket.socket], None]
) -> None:
    server, told = Hostile(behave), list[str]()
    with hook(tmp_path, server.port, told, timeout=0.3) as sender:
        begun = time.monotonic()
        sender.unlock(unlock())
        sender.denied(denied())
        assert time.monotonic() - begun < 1.0
        assert soon(lambda: server.connections >= 3), "it is cut off and tried again"
    assert waiting(tmp_path) == 2
    assert len(told) == 1
    server.close()


def test_an_answer_without_an_end_is_not_read(tmp_path: Path) -> None:
    server = Hostile(flood)
    with hook(tmp_path, server.port) as sender:
        sender.denied(denied())
        assert soon(lambda: len(sender._outbox) == 0)
    server.close()


def test_a_full_disk_does_not_keep_an_unlock_from_being_sent(tmp_path: Path) -> None:
    receiver = Receiver()
    with hook(tmp_path, receiver.port) as sender:
        sender._outbox._file.execute("PRAGMA query_only = ON")
        with pytest.raises(OutputError, match="outbox"):
            sender.unlock(unlock())
        assert soon(lambda: receiver.kinds == ["unlock"])


def test_a_damaged_letter_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", 100)
    for number, facts in enumerate(("[]", "{", '{"at": 1e300}', "{}")):
        outbox._file.execute("INSERT INTO waiting (id, kind, facts) VALUES (?, 'unlock', ?)", (str(number), facts))
    outbox._file.commit()
    outbox.close()
    receiver = Receiver()
    with hook(tmp_path, receiver.port) as sender:
        sender.denied(denied())
        assert soon(lambda: receiver.kinds == ["denied"])


def test_tls_checks_the_server_against_the_authority_named(tmp_path: Path) -> None:
    ca, server = certificate(tmp_path)
    receiver, told = Receiver(tls=server), list[str]()
    url = f"https://localhost:{receiver.port}/"
    with hook(tmp_path, 0, url=url, ca=ca) as sender:
        sender.denied(denied())
        assert soon(lambda: receiver.kinds == ["denied"])
    with hook(tmp_path, 0, told, url=url) as sender:
        sender.denied(denied())
        assert soon(lambda: bool(told))
    assert "SSLCertVerificationError" in told[0]
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://192.168.1.5/",
        "ftp://localhost/",
        "example.org",
        "",
        "https://user:pass@example.org/",
        "https://example.org:99999/",
        "https://example.org/#top",
        "http://localhost.example.org/",
        "https://example.org/a b",
        "https://example.org/ä",
        "https://example.org/\x7f",
    ],
)
def test_only_https_or_this_machine_itself_is_an_address(url: str) -> None:
    with pytest.raises(OutputError, match=r"webhook\.url"):
        Address(url, None, 1.0)


def test_a_short_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="6 characters, at least 32") as caught:
        Webhook(Address("http://localhost/", None, 1.0), "secret", Outbox(tmp_path / "o", 1), print, device="d", longest_pause=1.0)
    assert "secret" not in str(caught.value)


def test_the_receiver_in_the_documents_takes_what_is_ours_and_new_and_nothing_else(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "outputs.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(text.split("```python")[1].split("```")[0], names)
    accepted, receiver = names["accepted"], Receiver()
    with hook(tmp_path, receiver.port) as sender:
        sender.unlock(unlock())
        assert soon(lambda: len(receiver.bodies) == 1)
    (headers,), (body,), seen, now = receiver.headers, receiver.bodies, set[str](), time.time()
    assert accepted(headers, body, "another key", seen, now) is None
    assert accepted(headers, body.replace(b"door-1", b"door-2"), KEY, seen, now) is None
    assert accepted({**headers, "X-Edge-Nonce": "0" * 32}, body, KEY, seen, now) is None
    assert accepted(headers, body, KEY, seen, now + 60) is None
    assert accepted(headers, body, KEY, seen, now)["subject"] == SUBJECT
    assert accepted(headers, body, KEY, seen, now) is None, "a replay"
