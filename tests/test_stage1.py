"""Stage 1 from packed crops to a backbone, with each loss. Needs torch (extra ``train``)."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training import backbone, hash_losses, stage1  # noqa: E402
from training.codes import code_loss  # noqa: E402
from training.packed import Batches, load  # noqa: E402
from training.stage1 import Objective, classes_of, picture_size, shrunk, sizes_of, terms_of  # noqa: E402

PEOPLE, EACH = 12, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random crops of twelve people, six unlabelled ones, and two teachers of 512 and 64 dimensions."""
    made, random = tmp_path_factory.mktemp("packed"), np.random.default_rng(3)
    rows = [{"name": f"p{who}/{n}.png", "identity": who, "source": "s"} for who in range(PEOPLE) for n in range(EACH)]
    rows += [{"name": f"{n}.png", "identity": -1, "source": "u"} for n in range(6)]
    (made / "index.json").write_text(json.dumps(rows))
    np.save(made / "crops.npy", random.integers(0, 256, (len(rows), 120, 120, 3), np.uint8))
    for name, dimensions in (("a", 512), ("b", 64)):
        np.save(made / f"{name}.npy", random.standard_normal((len(rows), 2, dimensions)).astype(np.float16))
    return made


def run(folder: Path, out: Path, *options: str, teachers: tuple[str, ...] = (), steps: int = 2) -> dict[str, object]:
    """The command with its options; returns the checkpoint."""
    files = [str(folder / f"{name}.npy") for name in teachers]
    fixed = ["--steps", str(steps), "--batch", "8", "--threads", "1", "--device", "cpu"]
    stage1.train(stage1.parser().parse_args([str(folder), *files, str(out), *fixed, *options]))
    state: dict[str, object] = torch.load(out)
    return state


def weights(state: "dict[str, object]") -> "torch.Tensor":
    return torch.cat([value.flatten().float() for value in state["mean"].values()])


@pytest.mark.parametrize(
    ("loss", "teachers", "learned_beside"),
    [
        ("distil", ("a",), set()),
        ("distil", ("b",), {"distil.maps.0.weight"}),
        ("distil", ("a", "b"), {"distil.maps.0.weight", "distil.maps.1.weight"}),
        ("arcface", (), {"margin.centres"}),
        ("cosface", (), {"margin.centres"}),
        ("distil=1,arcface=0.1", ("a",), {"margin.centres"}),
    ],
)
def test_a_backbone_comes_out_of_every_loss(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], loss: str, teachers: tuple[str, ...], learned_beside: set[str]
) -> None:
    state = run(folder, tmp_path / "b.pt", "--loss", loss, "--backbone", "mobilefacenet", teachers=teachers)
    said = capsys.readouterr().out
    assert json.loads(said.splitlines()[-1])["samples"] == 16
    assert ("0 classes" in said) == (loss == "distil")
    assert set(state["loss"]) == learned_beside
    network = backbone.restore(tmp_path / "b.pt")
    assert network.name == "mobilefacenet"
    assert torch.isfinite(network(torch.zeros(1, 3, 112, 112))).all()


def test_the_same_seed_gives_the_same_backbone_however_many_processes_augment(folder: Path, tmp_path: Path) -> None:
    first = weights(run(folder, tmp_path / "a.pt", teachers=("a",)))
    assert torch.equal(first, weights(run(folder, tmp_path / "b.pt", "--workers", "1", teachers=("a",))))
    assert not torch.equal(first, weights(run(folder, tmp_path / "c.pt", "--seed", "2", teachers=("a",))))


