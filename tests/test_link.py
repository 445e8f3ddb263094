"""The socket between door and screen: strict, bounded, and never in the door's way."""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.service.link import (
    Command,
    Dates,
    DoorLink,
    Enrolment,
    EnrolSave,
    EnterCode,
    Hello,
    LinkError,
    ListPeople,
    Person,
    Preview,
    Reply,
    Revoke,
    Scene,
    ScreenLink,
    State,
    Step,
    Told,
    Unlock,
    asked,
    packed,
    told,
)
from edge.service.messages import HEADER, MAGIC, MOST_ASKED, MOST_PICTURE, MOST_TEXT, VERSION, Reader

HELLO = Hello(consent="1", pin=True)
LOOK = Scene(state=State.LOOK_HERE)


class Door:
    """A door's link in a folder, and what it heard."""

    def __init__(self, folder: Path, users: frozenset[int] | None = None) -> None:
        self.heard: list[tuple[int, Command]] = []
        self.gone: list[int] = []
        self.problems: list[str] = []
        self.path = folder / "s"
        self.link = DoorLink(
            self.path,
            frozenset({os.getuid()}) if users is None else users,
            lambda: HELLO,
            lambda connection, command: self.heard.append((connection, command)),
            self.gone.append,
            self.problems.append,
        )

    def raw(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(5)
        connection.connect(str(self.path))
        return connection


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.link.close()


def until(what: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.005)


def hears(screen: ScreenLink, wanted: Callable[[list[tuple[Told, bytes]]], object]) -> list[tuple[Told, bytes]]:
    """What a screen was told until that was enough."""
    found: list[tuple[Told, bytes]] = []

    def enough() -> object:
        found.extend(screen.poll())
        return wanted(found)

    until(enough)
    return found


def test_a_screen_is_greeted_and_told_the_newest_scene_and_picture(door: Door) -> None:
    door.link.show(Scene(state=State.IDLE))
    door.link.show(LOOK)
    screen = ScreenLink(door.path)
    first = hears(screen, lambda found: len(found) >= 2)
    assert [message for message, _ in first] == [HELLO, LOOK]
    door.link.picture(lambda: (Preview(face=(0.1, 0.2, 0.3, 0.4)), b"jpeg"))
    ((message, picture),) = hears(screen, len)
    assert (message, picture) == (Preview(face=(0.1, 0.2, 0.3, 0.4)), b"jpeg")


def test_a_command_is_heard_and_its_answer_comes_back_to_who_asked(door: Door) -> None:
    screen = ScreenLink(door.path)
    hears(screen, len)
    command = ListPeople(id=screen.next_id(), search="Ada")
    assert screen.send(command)
    until(lambda: screen.poll() or door.heard)
    assert door.heard == [(1, command)]
    people = (Person(id="a" * 32, name="Ada", enrolled="2026-01-01T00:00:00Z", references=1),)
    door.link.reply(1, Reply(id=1, people=people))
    ((answer, _),) = hears(screen, len)
    assert answer == Reply(id=1, people=people)


def test_an_answer_to_a_screen_that_has_gone_reaches_nobody_else(door: Door) -> None:
    first = ScreenLink(door.path)
    hears(first, len)
    first.close()
    until(lambda: door.gone == [1])
    second = ScreenLink(door.path)
    hears(second, len)
    door.link.reply(1, Reply(id=7, receipt="for the first only"))
    door.link.show(LOOK)
    assert [message for message, _ in hears(second, len)] == [LOOK]


def test_the_newest_screen_takes_the_place_of_one_that_hangs(door: Door) -> None:
    hanging = door.raw()
    until(lambda: door.link.attached)
    fresh = ScreenLink(door.path)
    assert hears(fresh, len)[0][0] == HELLO
    assert door.gone == [1]
    hanging.close()


def test_a_process_of_another_user_is_turned_away(tmp_path: Path) -> None:
    door = Door(tmp_path, frozenset({os.getuid() + 1}))
    with door.raw() as stranger:
        assert stranger.recv(1) == b""
    for _ in range(5):
        with door.raw() as stranger:
            assert stranger.recv(1) == b""
    (problem,) = door.problems  # told once, however often he knocks
    assert "turned away" in problem
    door.link.close()


def test_the_socket_is_for_its_owner_alone_unless_another_user_is_named(tmp_path: Path) -> None:
    for users, mode in ((frozenset({os.getuid()}), 0o600), (frozenset({os.getuid(), 65_534}), 0o666)):
        door = Door(tmp_path, users)
        assert door.path.stat().st_mode & 0o777 == mode
        door.link.close()
        assert not door.path.exists()


def test_a_screen_does_not_believe_a_door_of_another_user(door: Door) -> None:
    screen = ScreenLink(door.path, door=os.getuid() + 1)
    assert screen.poll() == []
    assert not screen.connected
    assert "not the door" in screen.problem


def test_what_a_killed_door_left_is_replaced_but_a_living_one_or_a_file_is_not(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / "s"))
    left.close()
    door = Door(tmp_path)
    with pytest.raises(LinkError, match="another door listens"):
        Door(tmp_path)
    door.link.close()
    (tmp_path / "s").write_text("mine")
    with pytest.raises(LinkError, match="no socket"):
        Door(tmp_path)
    assert (tmp_path / "s").read_text() == "mine"


