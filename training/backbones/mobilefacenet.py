"""MobileFaceNet (Chen, Liu, Gao and Han, 2018, arXiv 1804.07573, table 1), with ReLU in place of its PReLU."""

from torch import Tensor, nn

from training.backbones.layers import EMBEDDING, Activation, Backbone, convolution, global_depthwise, relu

# expansion t, channels c, repetitions n, stride s of the first: the bottlenecks of table 1
BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class Bottleneck(nn.Module):
    """1x1 expansion, 3x3 depthwise, 1x1 without activation (Sandler et al., CVPR 2018); plus x where the sizes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, activation: Activation) -> None:
        super().__init__()
        wide = inputs * expansion
        self.skips = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            convolution(inputs, wide, kernel=1, activation=activation),
            convolution(wide, wide, stride=stride, activation=activation, groups=wide),
            convolution(wide, outputs, kernel=1, activation=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skips else self.layers(x)


class MobileFaceNet(Backbone):
    """1.2 million parameters, 0.22 billion multiply-accumulates; the paper's has PReLU and 128 dimensions (0.99 million)."""

    name = "mobilefacenet"
    map_size = (128, 7, 7)
    pooled_size = 512

    def __init__(self, activation: Activation = relu, embedding: int = EMBEDDING) -> None:
        layers: list[nn.Module] = [
            convolution(3, 64, stride=2, activation=activation),
            convolution(64, 64, activation=activation, groups=64),
        ]
        inputs = 64
        for expansion, outputs, repetitions, stride in BOTTLENECKS:
            for number in range(repetitions):
                layers.append(Bottleneck(inputs, outputs, expansion, stride if number == 0 else 1, activation))
                inputs = outputs
        super().__init__(nn.Sequential(*layers), global_depthwise(inputs, embedding, activation), split=4)
