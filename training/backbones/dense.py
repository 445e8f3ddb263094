"""A small residual network of dense 3x3 convolutions with ReLU: the shipped one."""

import torch
from torch import Tensor, nn

from training.backbones.layers import EMBEDDING, Backbone, convolution, global_depthwise


class Residual(nn.Module):
    """x + conv(conv(x)), then ReLU (He et al., CVPR 2016, basic block)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = convolution(width, width, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Dense(Backbone):
    """widths: channels at 56x56 (stem only), 28x28, 14x14 and 7x7. blocks: residual blocks at the last three."""

    name = "dense"
    pooled_size = 512

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 128, 256), blocks: tuple[int, int, int] = (1, 3, 2)) -> None:
        layers: list[nn.Module] = [convolution(3, widths[0], stride=2)]
        for narrow, wide, depth in zip(widths, widths[1:], blocks, strict=False):
            layers.append(convolution(narrow, wide, stride=2))
            layers += [Residual(wide) for _ in range(depth)]
        super().__init__(nn.Sequential(*layers), global_depthwise(widths[3], EMBEDDING), split=4)
        self.map_size = (widths[3], 7, 7)