def test_a_stopped_run_ends_with_the_backbone_of_one_that_was_not(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--loss", "distil,arcface=0.1")
    whole = weights(run(folder, tmp_path / "whole.pt", *options, teachers=("a",), steps=4))
    monkeypatch.setattr(stage1.Cycle, "over", property(lambda cycle: cycle.steps >= 2))
    run(folder, tmp_path / "parts.pt", *options, teachers=("a",), steps=4)
    monkeypatch.undo()
    assert torch.equal(whole, weights(run(folder, tmp_path / "parts.pt", *options, teachers=("a",), steps=4)))


def head(path: Path) -> Path:
    """A head of 16 symbols of 4, as training.drh writes it."""
    torch.save({"m": 16, "q": 4, "projection": torch.nn.Linear(512, 64).state_dict()}, path)
    return path


def test_a_code_trained_along_moves_projection_and_backbone_and_the_backbone_can_be_taken_out(folder: Path, tmp_path: Path) -> None:
    codes = str(head(tmp_path / "head.pt"))
    plain = run(folder, tmp_path / "plain.pt", teachers=("a",))
    state = run(folder, tmp_path / "h.pt", "--codes", codes, "--start", str(tmp_path / "plain.pt"), teachers=("a", "b"))
    before, after = torch.load(codes)["projection"], state["mean"]
    assert not torch.equal(after["projection.weight"], before["weight"])
    assert not torch.equal(after["backbone.features.0.0.weight"], plain["mean"]["features.0.0.weight"])
    taken = backbone.restore(tmp_path / "h.pt")
    assert torch.equal(taken.features[0][0].weight, after["backbone.features.0.0.weight"])


def test_codes_want_a_teacher(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="codes follow a teacher's cosines"):
        run(folder, tmp_path / "a.pt", "--loss", "arcface", "--codes", str(head(tmp_path / "head.pt")))


def test_of_several_teachers_a_code_follows_the_mean_cosine() -> None:
    first, second = (torch.nn.functional.normalize(torch.randn(5, size), dim=1) for size in (8, 6))
    beside = torch.cat([first, second], dim=1) / 2**0.5
    assert torch.allclose(beside @ beside.T, (first @ first.T + second @ second.T) / 2, atol=1e-6)
    logits = torch.randn(5, 64)
    assert code_loss(logits, [first, second], 8).item() == pytest.approx(code_loss(logits, [beside], 8).item(), rel=1e-5)


def test_a_code_may_follow_by_the_probe_s_costs_instead_of_by_equal_symbols(folder: Path, tmp_path: Path) -> None:
    target = torch.nn.functional.normalize(torch.randn(6, 8), dim=1)
    logits = torch.randn(6, 64)
    p = hash_losses.decided(hash_losses.probabilities(logits, 8, 8.0))
    asked = hash_losses.probing_loss(logits, p, target @ target.T)
    assert code_loss(logits, [target], 8, 0, 3).item() == pytest.approx(3 * asked.item(), rel=1e-5)
    assert code_loss(logits, [target], 8, 2, 3).item() == pytest.approx(
        3 * asked.item() + 2 * code_loss(logits, [target], 8).item(), rel=1e-5
    )
    codes = str(head(tmp_path / "head.pt"))
    ways = {"p": ("--hashing", "0", "--probing", "30"), "n": ("--hashing", "0"), "h": ()}
    found = [weights(run(folder, tmp_path / f"{name}.pt", "--codes", codes, *way, teachers=("a",))) for name, way in ways.items()]
    assert all(torch.isfinite(each).all() for each in found)
    assert not any(torch.equal(a, b) for a, b in ((found[0], found[1]), (found[0], found[2]), (found[1], found[2])))


def test_a_cycle_may_begin_with_small_pictures(folder: Path, tmp_path: Path) -> None:
    assert torch.isfinite(weights(run(folder, tmp_path / "a.pt", "--sizes", "64,112", teachers=("a",)))).all()
    assert [picture_size([80, 96, 112], progress) for progress in (0, 0.32, 0.34, 0.7, 1, 1.2)] == [80, 80, 96, 112, 112, 112]
    assert shrunk(torch.zeros(2, 3, 112, 112), 80).shape == (2, 3, 80, 80)
    with pytest.raises(argparse.ArgumentTypeError, match="32 to 112"):
        sizes_of("16,112")


@pytest.mark.parametrize(
    ("text", "terms"),
    [("distil", {"distil": 1}), ("cosface=0.5", {"cosface": 0.5}), ("distil=2, arcface=0.05", {"distil": 2, "arcface": 0.05})],
)
def test_losses_are_written_as_a_sum(text: str, terms: dict[str, float]) -> None:
    assert terms_of(text) == terms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("softmax", "wanted are distil, arcface or cosface"),
        ("distil=-1", "weights above 0"),
        ("distil=x", "'x' is no number"),
        ("arcface,cosface", "one margin at a time"),
    ],
)
def test_a_sum_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        terms_of(text)


