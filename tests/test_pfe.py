"""PFE: likelihoods against numbers worked by hand, heads that learn what is planted, and the command. Needs torch (extra ``train``)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from evaluation.gaussians import PfeNetwork  # noqa: E402
from training import backbone, pfe  # noqa: E402
from training.packed import load  # noqa: E402
from training.uncertainty import (  # noqa: E402
    PEOPLE,
    RISE,
    SAMPLES,
    SHIFT,
    DimensionUncertainty,
    PeopleBatches,
    mated_pairs,
    mutual_likelihood,
    order_loss,
    scalar_loss,
    train_uncertainty,
)


def unit(*shape: int) -> "torch.Tensor":
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def test_mutual_likelihood_by_hand_and_symmetric() -> None:
    """Two dimensions, s = 1 and 1, 1 and 3: -1/2 [(1 / 2 + ln 2) + (4 / 4 + ln 4)] - ln 2 pi."""
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    log_a, log_b = torch.tensor([1.0, 1.0]).log(), torch.tensor([1.0, 3.0]).log()
    expected = -0.5 * (0.5 + math.log(2) + 1 + math.log(4)) - math.log(2 * math.pi)
    assert float(mutual_likelihood(a, log_a, b, log_b)) == pytest.approx(expected)
    assert float(mutual_likelihood(b, log_b, a, log_a)) == pytest.approx(expected)


def test_the_scalar_loss_by_hand_and_symmetric() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])
    one, three = torch.tensor(0.0), torch.tensor(math.log(3))
    assert float(scalar_loss(a, one, b, three)) == pytest.approx(2 * 0.4 / 4 + math.log(4))
    assert float(scalar_loss(b, three, a, one)) == pytest.approx(2 * 0.4 / 4 + math.log(4))


def test_with_equal_variances_both_forms_weigh_the_distance_alike_and_differ_in_how_often_the_logarithm_counts() -> None:
    torch.manual_seed(0)
    a, b = unit(9, 512), unit(9, 512)
    log_a, log_b = torch.randn(9, 1), torch.randn(9, 1)
    full = mutual_likelihood(a, log_a.expand(-1, 512), b, log_b.expand(-1, 512))
    total = (log_a.exp() + log_b.exp()).log()[:, 0]
    scalar = scalar_loss(a, log_a[:, 0], b, log_b[:, 0])
    assert (-2 * full - 512 * math.log(2 * math.pi) - 511 * total).numpy() == pytest.approx(scalar.numpy(), rel=1e-3)


def test_the_scalar_loss_is_smallest_where_the_variances_sum_to_the_squared_distance() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])
    sums = torch.linspace(0.1, 3, 291)
    losses = scalar_loss(a.expand(291, 2), (sums / 2).log(), b.expand(291, 2), (sums / 2).log())
    assert float(sums[losses.argmin()]) == pytest.approx(2 * (1 - 0.6), abs=0.01)


def test_a_worse_view_that_is_surer_costs_and_one_that_is_unsure_enough_does_not() -> None:
    better, gap = torch.zeros(3), torch.tensor([1.0, 1.0, 0.0])
    assert order_loss(better, torch.tensor([-1.0, RISE, 0.0]), gap).tolist() == [RISE + 1, 0, 0]


def test_every_pair_of_a_person_comes_once_and_no_others() -> None:
    first, second = mated_pairs(3, 4)
    assert len({(int(a), int(b)) for a, b in zip(first, second, strict=True)}) == 3 * 6
    assert (first // 4 == second // 4).all()
    assert (first < second).all()


def test_batches_hold_so_many_people_and_depend_on_their_number_alone() -> None:
    identity = np.array([*np.repeat(np.arange(20), 3), -1, -1, 99])
    batches = PeopleBatches(identity, np.arange(len(identity)), seed=1, people=8, samples=4)
    rows, _ = batches(5)
    groups = identity[rows].reshape(8, 4)
    assert (groups == groups[:, :1]).all()
    assert len(set(groups[:, 0]) - {-1, 99}) == 8
    assert (batches(5)[0] == rows).all()
    assert (batches(6)[0] != rows).any()
    with pytest.raises(SystemExit, match="20 people"):
        PeopleBatches(identity, np.arange(len(identity)), seed=1, people=21)


def test_the_full_head_begins_with_one_variance_for_everything() -> None:
    head = DimensionUncertainty((4, 7, 7)).train()
    found = head(torch.randn(6, 4, 7, 7))
    assert found.shape == (6, 512)
    assert found.detach().numpy() == pytest.approx(SHIFT, abs=1e-3)


def test_the_scalar_head_learns_which_faces_are_noisy() -> None:
    """Planted: the sign of the first pooled feature tells whether the embedding is far from its person's."""
    torch.manual_seed(0)
    identity = np.repeat(np.arange(2 * PEOPLE), SAMPLES)
    pooled = torch.randn(len(identity), 1, 512)
    noisy = pooled[:, :, :1] > 0
    centre = unit(2 * PEOPLE, 512).repeat_interleave(SAMPLES, 0)[:, None]
    embedding = torch.nn.functional.normalize(centre + torch.where(noisy, 0.09, 0.01) * torch.randn(len(identity), 1, 512), dim=2)
    head = train_uncertainty(pooled, embedding, identity, 60, 1)
    log = head(pooled[:, 0])[:, 0].detach()
    assert float(log[noisy[:, 0, 0]].mean()) > float(log[~noisy[:, 0, 0]].mean()) + 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random crops of sixty people, three each, a small backbone and a head of ``training.drh``'s kind."""
    made, random = tmp_path_factory.mktemp("packed"), np.random.default_rng(3)
    rows = [{"name": f"p{who}/{n}.png", "identity": who, "source": "s"} for who in range(60) for n in range(3)]
    (made / "index.json").write_text(json.dumps(rows))
    np.save(made / "crops.npy", random.integers(0, 256, (len(rows), 120, 120, 3), np.uint8))
    torch.save({"backbone": "dense", "mean": backbone.make("dense").state_dict()}, made / "backbone.pt")
    torch.save({"m": 64, "q": 8, "uncertainty": {}}, made / "head.pt")
    return made


