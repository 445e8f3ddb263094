"""One training cycle: same seed, same weights, also when it was stopped in between. Needs torch (extra ``train``)."""

import argparse
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training import cycle as cycles  # noqa: E402
from training import device  # noqa: E402
from training.cycle import Cycle, one_cycle  # noqa: E402


def asked(out: Path, *more: str) -> argparse.Namespace:
    """Options as the command line gives them."""
    parser = argparse.ArgumentParser()
    cycles.options(parser, minutes=0.002, batch=4, rate=0.01)
    arguments = parser.parse_args(["--device", "cpu", "--threads", "1", *more])
    arguments.out = out
    return arguments


def begun(arguments: argparse.Namespace, loss: "torch.nn.Module | None" = None, facts: "dict[str, str] | None" = None) -> Cycle:
    device.prepare(arguments)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2))
    return Cycle(network, arguments, 0.01, lambda mean: {}, loss, facts)


def step(cycle: Cycle) -> None:
    """Learns from a batch that depends on the step alone."""
    pictures = torch.from_numpy(np.random.default_rng(cycle.steps).standard_normal((4, 3, 4, 4)).astype(np.float32))
    with cycle.autocast():
        output = cycle.network(pictures)
    cycle.learn((output.float() - 1).square().mean(), 4)


def complete(cycle: Cycle) -> Cycle:
    while not cycle.over:
        step(cycle)
    cycle.finish()
    return cycle


def weights(cycle: Cycle) -> "list[torch.Tensor]":
    return [*cycle.network.state_dict().values(), *cycle.mean.state_dict().values()]


def same(first: Cycle, second: Cycle) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_the_learning_rate_rises_then_falls_to_a_hundredth() -> None:
    rates = [one_cycle(progress, 1.0) for progress in np.linspace(0, 1, 101)]
    assert int(np.argmax(rates)) == 5
    assert rates[-1] == pytest.approx(0.01)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (
        complete(begun(asked(tmp_path / f"{name}.pt", "--steps", "6", "--seed", seed)))
        for name, seed in (("a", "1"), ("b", "1"), ("c", "2"))
    )
    assert first.steps == again.steps == 6
    assert same(first, again)
    assert not same(first, other)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = complete(begun(asked(tmp_path / "whole.pt", "--steps", "9")))
    stopped = begun(asked(tmp_path / "parts.pt", "--steps", "9"))
    for _ in range(4):
        step(stopped)
    stopped.save()
    step(stopped)  # lost: the process is killed before the next checkpoint
    assert same(complete(begun(asked(tmp_path / "parts.pt", "--steps", "9"))), whole)


def test_random_numbers_go_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    first = begun(asked(tmp_path / "a.pt", "--steps", "9"))
    torch.rand(7)
    first.save()
    expected = torch.rand(3)
    begun(asked(tmp_path / "a.pt", "--steps", "9"))
    assert torch.equal(torch.rand(3), expected)


def test_what_is_trained_beside_the_network_is_in_the_checkpoint_and_not_in_the_average(tmp_path: Path) -> None:
    loss = torch.nn.Linear(2, 2)
    first = begun(asked(tmp_path / "a.pt", "--steps", "2"), loss)
    first.learn(loss(first.network(torch.ones(4, 3, 4, 4))).square().mean(), 4)
    first.save()
    again = torch.nn.Linear(2, 2)
    begun(asked(tmp_path / "a.pt", "--steps", "2"), again)
    assert torch.equal(again.weight, loss.weight)
    assert set(torch.load(tmp_path / "a.pt")["mean"]) == set(first.network.state_dict())


def test_by_time_a_cycle_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    first = complete(begun(asked(tmp_path / "a.pt")))
    assert complete(begun(asked(tmp_path / "a.pt"))).samples == first.samples > 0
    longer = complete(begun(asked(tmp_path / "a.pt", "--minutes", "0.004")))
    assert longer.samples > first.samples


def test_a_new_cycle_begins_from_another_s_average(tmp_path: Path) -> None:
    first = complete(begun(asked(tmp_path / "a.pt", "--steps", "3")))
    second = begun(asked(tmp_path / "b.pt", "--start", str(tmp_path / "a.pt")))
    assert second.samples == 0
    assert all(torch.equal(a, b) for a, b in zip(second.network.parameters(), first.mean.parameters(), strict=True))


