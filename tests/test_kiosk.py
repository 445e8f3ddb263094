"""The door's side of the screen: who may connect, what is looked after, one network for two threads."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge import build
from edge.camera.demo import KIOSK, RATE, LiveDemoSource, Visit, demo
from edge.errors import SettingsError, SourceError
from edge.inference import Batch, Manifest, Outputs, PlanStore
from edge.kiosk import ROUND, Rounds, users
from edge.service.link import Trouble
from edge.settings import Settings, load_settings


def settings_in(folder: Path, **flags: object) -> Settings:
    places = {"gallery.path": folder / "gallery.db", "network.plans": folder / "plans"}
    return load_settings(environment={}, flags={**places, **{name.replace("__", "."): value for name, value in flags.items()}})


def test_only_the_door_s_own_user_and_the_one_named_may_connect() -> None:
    assert users("") == {os.getuid()}
    assert users("nobody") == {os.getuid(), 65_534}
    with pytest.raises(SettingsError, match="no such user"):
        users("a-user-that-is-none")


def test_a_plan_being_built_is_told_and_so_is_its_end(tmp_path: Path) -> None:
    now, told = [0.0], list[Trouble | None]()
    rounds = Rounds(settings_in(tmp_path, network__runtime="auto"), told.append, lambda: now[0])
    rounds.look()
    rounds.look()
    assert told == [None], "between two rounds nothing is looked at"
    with PlanStore(tmp_path / "plans", "drh").building():
        now[0] += ROUND
        rounds.look()
    now[0] += ROUND
    rounds.look()
    assert told == [None, Trouble.PLAN, None]


def test_a_door_without_a_gpu_looks_for_no_plan(tmp_path: Path) -> None:
    told: list[Trouble | None] = []
    with PlanStore(tmp_path / "plans", "drh").building():
        Rounds(settings_in(tmp_path), told.append, lambda: 0.0).look()
    assert told == [None]


@pytest.mark.parametrize(("free", "told"), [(10 * 2**30, None), (2**20, Trouble.STORAGE)])
def test_a_full_disk_is_told(tmp_path: Path, free: int, told: Trouble | None) -> None:
    heard: list[Trouble | None] = []
    Rounds(settings_in(tmp_path), heard.append, lambda: 0.0, lambda folder: free).look()
    assert heard == [told]


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
