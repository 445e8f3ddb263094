"""A gallery knows its people whether the float network looks or its INT8 form; and no other network."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import quantise
from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.assembly.report import Report
from edge.commands import care
from edge.errors import GalleryError, NetworkError
from edge.gallery import NetworkId, OtherNetworkError
from edge.inference import read_manifest
from edge.records import Code
from edge.settings import Settings, load_settings
from edge.template.hashing import hash_logits
from tests import tiny_int8
from tests.tiny_networks import ship_detector

FLOAT, INT8, INT8_CPU = "tiny", "tiny_int8", "tiny_int8_cpu"
BOTH_WAYS = [(FLOAT, INT8), (FLOAT, INT8_CPU), (INT8, FLOAT), (INT8_CPU, FLOAT), (INT8, INT8_CPU)]
PEOPLE = 6
Spoil = Callable[[dict], object]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector, a float network, and both INT8 forms, held against float on 240 crops of forty people."""
    folder = tmp_path_factory.mktemp("models")
    ship_detector(folder)
    for number, crop in enumerate(tiny_int8.quadrants(240, 3)):
        path = folder / "crops" / f"person{number // 6}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), crop)
    words = [str(tiny_int8.telling_apart(folder / "tiny.onnx")), str(folder / "crops"), "--held-out", str(folder / "crops")]
    assert quantise.main([*words, "--out", str(folder)]) == 0
    return folder


def door(models: Path, folder: Path, name: str) -> Settings:
    """The settings of a door with that hashing network; the gallery and the key are the folder's."""
    (folder / "door.toml").write_text(
        f'[network]\nmodels = "{models}"\ndetector = "eyes"\nhash = "{name}"\n'
        '[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\ncredential = "none"\n[calibration]\npath = "none.json"\n'
    )
    return load_settings(folder / "door.toml", {})


def codes(settings: Settings, crops: np.ndarray) -> list[Code]:
    logits = build.Networks(settings).hasher.infer(crops, ("logits",))["logits"]
    return [Code(symbols, tiny_int8.Q) for symbols in hash_logits(logits, tiny_int8.Q)]


def unheard(problem: str) -> None: ...


def spoilt(models: Path, folder: Path, spoil: Spoil) -> Path:
    """The same networks, with the manifest of the CPU's INT8 form spoilt."""
    copied = folder / "models"
    shutil.copytree(models, copied, ignore=shutil.ignore_patterns("crops"))
    told = json.loads((copied / f"{INT8_CPU}.json").read_text())
    spoil(told)
    (copied / f"{INT8_CPU}.json").write_text(json.dumps(told))
    return copied


@pytest.mark.parametrize(("enrols", "looks"), BOTH_WAYS, ids=["-".join(pair) for pair in BOTH_WAYS])
def test_who_was_enrolled_by_one_form_is_found_by_the_other(models: Path, tmp_path: Path, enrols: str, looks: str) -> None:
    """At the threshold of the form that looks; and nobody else is."""
    crops = tiny_int8.quadrants(2 * PEOPLE, 11)
    first, second = door(models, tmp_path, enrols), door(models, tmp_path, looks)
    with build.gallery(first, build.network_id(first), unheard, create=True) as gallery:
        for number, code in enumerate(codes(first, crops[:PEOPLE])):
            gallery.enrol(f"person {number}", [code])
    threshold = build.threshold(build.Networks(second).tail, 0.01, 1)(PEOPLE)
    with build.gallery(second, build.network_id(second), unheard) as gallery:
        named = []
        for code in codes(second, crops):
            best = gallery.search(code, limit=1)[0]
            named.append(gallery.find(best.subject).label if best.dissimilarity <= threshold else None)
    assert named == [*(f"person {number}" for number in range(PEOPLE)), *[None] * PEOPLE]


@pytest.mark.parametrize("form", [INT8, INT8_CPU])
def test_an_int8_manifest_names_its_parent_and_what_was_measured(models: Path, form: str) -> None:
    parent, manifest = read_manifest(models / f"{FLOAT}.json"), read_manifest(models / f"{form}.json")
    gate = json.loads((models / f"{form}.json").read_text())["facts"]["quantised"]["gate"]
    assert manifest.float_parent is not None
    assert manifest.float_parent.sha256 == manifest.gallery_sha256 == parent.sha256 == parent.gallery_sha256 != manifest.sha256
    assert (manifest.float_parent.agreement, manifest.float_parent.pairs) == (gate["agreement"], gate["non_mated_pairs"])
    assert parent.float_parent is None


