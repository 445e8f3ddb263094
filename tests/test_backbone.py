"""Backbones by name: what the papers state, what every head can rely on, what INT8 dislikes. Needs torch (extra ``train``)."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training.backbone import DEFAULT, NAMES, Backbone, make, restore  # noqa: E402
from training.backbones.dense import Dense  # noqa: E402
from training.backbones.iresnet import IResNet  # noqa: E402
from training.backbones.layers import prelu  # noqa: E402
from training.backbones.mobilefacenet import MobileFaceNet  # noqa: E402
from training.speed import cost, fastest  # noqa: E402

SMALL = {
    "dense": lambda: Dense((8, 8, 16, 32), (1, 1, 1)),
    "mobilefacenet": MobileFaceNet,
    "iresnet": lambda: IResNet((1, 1, 1, 1)),
    "iresnet-prelu": lambda: IResNet((1, 1, 1, 1), prelu),
}


def unreal(name: str) -> Backbone:
    """The network without memory behind it: shapes and counts cost nothing."""
    with torch.device("meta"):
        return make(name)


@pytest.mark.parametrize(
    ("name", "million_parameters", "billion_operations"),
    [
        ("dense", 4.13, 0.40),
        ("mobilefacenet", 1.19, 0.22),
        ("iresnet50", 43.58, 6.31),
        ("iresnet50-prelu", 43.59, 6.31),  # InsightFace's table: 43.59 and 6.3
        ("iresnet100", 65.15, 12.09),
        ("iresnet100-prelu", 65.16, 12.09),  # 65.16 and 12.1
    ],
)
def test_parameters_and_operations_are_those_that_are_published(name: str, million_parameters: float, billion_operations: float) -> None:
    parameters, operations = cost(unreal(name))
    assert round(parameters / 1e6, 2) == million_parameters
    assert round(operations / 1e9, 2) == billion_operations


def test_with_prelu_and_128_dimensions_mobilefacenet_is_the_paper_s() -> None:
    """0.99 million parameters once each normalisation is folded to one number a channel, and 221 million multiply-accumulates."""
    network = MobileFaceNet(prelu, embedding=128)
    parameters, operations = cost(network)
    folded = sum(m.num_features for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm))
    assert round((parameters - folded) / 1e6, 2) == 0.99
    assert round(operations / 1e6) == 221


@pytest.mark.parametrize("name", NAMES)
def test_every_backbone_states_the_sizes_that_its_map_pooled_features_and_embedding_have(name: str) -> None:
    network = unreal(name).eval()
    features = network.features(torch.zeros(2, 3, 112, 112, device="meta"))
    pooled = network.pool(features)
    assert features.shape == (2, *network.map_size)
    assert pooled.shape == (2, network.pooled_size)
    assert network.embed(pooled).shape == (2, 512)
    assert network.name == name


@pytest.mark.parametrize("kind", SMALL)
def test_the_whole_is_its_parts_and_all_that_learns_has_a_finite_gradient(kind: str) -> None:
    torch.manual_seed(1)
    network, pictures = SMALL[kind](), torch.randn(4, 3, 112, 112)
    network(pictures).square().mean().backward()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
    network.eval()
    with torch.inference_mode():
        whole = network(pictures)
        assert torch.equal(network.embed(network.pooled(pictures)), whole)
        assert torch.isfinite(whole).all()


@pytest.mark.parametrize("side", [64, 80, 96])
def test_smaller_pictures_pass_too(side: int) -> None:
    assert SMALL["dense"]().eval()(torch.zeros(1, 3, side, side)).shape == (1, 512)


@pytest.mark.parametrize("name", ["dense", "mobilefacenet", "iresnet50"])
def test_nothing_in_it_that_int8_dislikes(name: str) -> None:
    """PReLU does not fuse, and squeeze-and-excitation (a sigmoid on a pooled map) loses accuracy."""
    kinds = {type(module) for module in unreal(name).modules()}
    assert not kinds & {torch.nn.PReLU, torch.nn.Sigmoid, torch.nn.Hardsigmoid, torch.nn.Hardswish, torch.nn.AdaptiveAvgPool2d}
    assert torch.nn.ReLU in kinds


def test_prelu_is_there_where_it_is_asked_for() -> None:
    assert {torch.nn.PReLU} == {type(m) for m in unreal("iresnet50-prelu").modules()} & {torch.nn.PReLU, torch.nn.ReLU}


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match="'resnet': there are dense, mobilefacenet, iresnet50"):
        make("resnet")


def test_a_checkpoint_gives_back_the_backbone_that_it_names_and_an_old_one_the_default(tmp_path: Path) -> None:
    for name, facts in (("mobilefacenet", {"backbone": "mobilefacenet"}), (DEFAULT, {})):
        network = make(name)
        torch.save({**facts, "mean": network.state_dict()}, tmp_path / "a.pt")
        again = restore(tmp_path / "a.pt")
        assert again.name == name
        assert not again.training
        assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_checkpoint_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"mean": torch.nn.Linear(2, 2).state_dict()}, tmp_path / "a.pt")
    with pytest.raises(SystemExit, match=r"a\.pt: no weights of a dense backbone"):
        restore(tmp_path / "a.pt")


def test_the_fastest_round_counts_and_the_first_does_not() -> None:
    spent = iter([9.0, 9.0, 3.0, 1.0, 2.0, 5.0])  # seconds of a, b, a, b, a, b; the first of each warms up
    now = 0.0

    def job() -> None:
        nonlocal now
        now += next(spent)

    assert fastest({"a": job, "b": job}, rounds=2, clock=lambda: now) == {"a": 2.0, "b": 1.0}
