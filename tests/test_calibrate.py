"""What the threshold promises, the closest pair in words, and a tail of one's own people. Tiny networks know people by colour."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.assembly import build
from edge.assembly.calibration import write_calibration
from edge.assembly.standing import CONFUSABLE, FAR, NEAR, UNTOLD, closest, promised, sentence, standing, verdict_of
from edge.commands.calibrate import Measurement, Person, comparisons, least_people, people_in, sources_of
from edge.errors import AcquisitionError, SettingsError, SourceError
from edge.inference import read_manifest, write_manifest
from edge.records import Code
from edge.settings import Settings, load_settings
from edge.template.compare import pack
from edge.template.tail import Bound, NonMatedTail
from tests.test_evaluation import config, face, patchwork, put  # noqa: F401 - config is a fixture


def code(*symbols: int) -> Code:
    return Code(np.array([*symbols, 0, 0, 0, 0, 0, 0, 0, 0][:8], np.uint8), 4)


def test_the_promise_in_words() -> None:
    """Threshold, expected FPIR with its interval, and how far the law was stretched: what an operator has to know, in one line."""
    bounds = (Bound(400, 0.009, 0.011), Bound(300, 1e-8, 1e-7))
    tail = NonMatedTail(m=512, pairs=100_000, tail_at=400.5, tail_share=0.01, shape=0.0, scale=8.0, people=450, bounds=bounds)
    told = sentence(tail.promise(0.003, 37, 10))
    assert told.startswith(
        "at FPIR 0.3 % per approach and 37 references: unlike by at most 343 of 512 symbols; expected FPIR 0.3 % [0.013, 0.54]"
    )
    assert told.endswith("; extrapolated by 0.1 decades beyond the measured comparisons")
    assert "interval was not measured" in sentence(replace(tail, bounds=()).promise(0.003, 0, 1))
    assert "; within the measured comparisons" in sentence(tail.promise(0.003, 0, 1))


@pytest.mark.parametrize(("distance", "verdict"), [(30, CONFUSABLE), (31, NEAR), (38, NEAR), (39, FAR)])
def test_a_verdict_is_a_word(distance: int, verdict: str) -> None:
    """At the threshold one may be taken for the other; within the margin above it is near."""
    assert verdict_of(distance, threshold=30, margin=8) == verdict


def test_the_closest_pair_is_of_two_people() -> None:
    """Two references of one person do not count, however alike; it is found wherever it stands, also beyond one batch."""
    rows = np.random.default_rng(1).integers(0, 4, (30, 64)).astype(np.uint8)
    owners = [f"p{number}" for number in range(30)]
    rows[29], owners[29] = rows[3], "p3"
    rows[17] = rows[25]
    rows[17, :5] = (rows[17, :5] + 1) % 4
    first, second, distance = closest(pack(rows, 4), owners, 2) or ("", "", 0)
    assert {first, second} == {"p17", "p25"}
    assert distance == 5
    assert closest(pack(rows[:1], 4), ["p0"], 2) is None
    assert closest(pack(rows[:2], 4), ["p0", "p0"], 2) is None
    assert closest(pack(rows[:0], 4), [], 2) is None


def test_each_two_people_are_compared_once_each_way_and_looks_take_turns() -> None:
    """By hand: a's two looks against b and c, b's one, c's one."""
    people = [
        Person("a", (code(0, 0, 0), code(1, 1, 1)), code(0, 0, 0)),
        Person("b", (code(0, 1, 1),), code(0, 1, 1)),
        Person("c", (code(2, 2, 2),), code(0, 0, 2)),
    ]
    counts, who = comparisons(people)
    assert who.tolist() == [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]]
    assert counts.tolist() == [1, 1, 2, 2, 3, 3]


def test_about_a_hundred_people_are_needed() -> None:
    """101 people are 10,100 comparisons, of which a hundredth are a tail of a hundred."""
    assert least_people() == 101


def test_a_person_is_a_folder_of_pictures_or_of_videos_or_a_video(tmp_path: Path) -> None:
    put(tmp_path, "Bo/1.png", face((9, 9, 9)))
    put(tmp_path, ".hidden/1.png", face((9, 9, 9)))
    (tmp_path / "Ada10.mp4").touch()
    (tmp_path / "Ada2").mkdir()
    (tmp_path / "Ada2" / "b.mp4").touch()
    (tmp_path / "Ada2" / "a.mp4").touch()
    assert [place.name for place in people_in(tmp_path)] == ["Ada2", "Ada10.mp4", "Bo"]
    assert [[source.name for source in sources_of(place)] for place in people_in(tmp_path)] == [["a.mp4", "b.mp4"], ["Ada10.mp4"], ["Bo"]]
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "nowhere", tmp_path / "Ada10.mp4"):
        with pytest.raises(SourceError, match=wrong.name):
            people_in(wrong)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """102 people, three pictures each in less and less light."""
    folder = tmp_path_factory.mktemp("crowd")
    for number in range(102):
        for light in range(3):
            put(folder, f"person{number}/{light}.png", patchwork(number, 1 - 0.05 * light))
    return folder