@pytest.mark.parametrize("form", [INT8, INT8_CPU])
def test_its_own_tail_is_the_parents_moved_to_the_safe_side_and_sets_the_threshold(models: Path, tmp_path: Path, form: str) -> None:
    parent, manifest = read_manifest(models / f"{FLOAT}.json"), read_manifest(models / f"{form}.json")
    assert parent.non_mated is not None
    assert manifest.non_mated is not None
    assert manifest.float_parent is not None
    assert manifest.non_mated.tail_at == parent.non_mated.tail_at + manifest.float_parent.tail_shift <= parent.non_mated.tail_at
    ours, theirs = (build.Networks(door(models, tmp_path, name)).tail for name in (form, FLOAT))
    assert (ours, theirs) == (manifest.non_mated, parent.non_mated)
    assert ours.threshold(0.01, 100, 1) <= theirs.threshold(0.01, 100, 1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda told: told.pop("float_parent"), "states no 'float_parent'"),
        (lambda told: told["float_parent"].pop("agreement"), "float_parent.agreement: Field required"),
        (lambda told: told["float_parent"].pop("tail_shift"), "float_parent.tail_shift: Field required"),
        (lambda told: told["float_parent"].update(agreement=0.949), "float_parent.agreement: .* 0.95"),
        (lambda told: told["float_parent"].update(pairs=9_999), "float_parent.pairs: .* 10000"),
        (lambda told: told["float_parent"].update(tail_shift=1), "float_parent.tail_shift: .* 0"),
        (lambda told: told["float_parent"].update(sha256="float"), "float_parent.sha256"),
        (lambda told: told["float_parent"].update(sha256=told["sha256"]), "names another file"),
        (lambda told: told.update(non_mated=None), "with a 'non_mated' tail"),
    ],
    ids=["no parent", "no agreement", "no shift", "too little agreement", "too few pairs", "lax side", "no hash", "itself", "no tail"],
)
def test_an_int8_network_without_a_measured_gate_is_refused(models: Path, tmp_path: Path, spoil: Spoil, said: str) -> None:
    settings = door(spoilt(models, tmp_path, spoil), tmp_path, INT8_CPU)
    with pytest.raises(NetworkError, match=said):
        build.network_id(settings)


def test_an_int8_network_whose_parent_is_another_one_is_refused(models: Path, tmp_path: Path) -> None:
    first = door(models, tmp_path, FLOAT)
    with build.gallery(first, build.network_id(first), unheard, create=True) as gallery:
        gallery.enrol("Ada", [codes(first, tiny_int8.quadrants(1))[0]])
    other = door(spoilt(models, tmp_path, lambda told: told["float_parent"].update(sha256="cd" * 32)), tmp_path, INT8_CPU)
    with pytest.raises(OtherNetworkError, match="not cdcdcdcdcdcd"), build.gallery(other, build.network_id(other), unheard):
        pass


def test_between_float_and_int8_there_is_nothing_to_rebind(models: Path, tmp_path: Path) -> None:
    first, second = door(models, tmp_path, FLOAT), door(models, tmp_path, INT8_CPU)
    assert build.network_id(first) == build.network_id(second)
    with build.gallery(first, build.network_id(first), unheard, create=True) as gallery:
        gallery.enrol("Ada", [codes(first, tiny_int8.quadrants(1))[0]])
    with pytest.raises(GalleryError, match=r"belongs to network .* already: nothing to do"):
        care.rebind(Appliance(second, Report(as_json=True, quiet=True)), 7)


def test_the_network_before_is_the_float_one_where_it_is_there_else_its_int8_form(models: Path, tmp_path: Path) -> None:
    copied = spoilt(models, tmp_path, lambda told: None)
    settings, parent = door(copied, tmp_path, INT8_CPU), read_manifest(models / f"{FLOAT}.json").sha256
    assert build.manifest_of(settings, parent)[0].stem == FLOAT
    (copied / f"{FLOAT}.json").unlink()
    assert build.manifest_of(settings, parent)[1].gallery_sha256 == parent


def test_where_too_few_people_are_known_no_parent_is_stated_and_no_door_takes_the_network(models: Path, tmp_path: Path) -> None:
    words = [str(models / f"{FLOAT}.json"), "--synthetic", "--most", "160", "--form", "cpu", "--out", str(tmp_path)]
    assert quantise.main(words) == 0
    ship_detector(tmp_path)
    assert read_manifest(tmp_path / f"{INT8_CPU}.json").float_parent is None
    with pytest.raises(NetworkError, match="states no 'float_parent'"):
        build.network_id(door(tmp_path, tmp_path, INT8_CPU))


def test_a_float_network_is_bound_to_itself(models: Path, tmp_path: Path) -> None:
    manifest = read_manifest(models / f"{FLOAT}.json")
    assert build.network_id(door(models, tmp_path, FLOAT)) == NetworkId(manifest.sha256, tiny_int8.M, tiny_int8.Q)
