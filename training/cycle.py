"""One training cycle: the learning rate by time or steps, the moving average that is shipped, checkpoints, and what is said on the way."""

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from training import device

SAY, SAVE = 30.0, 240.0  # seconds
AVERAGE = 0.998
LARGEST_GRADIENT = 5.0

Validate = Callable[[nn.Module], dict[str, float]]


def options(parser: argparse.ArgumentParser, *, minutes: float, batch: int, rate: float) -> None:
    """The options that every cycle has, with its own defaults."""
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=minutes, help="length of the cycle in computing time")
    length.add_argument("--steps", type=int, help="length in steps instead: the same seed then gives the same weights on the same device")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="begin a new cycle from the averaged weights of this checkpoint")
    parser.add_argument("--workers", type=int, default=0, help="processes that augment ahead; they change nothing but the time")
    device.options(parser)


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
    """Trains ``network`` with AdamW for ``arguments.minutes`` of computing time or ``arguments.steps``, going on from ``arguments.out``.

    Call ``device.prepare`` first, then make the network. decay: weight decay. validate: figures of the averaged network on what is held
    out, said at every checkpoint and at the end. loss: what is trained with the network and is in the checkpoint, but not shipped.
    facts: names in the checkpoint; one that holds others is refused.

    Raises:
        SystemExit: the checkpoint is another network's.
    """

    def __init__(
        self,
        network: nn.Module,
        arguments: argparse.Namespace,
        decay: float,
        validate: Validate,
        loss: nn.Module | None = None,
        facts: dict[str, str] | None = None,
    ) -> None:
        self.device = device.choose(arguments.device)
        self._precision = device.precision_of(arguments.precision, self.device)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.network)
        self._loss = (loss or nn.Module()).to(self.device)
        self._trained = [each for module in (self.network, self._loss) for each in module.parameters() if each.requires_grad]
        self._optimiser = torch.optim.AdamW(self._trained, lr=arguments.rate, weight_decay=decay)
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._precision == torch.float16)
        self._arguments, self._validate, self._facts, self._console = arguments, validate, facts or {}, Console()
        self.steps, self.samples, self._elapsed = 0, 0, 0.0
        self._resume()
        self.network.train()
        at = f", going on from {arguments.out} after {self.steps} steps" if self.steps else ""
        self.say(f"{self.device.type}, {str(self._precision).removeprefix('torch.')}{at}")
        self._said = self._saved = self._elapsed
        self._since: list[tuple[float, int]] = []
        self._begun = time.monotonic()

    @property
    def progress(self) -> float:
        """How much of the cycle is behind, 0..1 and beyond."""
        if self._arguments.steps is not None:
            return self.steps / max(self._arguments.steps, 1)
        return self._elapsed / 60 / max(self._arguments.minutes, 1e-9)

    @property
    def over(self) -> bool:
        """Whether the cycle is complete."""
        return self.progress >= 1

    def autocast(self) -> AbstractContextManager[None]:
        """The precision to run the network in; compute the loss outside of it."""
        return device.autocast(self.device, self._precision)

    def learn(self, loss: Tensor, count: int) -> None:
        """One step down the gradient of ``loss``, which came from ``count`` samples. Time since the last step counts as training time.

        Raises:
            SystemExit: loss or gradient is not a number; the last checkpoint stays as it is.
        """
        value = self._finite(loss.item(), "loss")
        self._optimiser.param_groups[0]["lr"] = one_cycle(self.progress, self._arguments.rate)
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        norm = nn.utils.clip_grad_norm_(self._trained, LARGEST_GRADIENT)
        if not self._scaler.is_enabled():  # the scaler leaves out such a step by itself and takes a smaller scale
            self._finite(norm.item(), "gradient")
        self._scaler.step(self._optimiser)
        self._scaler.update()
        average_into(self.mean, self.network, min(AVERAGE, (1 + self.steps) / (10 + self.steps)))
        self.steps, self.samples = self.steps + 1, self.samples + count
        self._since.append((value, count))
        now = time.monotonic()
        self._elapsed, self._begun = self._elapsed + now - self._begun, now
        if self._elapsed - self._said > SAY:
            self._tell()
        if self._elapsed - self._saved > SAVE:
            self.save()
            self.say(f"          held out: {self._validate(self.mean)}")
            self._saved, self._begun = self._elapsed, time.monotonic()
        self.network.train()

    def finish(self) -> None:
        """The last checkpoint, and the figures as JSON."""
        self.save()
        figures = {"minutes": round(self._elapsed / 60, 1), "steps": self.steps, "samples": self.samples}
        print(json.dumps({**figures, **self._validate(self.mean)}))

    def save(self) -> None:
        """Write the checkpoint. A kill at any moment leaves a whole one."""
        state = {
            **self._facts,
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "loss": self._loss.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "random": torch.get_rng_state(),
            "elapsed": self._elapsed,
            "steps": self.steps,
            "samples": self.samples,
        }
        draft = self._arguments.out.with_suffix(".part")
        torch.save(state, draft)
        draft.replace(self._arguments.out)

    def say(self, text: str) -> None:
        """A line for whoever watches."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def _finite(self, value: float, what: str) -> float:
        if math.isfinite(value):
            return value
        kept = f"{self._arguments.out} keeps the last good weights" if self._arguments.out.exists() else "nothing was written yet"
        raise SystemExit(
            f"step {self.steps}: the {what} is {value}; {kept}. Try a lower --rate (now {self._arguments.rate:g}) or --precision float32"
        )

    def _tell(self) -> None:
        seen = sum(count for _, count in self._since)
        loss, rate = sum(each * count for each, count in self._since) / seen, seen / (self._elapsed - self._said)
        left = self._elapsed / 60 * (1 / self.progress - 1) if self.progress else 0.0
        self.say(f"{self._elapsed / 60:6.1f} min {self.samples:9d} samples  loss {loss:.4f}  {rate:.0f}/s  {max(left, 0):.0f} min left")
        self._said, self._since = self._elapsed, []

    def _resume(self) -> None:
        if self._arguments.out.exists():
            state = self._read(self._arguments.out)
            self._fill(self.network, state["network"], self._arguments.out)
            self._fill(self.mean, state["mean"], self._arguments.out)
            self._fill(self._loss, state.get("loss", {}), self._arguments.out)
            self._optimiser.load_state_dict(state["optimiser"])
            self._elapsed, self.samples = state["elapsed"], state["samples"]
            self.steps = state.get("steps", self.samples // self._arguments.batch)
            if "random" in state:
                torch.set_rng_state(state["random"])
            if state.get("scaler") and self._scaler.is_enabled():
                self._scaler.load_state_dict(state["scaler"])
        elif self._arguments.start:
            weights = self._read(self._arguments.start)["mean"]
            self._fill(self.network, weights, self._arguments.start)
            self._fill(self.mean, weights, self._arguments.start)

    def _read(self, path: Path) -> dict[str, Any]:
        """A checkpoint whose facts are not others than ours."""
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        for name, ours in self._facts.items():
            if state.get(name, ours) != ours:
                raise SystemExit(
                    f"{path}: its {name} is {state[name]!r}, this run's {ours!r}; say --{name} {state[name]} or name another file"
                )
        return state

    def _fill(self, module: nn.Module, weights: dict[str, Any], path: Path) -> None:
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            raise SystemExit(f"{path}: holds another network or loss than this run's; take its options or another file ({error})") from None
