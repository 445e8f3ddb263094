"""The shipped network's non-mated tail: fused as at the door, nobody twice. Needs torch (extra ``train``)."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from edge.inference import read_manifest, write_manifest
from edge.inference.make import describe
from edge.inference.manifest import CodeSize
from edge.records import Code, Features
from edge.template.compare import dissimilarities
from edge.template.fuse import fuse
from edge.template.hashing import costs_of, hash_logits
from edge.template.tail import fit_tail
from tests.tiny_networks import save
from training import tail
from training.packed import HELD_OUT

M, Q = 64, 8
RANDOM = np.random.default_rng(3)


def person(name: str, seed: int, samples: int, noise: float = 0.8, shared: float = 0.0) -> tail.HeldOut:
    """Somebody with a face of their own, a share of what all have in common, and samples that differ."""
    face = np.random.default_rng(seed).standard_normal(M * Q) + shared * np.random.default_rng(0).standard_normal(M * Q)
    made = [Features((face + noise * RANDOM.standard_normal(M * Q)).astype(np.float32), 0.0) for _ in range(samples)]
    return tail.HeldOut(name, made)


def test_one_person_under_two_names_is_left_out_once_and_the_one_with_more_samples_kept() -> None:
    people = [person(f"p{seed}", seed, 8) for seed in range(1, 7)] + [person("p3 again", 3, 6)]
    kept, doubles = tail.without_doubles(people, Q)
    assert doubles == ["p3 again"]
    assert [one.name for one in kept] == [f"p{seed}" for seed in range(1, 7)]


def test_every_two_people_are_compared_once_each_way_by_fused_samples() -> None:
    people = [person(f"p{seed}", seed, 5) for seed in range(1, 5)]
    counts, who = tail.measure(people, Q)
    assert counts.shape == (12,)
    assert sorted(map(tuple, who.tolist())) == [(a, b) for a in range(4) for b in range(4) if a != b]


def test_a_search_is_compared_by_its_costs_as_at_the_door_and_two_references_by_unequal_symbols() -> None:
    people = [person(f"p{seed}", seed, 4) for seed in range(1, 4)]
    references = np.stack([tail.code(each.samples, Q) for each in people])
    counts, who = tail.measure(people, Q)
    for count, (probe, reference) in zip(counts, who, strict=True):
        looks = [fuse(people[probe].samples[:samples]).logits for samples in (3, 4)]
        asked = [Code(hash_logits(look, Q), Q, costs_of(look, Q)) for look in looks]
        assert count in [dissimilarities(references[reference][None], look)[0] for look in asked]
    counts, who = tail.between(people, Q)
    assert who.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert counts.tolist() == [np.count_nonzero(references[first] != references[second]) for first, second in who]


def test_fusing_brings_strangers_who_have_something_in_common_nearer_than_single_samples_do() -> None:
    """That is why a tail of single samples promises too much."""
    people = [person(f"p{seed}", seed, 6, noise=2.0, shared=0.9) for seed in range(1, 61)]
    fused, _ = tail.measure(people, Q)
    singles = [np.count_nonzero(tail.code(a.samples[:1], Q) != tail.code(b.samples[:1], Q)) for a in people for b in people if a is not b]
    assert np.mean(fused) < np.mean(singles) - 2


def held_out_names(count: int) -> list[str]:
    names = (f"person{number}" for number in range(100_000))
    return [name for name in names if zlib.crc32(name.encode()) % HELD_OUT == 0][:count]


def ship(folder: Path) -> Path:
    """A hash network of 64 symbols of 4 that looks at 4 x 4 fields of a crop; its manifest."""
    nodes = [
        helper.make_node("Cast", ["crops"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["pool"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["pool"], ["fields"]),
        helper.make_node("Sub", ["fields", "grey"], ["signed"]),
        helper.make_node("MatMul", ["signed", "w"], ["logits"]),
        helper.make_node("MatMul", ["signed", "v"], ["log_variance"]),
    ]
    random = np.random.default_rng(5)
    weights = {"w": random.standard_normal((48, 256)).astype(np.float32), "v": np.zeros((48, 1), np.float32)}
    weights["grey"] = np.full(48, 128, np.float32)
    path = save(folder / "fields.onnx", nodes, {"crops": ["B", 112, 112, 3]}, {"logits": ["B", 256], "log_variance": ["B", 1]}, weights)
    write_manifest(describe(path, "hash", code=CodeSize(m=64, q=4), facts={"trained_on": "nothing"}), path.with_suffix(".json"))
    return path.with_suffix(".json")


def packed(folder: Path, people: int, samples: int) -> Path:
    """Crops of 4 x 4 coloured fields, a pattern a person, noisy from one to the next; the last person has only two."""
    folder.mkdir()
    rows, crops = [], []
    for identity, name in enumerate(held_out_names(people)):
        fields = RANDOM.integers(20, 236, (4, 4, 3))
        for sample in range(samples if identity < people - 1 else 2):
            rows.append({"name": f"{name}/{sample}.png", "source": "s", "identity": identity})
            noisy = np.clip(fields + RANDOM.integers(-15, 16, fields.shape), 0, 255)
            crops.append(noisy.repeat(30, 0).repeat(30, 1).astype(np.uint8))
    np.save(folder / "crops.npy", np.stack(crops))
    (folder / "index.json").write_text(json.dumps(rows))
    return folder


def test_the_command_writes_what_it_measured_into_the_manifest_and_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, people = ship(tmp_path), packed(tmp_path / "packed", 120, 4)
    before = manifest.read_bytes()
    tail.main([str(people), str(manifest)])
    assert manifest.read_bytes() == before
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["people"] + len(said["second_names"]) == 119, "who has two crops only is not looked at"
    tail.main([str(people), str(manifest), "--write"])
    written = read_manifest(manifest)
    assert written.non_mated is not None
    assert written.non_mated.pairs == said["comparisons"] == said["people"] * (said["people"] - 1)
    assert written.non_mated.people == said["people"]
    assert written.facts["tail"]["second_names"] == said["second_names"]


def test_a_tail_is_the_same_whatever_order_people_come_in() -> None:
    people = [person(f"p{seed}", seed, 4, shared=0.5) for seed in range(1, 120)]
    fits = [fit_tail(tail.measure(order, Q)[0], M) for order in (people, people[::-1])]
    assert abs(fits[0].tail_at - fits[1].tail_at) <= 1
