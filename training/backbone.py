"""The door to the embedding networks: make one by its name, or from a checkpoint, which records the name.

The default is ``dense``, the shipped one, because an hour of training must count: dense layers at 28x28 and below keep vector units
busy, so that it learns from about twice as many crops an hour as ``mobilefacenet``, which in turn is smaller and takes less time for an
inference in float32. ``python -m training.speed`` measures both in one run. ``iresnet50`` and ``iresnet100`` want a GPU. Names that end
in ``-prelu`` have PReLU as InsightFace has it; all others ReLU, which fuses in INT8.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from training.backbones.dense import Dense
from training.backbones.iresnet import BLOCKS, IResNet
from training.backbones.layers import EMBEDDING, Backbone, prelu
from training.backbones.mobilefacenet import MobileFaceNet

__all__ = ["DEFAULT", "EMBEDDING", "NAMES", "TAKEN_FROM", "Backbone", "made_of", "make", "restore"]

DEFAULT = "dense"
TAKEN_FROM = "taken_from"  # in a checkpoint of ``training.warm``: the name of the backbone that the shipped network has
PART = "backbone."  # its weights' names begin so where they are part of a greater network's (``training.codes``)
_MAKERS: dict[str, Callable[[], Backbone]] = {
    "dense": Dense,
    "mobilefacenet": MobileFaceNet,
    "iresnet50": lambda: IResNet(BLOCKS["iresnet50"]),
    "iresnet50-prelu": lambda: IResNet(BLOCKS["iresnet50"], prelu),
    "iresnet100": lambda: IResNet(BLOCKS["iresnet100"]),
    "iresnet100-prelu": lambda: IResNet(BLOCKS["iresnet100"], prelu),
}
NAMES = tuple(_MAKERS)


def make(name: str = DEFAULT) -> Backbone:
    """A new backbone with random weights.

    Raises:
        SystemExit: there is none of that name.
    """
    if name not in _MAKERS:
        raise SystemExit(f"backbone {name!r}: there are {', '.join(NAMES)}")
    backbone = _MAKERS[name]()
    backbone.name = name
    return backbone


def made_of(checkpoint: dict[str, Any]) -> str:
    """The backbone's name that a checkpoint records; those without a name, from before there were several, are the default."""
    return str(checkpoint.get("backbone", DEFAULT))


def restore(path: Path) -> Backbone:
    """The backbone of a checkpoint with its averaged weights, ready to embed; also where a code was trained along.

    Raises:
        SystemExit: there is no backbone of that name, or the weights are not those of a backbone.
    """
    checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    backbone = make(made_of(checkpoint))
    try:
        weights = checkpoint["mean"]
        own = {name.removeprefix(PART): value for name, value in weights.items() if name.startswith(PART)}
        backbone.load_state_dict(own or weights)
    except (KeyError, RuntimeError) as error:
        raise SystemExit(f"{path}: no weights of a {backbone.name} backbone; name a checkpoint of training.stage1 ({error})") from None
    return backbone.eval().to(memory_format=torch.channels_last)
