"""The embedding network: a small residual network of dense 3x3 convolutions with ReLU.

Why not MobileFaceNet: dense layers at 28x28 and below keep vector units busy, in training and in INT8 alike, and 399 million
multiply-accumulates then take less time on a CPU thread than the 220 million of a PReLU MobileFaceNet; `python -m evaluation.latency
--reference FILE` measures both in one run.
"""

import torch
from torch import Tensor, nn

EMBEDDING = 512


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Residual(nn.Module):
    """x + conv(conv(x)), then ReLU (He et al., CVPR 2016, basic block)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = convolution(width, width, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Backbone(nn.Module):
    """B x 3 x 112 x 112 (BGR, (x - 127.5) / 127.5) -> B x 512, not normalised.

    widths: channels at 56x56 (stem only), 28x28, 14x14 and 7x7. blocks: residual blocks at the last three.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 128, 256), blocks: tuple[int, int, int] = (1, 3, 2)) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, widths[0], stride=2)]
        for narrow, wide, depth in zip(widths, widths[1:], blocks, strict=False):
            layers.append(convolution(narrow, wide, stride=2))
            layers += [Residual(wide) for _ in range(depth)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            convolution(widths[3], EMBEDDING, kernel=1),
            nn.Conv2d(EMBEDDING, EMBEDDING, 7, groups=EMBEDDING, bias=False),  # global depthwise convolution (Chen et al., 2018)
            nn.BatchNorm2d(EMBEDDING),
            nn.Flatten(),
            nn.Linear(EMBEDDING, EMBEDDING, bias=False),
            nn.BatchNorm1d(EMBEDDING),
        )

    def pooled(self, x: Tensor) -> Tensor:
        """B x 512 features before the last linear layer: what the uncertainty is told from."""
        return self.head[:4](self.features(x))  # type: ignore[no-any-return]

    def embed(self, pooled: Tensor) -> Tensor:
        """Pooled features -> embedding."""
        return self.head[4:](pooled)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.embed(self.pooled(x))