def settings_of(config: Path, folder: Path) -> Settings:  # noqa: F811
    flags = {"gallery.path": folder / "gallery.db", "keys.file": folder / "root.key", "calibration.path": folder / "calibration.json"}
    return load_settings(config, flags={name: str(path) for name, path in flags.items()} | {"decision.fpir": 0.05})


def test_a_measured_tail_sets_the_threshold_once_written(tmp_path: Path, crowd: Path, config: Path) -> None:  # noqa: F811
    """Before: the network's own; after: the site's, with people and interval; on other settings: refused, and measuring again helps."""
    settings = settings_of(config, tmp_path)
    assert standing(settings, print).source == "network drh"
    measurement = Measurement(settings, print)
    before = standing(settings, print).promise.threshold
    measured = measurement.measure(people_in(crowd), 0, before)
    assert measured.in_force == measured.tail.promise_at(before, 0.05, 0, 10)
    assert (measured.tail.people, measured.tail.pairs, measured.left_out) == (102, 102 * 101, ())
    write_calibration(measurement.calibration(measured), settings.calibration.path)
    found = standing(settings, print)
    assert (found.tail, found.promise) == (measured.tail, measured.promise)
    assert found.source.startswith("calibration of 20")
    assert build.Networks(settings).tail == measured.tail != build.Networks(settings, calibrated=False).tail
    assert found.promise.interval is not None
    changed = settings.model_copy(update={"decision": settings.decision.model_copy(update={"max_samples": 11})})
    for use in (lambda: build.Networks(changed), lambda: standing(changed, print)):
        with pytest.raises(SettingsError, match="max_samples was 12 when it was measured, in force is 11"):
            use()
    assert Measurement(changed, print) is not None


def test_too_few_people_say_how_many_are_needed_and_who_had_too_few_samples(tmp_path: Path, crowd: Path, config: Path) -> None:  # noqa: F811
    """Ten people, and one with a picture without a face: refused before anything is written."""
    put(tmp_path, "nobody/1.png", np.zeros((96, 96, 3), np.uint8))
    places = [*people_in(crowd)[:10], tmp_path / "nobody"]
    with pytest.raises(AcquisitionError, match="10 people have 3 or more usable samples, 1 have not; 101 are needed"):
        Measurement(settings_of(config, tmp_path), print).measure(places, 0)


def test_the_closest_enrolled_pair_is_named_without_a_number(tmp_path: Path, crowd: Path, config: Path) -> None:  # noqa: F811
    """Two references alike are confusable, by name; the verdict is all that is told of them."""
    settings = settings_of(config, tmp_path)
    person = Measurement(settings, print).person(people_in(crowd)[0])
    assert person is not None
    symbols = person.reference.symbols.copy()
    symbols[:2] = (symbols[:2] + 1) % 4
    with build.gallery(settings, build.network_id(settings), print, create=True) as gallery:
        gallery.enrol("Ada", [person.reference])
        assert standing(settings, print).closest is None
        gallery.enrol("Bo", [Code(symbols, 4)])
        gallery.enrol("Cy", [Code((person.reference.symbols + 1) % 4, 4)])
    found = standing(settings, print)
    assert found.promise == promised(settings, found.tail, 3)
    assert found.closest is not None
    assert ({*found.closest[:2]}, found.closest[2]) == ({"Ada", "Bo"}, CONFUSABLE)
    assert set(json.loads(json.dumps(found.facts()))["closest"]) == {"first", "second", "verdict"}


@pytest.mark.parametrize(("changed", "verdict"), [({"references": None}, UNTOLD), ({"tail_at": 40.5}, CONFUSABLE), ({"tail_at": 7.5}, FAR)])
def test_two_references_are_judged_by_their_own_tail(
    tmp_path: Path,
    config: Path,  # noqa: F811
    changed: dict[str, float | None],
    verdict: str,
) -> None:
    """They have no costs, so the door's own threshold is none for them: here thirty symbols of 64 are unequal."""
    models = tmp_path / "models"
    shutil.copytree(config.parent, models)
    manifest = read_manifest(models / "drh.json")
    assert manifest.references is not None
    references = replace(manifest.references, tail_at=changed["tail_at"]) if "tail_at" in changed else None
    write_manifest(manifest.model_copy(update={"references": references}), models / "drh.json")
    flags = {"network.models": str(models), "gallery.path": str(tmp_path / "gallery.db"), "keys.file": str(tmp_path / "root.key")}
    settings = load_settings(config, flags=flags)
    with build.gallery(settings, build.network_id(settings), print, create=True) as gallery:
        for name, other in (("Ada", 0), ("Bo", 30)):
            gallery.enrol(name, [Code((np.arange(64) < other).astype(np.uint8), 4)])
    found = standing(settings, print).closest
    assert found is not None
    assert found[2] == verdict


def test_a_calibration_that_is_required_and_missing_stops_the_door(tmp_path: Path, config: Path) -> None:  # noqa: F811
    """Whoever deletes it does not loosen the door unseen."""
    settings = settings_of(config, tmp_path)
    required = settings.calibration.model_copy(update={"required": True})
    with pytest.raises(SettingsError, match=r"calibration\.required.*no calibration at"):
        build.Networks(settings.model_copy(update={"calibration": required}))
