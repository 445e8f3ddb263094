"""One training cycle: the learning rate by time, the moving average that is shipped, checkpoints, and what is said on the way."""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, nn

SAY, SAVE = 30.0, 240.0  # seconds
AVERAGE = 0.998
LARGEST_GRADIENT = 5.0


def options(parser: argparse.ArgumentParser, *, minutes: float, batch: int, rate: float) -> None:
    """The options that every cycle has, with its own defaults."""
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="begin a new cycle from the averaged weights of this checkpoint")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)


def one_cycle(progress: float, peak: float) -> float:
    """Learning rate at ``progress`` 0..1: linear warm-up over the first 5 %, then a cosine down to 1 % of the peak."""
    if progress < 0.05:
        return peak * (0.02 + 0.98 * progress / 0.05)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - 0.05) / 0.95)))


def average_into(mean: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of weights; the other buffers are copied."""
    with torch.no_grad():
        for kept, new in zip(mean.parameters(), network.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
        for kept, new in zip(mean.buffers(), network.buffers(), strict=True):
            kept.copy_(new)


class Cycle:
    """Trains ``network`` with AdamW for ``arguments.minutes`` of computing time, going on from ``arguments.out`` if that exists.

    validate: figures of the averaged network on what is held out, said at every checkpoint and at the end.
    """

    def __init__(
        self, network: nn.Module, arguments: argparse.Namespace, decay: float, validate: Callable[[nn.Module], dict[str, float]]
    ) -> None:
        torch.manual_seed(arguments.seed)
        torch.set_num_threads(arguments.threads)
        self.network = network.to(memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.network)
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=arguments.rate, weight_decay=decay)
        self._arguments, self._validate, self._console = arguments, validate, Console()
        self.samples, self._elapsed = 0, 0.0
        self._resume()
        self._said = self._saved = self._elapsed
        self._since: list[tuple[float, int]] = []
        self._begun = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._elapsed >= 60 * self._arguments.minutes

    def learn(self, loss: Tensor, count: int) -> None:
        """One step down the gradient of ``loss``, which came from ``count`` samples. Time since the last step counts as training time."""
        self._optimiser.param_groups[0]["lr"] = one_cycle(self._elapsed / 60 / self._arguments.minutes, self._arguments.rate)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self._optimiser.step()
        steps = self.samples / self._arguments.batch
        average_into(self.mean, self.network, min(AVERAGE, (1 + steps) / (10 + steps)))
        self.samples += count
        self._since.append((loss.item(), count))
        now = time.monotonic()
        self._elapsed, self._begun = self._elapsed + now - self._begun, now
        if self._elapsed - self._said > SAY:
            self._say()
        if self._elapsed - self._saved > SAVE:
            self._save()
            self._console.print(f"          held out: {self._validate(self.mean)}")
            self._saved, self._begun = self._elapsed, time.monotonic()
        self.network.train()

    def finish(self) -> None:
        """The last checkpoint, and the figures as JSON."""
        self._save()
        print(json.dumps({"minutes": round(self._elapsed / 60, 1), "samples": self.samples, **self._validate(self.mean)}))

    def _say(self) -> None:
        seen = sum(count for _, count in self._since)
        loss, rate = sum(each * count for each, count in self._since) / seen, seen / (self._elapsed - self._said)
        self._console.print(f"{self._elapsed / 60:6.1f} min {self.samples:9d} samples  loss {loss:.4f}  {rate:.0f}/s")
        self._said, self._since = self._elapsed, []

    def _resume(self) -> None:
        if self._arguments.out.exists():
            state = torch.load(self._arguments.out, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.mean.load_state_dict(state["mean"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._elapsed, self.samples = state["elapsed"], state["samples"]
        elif self._arguments.start:
            weights = torch.load(self._arguments.start, weights_only=True)["mean"]
            self.network.load_state_dict(weights)
            self.mean.load_state_dict(weights)

    def _save(self) -> None:
        """A kill at any moment leaves a whole checkpoint."""
        state = {"network": self.network.state_dict(), "mean": self.mean.state_dict(), "optimiser": self._optimiser.state_dict()}
        draft = self._arguments.out.with_suffix(".part")
        torch.save({**state, "elapsed": self._elapsed, "samples": self.samples}, draft)
        draft.replace(self._arguments.out)