def test_the_objective_is_the_weighted_sum_and_unlabelled_crops_have_no_margin() -> None:
    class Three(torch.nn.Module):
        def forward(self, embedding: "torch.Tensor", rows: np.ndarray) -> "torch.Tensor":
            return torch.tensor(3.0)

    classes = np.array([0, 1, -1, 0])
    both, alone = Objective({"distil": 2, "cosface": 0.5}, Three(), classes, 4), Objective({"cosface": 1}, None, classes, 4)
    alone.margin = both.margin
    embedding = torch.randn(4, 4)
    rows = np.arange(4)
    assert both(embedding, rows).item() == pytest.approx(2 * 3 + 0.5 * alone(embedding, rows).item(), rel=1e-5)
    assert alone(embedding, rows).item() == pytest.approx(alone(embedding[[0, 1, 3]], rows[[0, 1, 3]]).item())
    assert alone(embedding[[2]], rows[[2]]).item() == 0


def test_classes_are_the_identities_of_two_crops_or_more_that_are_learned_from() -> None:
    identity, rows = np.array([7, 7, 9, -1, 4, 4, 5, 5]), np.arange(6)
    assert classes_of(identity, rows, 2).tolist() == [1, 1, -1, -1, 0, 0, -1, -1]
    assert classes_of(identity, rows, 1).tolist() == [1, 1, 2, -1, 0, 0, -1, -1]


@pytest.mark.parametrize(
    ("options", "teachers", "said"),
    [
        (("--loss", "arcface", "--fewest", "4"), (), "11 identities to learn from, 0 of them with 4 crops or more"),
        (("--batch", "999", "--loss", "arcface"), (), "crops to learn from make no batch of 999; pack more pictures or say --batch"),
        (("--loss", "distil"), (), "no teacher is given"),
        (("--loss", "arcface"), ("a",), "1 teachers are given"),
    ],
)
def test_too_little_to_learn_from_is_said_with_the_way_out(
    folder: Path, tmp_path: Path, options: tuple[str, ...], teachers: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        run(folder, tmp_path / "a.pt", *options, teachers=teachers)
    assert not (tmp_path / "a.pt").exists()


def test_too_few_held_out_crops_give_no_figure(folder: Path) -> None:
    packed = load(folder)
    assert stage1.validate(backbone.make("mobilefacenet"), packed, packed.validate) == {}


def test_a_folder_without_a_packed_set_is_answered_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no packed set .*training\.pack"):
        load(tmp_path)


def test_every_crop_comes_once_before_any_comes_again_and_a_batch_depends_on_its_number_alone(folder: Path) -> None:
    packed, rows = load(folder), np.arange(40)
    made = Batches(packed, rows, 8, seed=1)
    epochs = [np.concatenate([made(step)[0] for step in range(start, start + 5)]) for start in (0, 5)]
    assert [sorted(epoch) for epoch in epochs] == [rows.tolist()] * 2
    assert (epochs[0] != epochs[1]).any()
    chosen, crops = Batches(packed, rows, 8, seed=1)(7)
    assert (chosen == made(7)[0]).all()
    assert (crops == made(7)[1]).all()
    assert crops.shape == (8, 112, 112, 3)


def test_a_batch_of_partners_holds_two_crops_of_every_labelled_person(folder: Path) -> None:
    packed = load(folder)
    chosen, crops = Batches(packed, np.arange(PEOPLE * EACH), 8, seed=1, partners=True)(3)
    assert crops.shape[0] == 8
    assert (packed.identity[chosen[:4]] == packed.identity[chosen[4:]]).all()
    assert (chosen[:4] != chosen[4:]).all()
