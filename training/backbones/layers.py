"""What the backbones are made of, and what every one of them offers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

EMBEDDING = 512

Activation = Callable[[int], nn.Module]  # channels -> layer


def relu(width: int) -> nn.Module:
    """The default: it fuses with INT8 convolutions."""
    return nn.ReLU(inplace=True)


def prelu(width: int) -> nn.Module:
    """One learned slope a channel (He et al., ICCV 2015). It does not fuse with INT8 convolutions and is slow on a CPU."""
    return nn.PReLU(width)


def convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, activation: Activation | None = relu, groups: int = 1
) -> nn.Sequential:
    """Convolution that keeps the size (but for the stride), batch normalisation, and the activation unless that is None."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, activation(outputs)) if activation else nn.Sequential(*layers)


def global_depthwise(inputs: int, embedding: int, activation: Activation = relu) -> nn.Sequential:
    """Map B x inputs x 7 x 7 -> B x embedding: 1x1 convolution to 512, global depthwise convolution, linear (Chen et al., 2018).

    [:4] gives the 512 pooled features, [4:] the embedding.
    """
    return nn.Sequential(
        convolution(inputs, 512, kernel=1, activation=activation),
        nn.Conv2d(512, 512, 7, groups=512, bias=False),
        nn.BatchNorm2d(512),
        nn.Flatten(),
        nn.Linear(512, embedding, bias=False),
        nn.BatchNorm1d(embedding),
    )


class Backbone(nn.Module):
    """B x 3 x 112 x 112 (BGR, (x - 127.5) / 127.5) -> B x 512, not normalised.

    features: picture -> B x ``map_size``, the last convolution map. head: that map -> pooled features -> embedding; its layers before
    ``split`` give the B x ``pooled_size`` pooled features, from which the uncertainty is told. Smaller pictures pass too: their map
    is stretched to ``map_size``, so that training can begin with them.
    """

    name: str
    map_size: tuple[int, int, int]
    pooled_size: int

    def __init__(self, features: nn.Sequential, head: nn.Sequential, split: int) -> None:
        super().__init__()
        self.features, self.head, self._split = features, head, split

    def pool(self, features: Tensor) -> Tensor:
        """Map -> pooled features."""
        if not torch.jit.is_tracing() and features.shape[2:] != self.map_size[1:]:
            features = nn.functional.interpolate(features, self.map_size[1:], mode="bilinear")
        return self.head[: self._split](features)  # type: ignore[no-any-return]

    def pooled(self, x: Tensor) -> Tensor:
        """Pictures -> B x ``pooled_size`` features before the embedding."""
        return self.pool(self.features(x))

    def embed(self, pooled: Tensor) -> Tensor:
        """Pooled features -> embedding."""
        return self.head[self._split :](pooled)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.embed(self.pooled(x))