def run(folder: Path, out: Path, *options: str, steps: int = 2) -> None:
    fixed = ["--people", "2", "--steps", str(steps), "--threads", "1", "--device", "cpu", "--precision", "float32"]
    pfe.main([str(folder), str(folder / "backbone.pt"), str(out), *fixed, *options])


def weights(path: Path, name: str = "uncertainty") -> dict[str, "torch.Tensor"]:
    found: dict[str, torch.Tensor] = torch.load(path)[name]
    return found


def test_the_scalar_head_goes_into_the_head_of_the_rank_hash(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, tmp_path / "s.pt", "--head", str(folder / "head.pt"))
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["kind"] == "scalar"
    assert set(facts["held_out"]) == {"loss", "ordered", "better_view", "worse_view"}
    assert all((value == weights(tmp_path / "s.pt")[name]).all() for name, value in weights(folder / "head.pt").items())
    assert torch.load(folder / "head.pt")["m"] == 64
    assert not (tmp_path / "s.part").exists()


class Stopping:
    """Views that end like a process that is killed before batch 3."""

    def __init__(self, views: pfe.Views) -> None:
        self._views = views

    def __call__(self, step: int) -> object:
        if step == 3:
            raise KeyboardInterrupt
        return self._views(step)


def test_a_stopped_run_ends_with_the_weights_of_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    options = pfe.parser().parse_args([str(folder), str(folder / "backbone.pt"), str(tmp_path / "o.pt"), "--steps", "4", "--people", "4"])
    packed, frozen = load(folder), pfe.Frozen(backbone.restore(folder / "backbone.pt"), "scalar", torch.device("cpu"), torch.float32)
    views = pfe.Views(packed, PeopleBatches(packed.identity, packed.learn, 1, 4, 2))

    def trained(views: object, seed: int = 1) -> "torch.nn.Module":
        torch.manual_seed(seed)
        head, options.seed = pfe.head_of("scalar", frozen.backbone), seed
        pfe.train(head, frozen, views, pfe.Likelihood("scalar", 4, 2), options, save=0.0)
        return head

    with pytest.raises(KeyboardInterrupt):
        trained(Stopping(views))
    with pytest.raises(SystemExit, match="another run"):
        trained(views, seed=9)
    again = trained(views).state_dict()
    options.out.with_suffix(".part").unlink()
    for name, value in trained(views).state_dict().items():
        assert value.float().numpy() == pytest.approx(again[name].float().numpy(), abs=1e-6)


def test_the_full_head_becomes_a_file_that_evaluation_reads(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "f.pt", "--kind", "full")
    crops = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), np.uint8)
    found = PfeNetwork(tmp_path / "f.onnx").gaussians((str(place), crop) for place, crop in enumerate(crops))
    assert found.means.shape == found.log_variances.shape == (3, 512)
    assert np.linalg.norm(found.means, axis=1) == pytest.approx(1, abs=1e-4)