def test_a_checkpoint_from_before_there_were_names_and_steps_goes_on(tmp_path: Path) -> None:
    first = complete(begun(asked(tmp_path / "a.pt", "--steps", "3"), facts={"backbone": "dense"}))
    state = torch.load(tmp_path / "a.pt")
    torch.save({name: state[name] for name in ("network", "mean", "optimiser", "elapsed", "samples")}, tmp_path / "a.pt")
    again = begun(asked(tmp_path / "a.pt", "--steps", "3"), facts={"backbone": "dense"})
    assert again.steps == 3
    assert same(again, first)


@pytest.mark.parametrize("option", ["out", "start"])
def test_a_checkpoint_of_another_backbone_is_refused(tmp_path: Path, option: str) -> None:
    complete(begun(asked(tmp_path / "a.pt", "--steps", "1"), facts={"backbone": "dense"}))
    more = asked(tmp_path / "a.pt") if option == "out" else asked(tmp_path / "b.pt", "--start", str(tmp_path / "a.pt"))
    with pytest.raises(SystemExit, match="its backbone is 'dense', this run's 'iresnet50'; say --backbone dense"):
        begun(more, facts={"backbone": "iresnet50"})


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    cycle = begun(asked(tmp_path / "a.pt", "--steps", "9"))
    step(cycle)
    cycle.save()
    kept = (tmp_path / "a.pt").read_bytes()
    with pytest.raises(SystemExit, match=r"step 1: the loss is nan; .*a\.pt keeps the last good weights\. Try a lower --rate"):
        cycle.learn(cycle.network(torch.ones(4, 3, 4, 4)).mean() * float("nan"), 4)
    assert (tmp_path / "a.pt").read_bytes() == kept


def test_a_gradient_that_is_no_number_stops_the_run_before_it_spoils_the_weights(tmp_path: Path) -> None:
    cycle = begun(asked(tmp_path / "a.pt", "--steps", "9"))
    before = [weight.clone() for weight in cycle.network.parameters()]
    output = cycle.network(torch.ones(4, 3, 4, 4))
    with pytest.raises(SystemExit, match="step 0: the gradient is nan; nothing was written yet"):
        cycle.learn((output * 0).abs().sum().sqrt(), 4)  # the root's slope at 0 is infinite
    assert all(torch.equal(a, b) for a, b in zip(before, cycle.network.parameters(), strict=True))


def test_in_float16_a_step_that_overflows_is_left_out_and_the_scale_falls_and_is_kept(tmp_path: Path) -> None:
    cycle = begun(asked(tmp_path / "a.pt", "--steps", "9", "--precision", "float16"))
    before = [weight.clone() for weight in cycle.network.parameters()]
    with cycle.autocast():
        output = cycle.network(torch.ones(4, 3, 4, 4))
    assert output.dtype == torch.float16
    cycle.learn((output.float() * 1e3).square().mean(), 4)
    assert all(torch.equal(a, b) for a, b in zip(before, cycle.network.parameters(), strict=True))
    cycle.save()
    assert torch.load(tmp_path / "a.pt")["scaler"]["scale"] == 2.0**15
    again = begun(asked(tmp_path / "a.pt", "--steps", "9", "--precision", "float16"))
    again.save()
    assert torch.load(tmp_path / "a.pt")["scaler"]["scale"] == 2.0**15


def test_in_float16_small_steps_are_taken(tmp_path: Path) -> None:
    cycle = complete(begun(asked(tmp_path / "a.pt", "--steps", "3", "--precision", "float16")))
    assert all(torch.isfinite(weight).all() for weight in weights(cycle))
    assert not same(cycle, begun(asked(tmp_path / "b.pt", "--precision", "float16")))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"--device cuda: PyTorch .* finds no GPU"):
        begun(asked(tmp_path / "a.pt", "--device", "cuda"))


@pytest.mark.parametrize(("able", "found"), [("AVX512", torch.bfloat16), ("AVX2", torch.float32), ("DEFAULT", torch.float32)])
def test_by_itself_a_cpu_computes_in_bfloat16_only_where_it_can(monkeypatch: pytest.MonkeyPatch, able: str, found: "torch.dtype") -> None:
    """Without AVX-512 bfloat16 is emulated, many times slower than float32; who asks for it gets it."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: able)
    assert device.precision_of("auto", torch.device("cpu")) == found
    assert device.precision_of("bfloat16", torch.device("cpu")) == torch.bfloat16