def test_a_path_too_long_for_linux_is_named(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="107 bytes"):
        Door(tmp_path / ("x" * 120))


def test_a_screen_that_reads_nothing_costs_the_door_nothing(door: Door) -> None:
    with door.raw():
        until(lambda: door.link.attached)
        picture = bytes(MOST_PICTURE)
        longest = 0.0
        for _ in range(2_000):
            begun = time.perf_counter()
            door.link.picture(lambda: (Preview(), picture))
            door.link.show(LOOK)
            longest = max(longest, time.perf_counter() - begun)
        assert longest < 1.0  # it never waits for the screen, whose buffer is full after three pictures; a busy machine may pause us
    second = ScreenLink(door.path)
    assert hears(second, len)[0][0] == HELLO


def test_a_screen_comes_back_by_itself_when_the_door_does(tmp_path: Path) -> None:
    screen = ScreenLink(tmp_path / "s")
    assert screen.poll() == []
    for _ in range(3):
        door = Door(tmp_path)
        assert hears(screen, len)[0][0] == HELLO
        door.link.close()
        until(lambda: screen.poll() == [] and not screen.connected)


def test_too_many_commands_in_a_second_end_the_connection(door: Door) -> None:
    with door.raw() as flood:
        until(lambda: door.link.attached)
        flood.sendall(packed(ListPeople(id=1)) * 60)
        until(lambda: door.gone)
    assert "in a second" in door.problems[0]


def header(text: int, picture: int, magic: bytes = MAGIC, version: int = VERSION, zero: int = 0) -> bytes:
    return HEADER.pack(magic, version, zero, text, picture)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "no message"),
        (header(2, 0, version=VERSION + 1) + b"{}", f"version {VERSION + 1}"),
        (header(2, 0, zero=1) + b"{}", "no message"),
        (header(MOST_ASKED + 1, 0), "announced"),
        (header(2, 1), "announced"),
        (header(2**32 - 1, 2**32 - 1), "announced"),
    ],
)
def test_a_header_that_is_none_is_refused_before_anything_is_held(data: bytes, why: str) -> None:
    with pytest.raises(LinkError, match=why):
        Reader(MOST_ASKED, 0).feed(data)


