"""The door's side of the screen: who may connect, what is looked after, one network for two threads."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.assembly.attend import watchers
from edge.assembly.fallback import code_key, new_code
from edge.assembly.kiosk import ROUND, ApplianceClerk, Rounds, called, screen, telling, users
from edge.assembly.report import Report
from edge.assembly.validity import days_from, shown
from edge.camera.demo import KIOSK, RATE, LiveDemoSource, Visit, demo
from edge.door.codes import CodeBook, Found
from edge.enrol import Session
from edge.errors import EdgeError, GalleryError, KeySourceError, NetworkError, SettingsError, SourceError, SubjectError
from edge.gallery import WrongKeyError
from edge.inference import Batch, Manifest, Outputs, PlanStore
from edge.inference.progress import Progress, write_progress
from edge.records import ALWAYS, Code
from edge.service.link import Building, LinkError, Trouble
from edge.service.refusal import refused
from edge.settings import Settings, load_settings
from tests.test_ruled import Page


def settings_in(folder: Path, **flags: object) -> Settings:
    places = {"gallery.path": folder / "gallery.db", "network.plans": folder / "plans"}
    return load_settings(environment={}, flags={**places, **{name.replace("__", "."): value for name, value in flags.items()}})


class Told:
    """Who is told, and remembers."""

    def __init__(self) -> None:
        self.troubles: list[Trouble | None] = []
        self.building: list[Building | None] = []

    def __call__(self, trouble: Trouble | None, building: Building | None) -> None:
        self.troubles.append(trouble)
        self.building.append(building)


def test_only_the_door_s_own_user_and_the_one_named_may_connect() -> None:
    assert users("") == {os.getuid()}
    assert users("nobody") == {os.getuid(), 65_534}
    with pytest.raises(SettingsError, match="no such user"):
        users("a-user-that-is-none")


def test_a_plan_being_built_is_told_and_so_is_its_end(tmp_path: Path) -> None:
    now, told = [0.0], Told()
    rounds = Rounds(settings_in(tmp_path, network__runtime="auto"), told, lambda: now[0])
    rounds.look()
    rounds.look()
    assert told.troubles == [None], "between two rounds nothing is looked at"
    with PlanStore(tmp_path / "plans", "drh").building():
        now[0] += ROUND
        rounds.look()
    now[0] += ROUND
    rounds.look()
    assert told.troubles == [None, Trouble.PLAN, None]
    assert told.building == [None, None, None], "a builder that has said nothing yet"


@pytest.mark.parametrize(
    ("left", "later", "seconds"),
    [
        (None, 0.0, None),
        (3.0, 0.0, 10.0),
        (119.0, 0.0, 120.0),
        (121.0, 0.0, 180.0),
        (121.0, 60.0, 70.0),
        (121.0, 122.0, None),
        (9e9, 0, 86_400),
    ],
)
def test_the_time_left_of_a_plan_being_built_is_told_in_steps_until_it_has_run_out(
    tmp_path: Path, left: float | None, later: float, seconds: float | None
) -> None:
    told, store = Told(), PlanStore(tmp_path / "plans", "drh")
    with store.building() as staging:
        write_progress(store.folder, staging, Progress(candidate="fp16", number=1, of=3, part=2, parts=2, began=0.0, told=100.0, left=left))
        Rounds(settings_in(tmp_path, network__runtime="auto"), told, lambda: 100.0 + later).look()
    assert told.building == [Building(part=2, parts=2, seconds=seconds)]


def test_an_altered_gallery_is_told_before_anything_else(tmp_path: Path) -> None:
    told = Told()
    with PlanStore(tmp_path / "plans", "drh").building():
        Rounds(settings_in(tmp_path, network__runtime="auto"), told, lambda: 0.0, lambda folder: 0, lambda: True).look()
    assert told.troubles == [Trouble.GALLERY]


@pytest.mark.parametrize(
    ("error", "free", "word"),
    [
        (KeySourceError("no key at /secret/place"), 2**40, Trouble.KEY),
        (WrongKeyError("the key is another one"), 2**40, Trouble.KEY),
        (GalleryError("cut short"), 2**40, Trouble.GALLERY),
        (GalleryError("cannot be written"), 2**20, Trouble.STORAGE),
        (KeySourceError("no key"), 2**20, Trouble.KEY),
        (NetworkError("altered"), 2**40, Trouble.NETWORK),
        (SourceError("no camera"), 2**40, Trouble.CAMERA),
        (SettingsError("no such user"), 2**40, Trouble.SETTINGS),
        (EdgeError("an output"), 2**40, Trouble.DEFECT),
        (OSError(28, "no space left"), 2**20, Trouble.STORAGE),
        (ZeroDivisionError(), 2**20, Trouble.DEFECT),
    ],
)
def test_every_refusal_to_start_has_its_word(tmp_path: Path, error: Exception, free: int, word: Trouble) -> None:
    assert called(error, settings_in(tmp_path), lambda folder: free) is word


def test_a_door_that_does_not_start_leaves_one_word_beside_its_socket(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, screen__enabled=True, screen__socket=tmp_path / "s")
    with pytest.raises(KeySourceError), telling(settings):
        raise KeySourceError("no key at /secret/place, pin 271828")
    assert (tmp_path / "s.refusal").read_bytes() == b"key\n"
    assert refused(tmp_path / "s") is Trouble.KEY


@pytest.mark.parametrize(
    ("enabled", "error"), [(False, KeySourceError("no key")), (True, LinkError("another door")), (True, KeyboardInterrupt())]
)
def test_no_word_is_left_where_no_screen_is_wanted_or_another_door_runs_or_a_person_ends_it(
    tmp_path: Path, enabled: bool, error: BaseException
) -> None:
    with pytest.raises(type(error)), telling(settings_in(tmp_path, screen__enabled=enabled, screen__socket=tmp_path / "s")):
        raise error
    assert list(tmp_path.iterdir()) == []


class Codes:
    """A desk for door codes that keeps what it is told."""

    offered = True

    def __init__(self) -> None:
        self.told: list[str] = []

    def answer_by(self, link: object) -> None:
        self.told.append("answer")

    def open_by(self, door: object, told: object) -> None:
        self.told.append("open")

    def close(self) -> None:
        self.told.append("close")


def test_when_the_screen_is_served_no_more_whatever_ends_it_door_codes_are_closed(tmp_path: Path) -> None:
    codes = Codes()
    job = Appliance(settings_in(tmp_path, screen__enabled=True, screen__socket=tmp_path / "s"), Report(as_json=True, quiet=True))
    with pytest.raises(ZeroDivisionError), screen(job, codes=codes):  # type: ignore[arg-type]  # no more is asked of it
        raise ZeroDivisionError
    assert codes.told == ["answer", "close"]


def test_a_door_that_opens_nothing_is_no_door_for_codes(tmp_path: Path) -> None:
    """It is there for a screen alone, and would welcome whoever types a code."""
    codes = Codes()
    settings = settings_in(tmp_path, access__fallback="code", keys__file=tmp_path / "root.key", audit__folder=str(tmp_path / "audit"))
    job = Appliance(settings, Report(as_json=True, quiet=True))
    with job.gallery(create=True) as gallery:
        for watcher in watchers(job, gallery, [Page()], codes, live=True):  # type: ignore[arg-type,list-item]  # no more is asked of them
            watcher.close()
    assert codes.told == []


def test_who_is_enrolled_without_a_word_about_dates_may_pass_for_the_days_of_the_settings(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, enrolment__valid_days=30, keys__file=tmp_path / "root.key", audit__folder=str(tmp_path / "audit"))
    job = Appliance(settings, Report(as_json=True, quiet=True))
    network, random = build.network_id(settings), np.random.default_rng(1)
    sessions = [Session(Code(random.integers(0, network.q, network.m, dtype=np.uint8), network.q), 5, ()) for _ in range(2)]
    with job.gallery(create=True) as gallery:
        before = days_from(time.time(), 30)
        assert job.enrol(gallery, "Ada", sessions[0]).validity in (before, days_from(time.time(), 30))
        assert job.enrol(gallery, "Bob", sessions[1], validity=ALWAYS).validity == ALWAYS


def test_dates_typed_at_the_screen_are_stored_in_the_one_change_that_stores_the_person_and_by_the_door_s_settings(tmp_path: Path) -> None:
    """Another process sees no change of the gallery after which she may pass without a limit, and after a fault in it she is not there."""
    settings = settings_in(tmp_path, enrolment__valid_days=30, keys__file=tmp_path / "root.key", audit__folder=str(tmp_path / "audit"))
    job = Appliance(settings, Report(as_json=True, quiet=True))
    network = build.network_id(settings)
    session = Session(Code(np.random.default_rng(1).integers(0, network.q, network.m, dtype=np.uint8), network.q), 5, ())
    with job.gallery(create=True) as other:
        clerk = ApplianceClerk(job)
        with clerk.open():
            sign = clerk.gallery._state.sign
            dates = clerk.dates("2999-01-01", "none")
            clerk.gallery._state.sign = broken  # type: ignore[method-assign]
            with pytest.raises(ZeroDivisionError):
                clerk.enrol("Ada", session, dates, allow_duplicate=False)
            clerk.gallery._state.sign = sign  # type: ignore[method-assign]
            other.refresh()
            assert other.subjects() == []
            before = clerk.gallery.counter or 0
            clerk.enrol("Ada", session, dates, allow_duplicate=False)
            assert clerk.gallery.counter == before + 1
        other.refresh()
        assert [(shown(one.validity.begins), one.validity.ends) for one in other.subjects()] == [("2999-01-01", None)]
        assert clerk.dates(None, None) in (days_from(time.time(), 30), days_from(time.time() - 5, 30))


def test_a_door_code_made_at_the_screen_is_in_force_keeps_the_duress_code_and_is_written_nowhere(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, keys__file=tmp_path / "root.key", audit__folder=str(tmp_path / "audit"))
    network = build.network_id(settings)
    session = Session(Code(np.random.default_rng(1).integers(0, network.q, network.m, dtype=np.uint8), network.q), 5, ())
    job = Appliance(settings, Report(as_json=True, quiet=True))
    with job.gallery(create=True) as gallery:
        ada = job.enrol(gallery, "Ada", session)
        forced = new_code(job, gallery, ada, duress=True)
    off = ApplianceClerk(job)
    with off.open(), pytest.raises(SettingsError, match="no door code opens"):
        off.new_code(ada.id)
    access = settings.access.model_copy(update={"fallback": "code"})
    clerk = ApplianceClerk(Appliance(settings.model_copy(update={"access": access}), job.report))
    with clerk.open():
        first, second = clerk.new_code(ada.id), clerk.new_code(ada.id)
        book = CodeBook(code_key(settings), {ada.id: clerk.gallery.facts(ada.id)})
        assert [book.find(code) for code in (first, second, forced)] == [None, Found(ada.id, duress=False), Found(ada.id, duress=True)]
        with pytest.raises(SubjectError):
            clerk.new_code("f" * 32)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written.count(b"code_new") == 3
    assert [code for code in (first, second, forced) if code.encode() in written] == []


def broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError


def test_a_door_without_a_gpu_looks_for_no_plan(tmp_path: Path) -> None:
    told = Told()
    with PlanStore(tmp_path / "plans", "drh").building():
        Rounds(settings_in(tmp_path), told, lambda: 0.0).look()
    assert told.troubles == [None]


@pytest.mark.parametrize(("free", "told"), [(10 * 2**30, None), (2**20, Trouble.STORAGE)])
def test_a_full_disk_is_told(tmp_path: Path, free: int, told: Trouble | None) -> None:
    heard = Told()
    Rounds(settings_in(tmp_path), heard, lambda: 0.0, lambda folder: free).look()
    assert heard.troubles == [told]


class Crowded:
    """A network that notices two callers at once."""

    manifest: Manifest
    inside, most = 0, 0

    def infer(self, batch: Batch, outputs: Sequence[str] | None = None) -> Outputs:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.002)
        self.inside -= 1
        return {}


def test_a_network_that_door_and_desk_share_computes_for_one_at_a_time() -> None:
    network = Crowded()
    shared = build.OneAtATime(network)
    threads = [threading.Thread(target=lambda: [shared.infer(np.zeros(1)) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert network.most == 1


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_live_demonstration_keeps_the_world_s_pace_and_never_ends() -> None:
    clock = Clock()
    stream = LiveDemoSource([Visit((), 4)], clock=clock, sleep=clock.sleep)
    frames = stream.frames()
    times = [next(frames).captured for _ in range(10)]
    assert np.allclose(np.diff(times), 1 / RATE)
    stream.close()
    assert list(frames) == []
    assert stream.live


def test_a_slow_reader_of_the_live_demonstration_misses_frames() -> None:
    clock = Clock()
    with LiveDemoSource([Visit((), 8)], clock=clock, sleep=clock.sleep) as stream:
        frames = stream.frames()
        next(frames)
        clock.now += 1.0
        assert clock.now - next(frames).captured < 1 / RATE


def test_the_kiosk_s_visits_are_long_enough_for_an_enrolment_with_pauses_longer_than_a_track_s_patience() -> None:
    patience = load_settings(environment={}).track.patience
    assert all(visit.frames / RATE > (2 * patience if not visit.people else 5) for visit in KIOSK)


@pytest.mark.parametrize("text", ["forever", "live "])
def test_another_demonstration_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="demo:live"):
        demo(text)
