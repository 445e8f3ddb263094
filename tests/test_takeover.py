"""A door on the CPU and the plan that is built meanwhile: when does it end, so that its manager starts it again on the plan?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.assembly import attend
from edge.assembly.appliance import Appliance
from edge.assembly.report import Report
from edge.assembly.takeover import QUIET, ROUND, SETTLED, PlanReady
from edge.inference.plan import PlanManifest
from edge.inference.plans import PlanStore
from edge.settings import Settings, load_settings
from tests.plan_kit import PlanKit, twin_of
from tests.tensorrt_twins import modules
from tests.tiny_networks import ship_detector, ship_hash

FACE = [object()]  # a sighting; what is in it does not matter


class Board:
    """A folder of plans, a clock that is set, and a door that asks."""

    def __init__(self, folder: Path, runtime: str = "auto") -> None:
        ship_detector(folder)
        kit = PlanKit(folder / "scratch", twin_of(modules()))
        self.manifest: PlanManifest = kit.install(ship_hash(folder))
        self.raw = PlanStore(folder / "scratch", "tiny").plan(PlanStore(folder / "scratch", "tiny").names()[0], self.manifest)
        (folder / "door.toml").write_text(
            f'[network]\nmodels = "."\nplans = "plans"\ndetector = "eyes"\nhash = "tiny"\nruntime = "{runtime}"\n'
            '[gallery]\npath = "g.db"\n[keys]\nfile = "k"\n'
        )
        self.settings: Settings = load_settings(folder / "door.toml", {})
        self.store, self.now = PlanStore(self.settings.network.plans, "tiny"), 0.0
        self.door = self.started()

    def started(self) -> PlanReady:
        return PlanReady(self.settings, lambda: self.now)

    def build(self, *, opened: bool = True) -> str:
        """A plan comes into use; opened: by its builder, as a door does."""
        with self.store.building() as staging:
            name = self.store.install(staging, self.manifest, self.raw)
            if opened:
                self.store.mark_run(name)
        return name

    def said(self, seconds: float, crowd: list[object] | None = None) -> str:
        """What the door is told at a frame so much later."""
        self.now += seconds
        return self.door(crowd or [])  # type: ignore[arg-type]  # of any kind


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_a_new_plan_ends_the_door_once_and_the_next_start_knows_it(board: Board) -> None:
    assert board.said(100) == ""
    board.build()
    assert board.said(ROUND) == "a new plan of tiny is ready: the door starts again to use it"
    board.door = board.started()
    assert board.said(1000) == ""


def test_a_plan_that_its_builder_has_not_opened_yet_is_not_waited_for(board: Board) -> None:
    board.build(opened=False)
    assert board.said(1000) == ""


def test_nobody_is_sent_away(board: Board) -> None:
    """While a face is in the picture, and a little longer, the door goes on."""
    board.build()
    assert board.said(1000, FACE) == ""
    assert board.said(QUIET - 1) == ""
    assert board.said(ROUND) != ""


def test_one_start_is_enough_for_both_networks(board: Board) -> None:
    """The builder goes from one to the other: while it builds, and a little longer, the door waits."""
    board.build()
    with PlanStore(board.settings.network.plans, "eyes").building():
        assert board.said(1000) == ""
    assert board.said(SETTLED - 1) == ""
    assert board.said(ROUND) != ""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda board: board.store.folder.joinpath("current.json").write_text("{"),
        lambda board: board.store.folder.joinpath("current.json").unlink(),
    ],
    ids=["damaged pointer", "no pointer"],
)
def test_a_plan_that_is_gone_ends_no_door(board: Board, spoil: Callable[[Board], object]) -> None:
    board.build()
    board.door = board.started()
    spoil(board)
    assert board.said(1000) == ""


def test_a_door_on_onnxruntime_waits_for_no_plan(tmp_path: Path) -> None:
    board = Board(tmp_path, runtime="onnxruntime")
    board.build()
    assert board.said(1000) == ""


def test_only_a_door_that_somebody_starts_again_ends(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    by_hand = attend.enough(board.settings)
    monkeypatch.setenv("NOTIFY_SOCKET", "@twin of a manager")
    managed = attend.enough(board.settings)
    assert isinstance(managed, PlanReady)
    assert not isinstance(by_hand, PlanReady)
    assert by_hand([]) == ""


def test_the_loop_ends_in_order_when_it_is_told_to(tmp_path: Path) -> None:
    """With the real loop on the demonstration stream: the run ends with its tally, as at the end of a stream."""
    (tmp_path / "door.toml").write_text('[gallery]\npath = "g.db"\n[keys]\nfile = "k"\n[audit]\nfolder = "a"\n')
    job = Appliance(load_settings(tmp_path / "door.toml", {}), Report(as_json=True, quiet=True))
    asked: list[int] = []

    def enough(sightings: object) -> str:
        asked.append(1)
        return "a new plan" if len(asked) == 3 else ""

    with job.source() as stream, job.gallery(create=True) as gallery:
        tally = job.watch(gallery, stream, 50, (), enough)
    assert (tally.frames, len(asked), tally.stopped) == (3, 3, False)