NO_TYPED = [b'"' + b"2" * 33 + b'"', b"20261231", b"2026.5", b"[]", b'{"day":1}', b"true", b'"\\ud800"']  # what no date may be sent as


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"do":"open_the_door","id":1}',
        b'{"do":"unlock","id":1}',
        b'{"do":"unlock","id":1,"pin":""}',
        b'{"do":"unlock","id":1,"pin":1234}',
        b'{"do":"unlock","id":-1,"pin":"1234"}',
        b'{"do":"unlock","id":1,"pin":"1234","more":0}',
        b'{"do":"unlock","id":1e99,"pin":"1234"}',
        b'{"do":"code","id":1}',
        b'{"do":"code","id":1,"code":""}',
        b'{"do":"code","id":1,"code":"1234567"}',
        b'{"do":"code","id":1,"code":"123456789"}',
        b'{"do":"code","id":1,"code":"1234567x"}',
        b'{"do":"code","id":1,"code":"12345678\\n"}',
        b'{"do":"code","id":1,"code":12345678}',
        '{"do":"code","id":1,"code":"١٢٣٤٥٦٧٨"}'.encode(),
        b'{"do":"code","id":1,"code":"12345678","subject":"1234"}',
        b'{"do":"revoke","id":1,"subject":"../../etc"}',
        *(b'{"do":"limit","id":1,"subject":"%s","days":%s}' % (b"ab" * 16, days) for days in (b"-1", b"36501", b"1.5")),
        b'{"do":"enrol_save","id":1,"name":"' + b"x" * 65 + b'"}',
        *(b'{"do":"enrol_save","id":1,"name":"Ada","%s":%s}' % (word, text) for word in (b"begins", b"ends") for text in NO_TYPED),
        *(b'{"do":"dates","id":1,"subject":"%s","%s":%s}' % (b"ab" * 16, word, text) for word in (b"begins", b"ends") for text in NO_TYPED),
        b'{"do":"new_code","id":1}',
        b'{"do":"new_code","id":1,"subject":"Ada"}',
        b'{"do":"new_code","id":1,"subject":"%s","code":"12345678"}' % (b"ab" * 16),
        b'{"do":"new_code","id":1,"subject":"%s","duress":true}' % (b"ab" * 16),
        b'{"do":"dates","id":1,"begins":"2026-12-31"}',
        b'{"do":"dates","id":1,"subject":"Ada","begins":"2026-12-31"}',
        b'{"do":"enrol_save","id":1,"name":"Ada","valid_from":"2026-12-31"}',
        b'{"do":"people","id":1,"page":NaN}',
        b"[" * 2_000,
        b'{"do":"lock","id":1}\x00',
        b"\xff\xfe",
    ],
)
def test_a_command_that_is_none_is_refused_and_not_repeated(text: bytes) -> None:
    with pytest.raises(LinkError) as caught:
        asked(text)
    assert "1234" not in str(caught.value)


def test_a_pin_does_not_stand_in_what_a_command_looks_like_in_a_log() -> None:
    assert "1234" not in repr(Unlock(id=1, pin="1234"))
    assert "1234" not in repr(EnterCode(id=1, code="12345678"))
    assert "1234" not in repr(Reply(id=1, code="12345678"))


@pytest.mark.parametrize("code", ['"1234567"', '"123456789"', '"1234567x"', "12345678", '"12345678\\n"'])
def test_a_door_code_that_is_none_is_not_believed_and_not_repeated(code: str) -> None:
    with pytest.raises(LinkError) as caught:
        told(f'{{"type":"reply","id":1,"code":{code}}}'.encode())
    assert "1234" not in str(caught.value)


def test_nothing_larger_than_the_other_side_takes_can_be_said() -> None:
    with pytest.raises(LinkError, match="at most"):
        packed(Preview(), bytes(MOST_PICTURE + 1))
    people = tuple(Person(id="a" * 32, name="\u4e2d" * 64, enrolled="2026-01-01T00:00:00Z", references=1) for _ in range(20))
    assert len(packed(Reply(id=1, people=people))) < MOST_TEXT


@pytest.mark.parametrize("letter", ["x", "\U0001f600", "\x01"], ids=["plain", "four bytes", "escaped"])
def test_the_longest_name_and_dates_fit_into_what_the_door_takes(letter: str) -> None:
    command = EnrolSave(id=1_000_000, name=letter * 64, begins=letter * 32, ends=letter * 32)
    ((text, picture),) = Reader(MOST_ASKED, 0).feed(packed(command))
    assert asked(text, picture) == command


@given(st.text(), st.text())
def test_typed_dates_come_through_as_they_are_or_are_not_said_at_all(begins: str, ends: str) -> None:
    try:
        command = Dates(id=1, subject="0" * 32, begins=begins, ends=ends)
    except ValueError:
        assert max(len(begins), len(ends)) > 32
        return
    ((text, picture),) = Reader(MOST_ASKED, 0).feed(packed(command))
    assert asked(text, picture) == command


@given(
    st.lists(
        st.sampled_from(
            [
                Revoke(id=1, subject="0" * 32),
                EnrolSave(id=2, name="Ada", begins="2026-12-31", ends="none"),
                Dates(id=4, subject="0" * 32, ends="2026-12-31"),
                EnterCode(id=3, code="00000000"),
            ]
        ),
        max_size=5,
    ),
    st.data(),
)
def test_messages_survive_any_cutting_of_the_stream(commands: list[Command], data: st.DataObject) -> None:
    stream = b"".join(map(packed, commands))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader, found = Reader(MOST_ASKED, 0), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += [asked(*whole) for whole in reader.feed(stream[start:end])]
    assert found == commands


@given(st.binary(max_size=300))
@settings(max_examples=3_000)
def test_any_bytes_are_messages_or_an_error_of_ours_on_both_sides(data: bytes) -> None:
    for read in (asked, told):
        try:
            read(data)
        except LinkError:
            continue
        raise AssertionError("random bytes were taken for a message")


GOOD: list[Command] = [
    Unlock(id=1, pin="271828"),
    EnterCode(id=1, code="27182818"),
    EnrolSave(id=1, name="Ada", begins="2026-12-31", ends="2027-12-31"),
    Dates(id=1, subject="0" * 32, begins="none", ends="2027-12-31"),
]


def malformed(random: np.random.Generator) -> bytes:
    """One of many ways to get it wrong; some begin well."""
    good = bytearray(packed(GOOD[int(random.integers(len(GOOD)))]))
    kind = random.integers(5)
    if kind == 0:
        return random.bytes(int(random.integers(1, 200)))
    if kind == 1:
        good[int(random.integers(len(good)))] ^= int(random.integers(1, 256))
        return bytes(good)
    if kind == 2:
        return bytes(good[: int(random.integers(1, len(good)))])
    if kind == 3:
        return header(int(random.integers(2**32)), int(random.integers(2**32))) + random.bytes(20)
    text = random.bytes(int(random.integers(0, 60)))
    return struct.pack(">2sBBII", MAGIC, VERSION, 0, len(text), 0) + text


def test_ten_thousand_malformed_messages_leave_reader_and_parser_whole() -> None:
    random, taken = np.random.default_rng(20), 0
    for _ in range(10_000):
        reader = Reader(MOST_ASKED, 0)
        try:
            for text, picture in reader.feed(malformed(random)):
                taken += isinstance(asked(text, picture), Unlock | EnterCode | EnrolSave | Dates)
        except LinkError:
            continue
    assert taken < 1_500  # a changed digit of the PIN is a sound message with a wrong PIN


def test_a_hostile_screen_does_not_end_the_link(tmp_path: Path) -> None:
    """Forty connections with 250 malformed messages each, then one that is well."""
    door = Door(tmp_path)
    random, ended = np.random.default_rng(21), threading.Event()

    def attack() -> None:
        for _ in range(40):
            with door.raw() as connection:
                try:
                    for _ in range(250):
                        connection.sendall(malformed(random))
                except OSError:
                    continue
        ended.set()

    threading.Thread(target=attack, daemon=True).start()
    assert ended.wait(120)
    assert hears(ScreenLink(door.path), len)[0][0] == HELLO
    door.link.show(Enrolment(step=Step.NONE))
    door.link.close()
