"""IResNet: the ResNet of ArcFace (Deng et al., CVPR 2019, section 3.1; Han et al., CVPR 2017), as InsightFace trains it.

It keeps the picture's resolution in its stem, normalises before each block's first convolution, and ends in one linear layer on
the whole 7x7 map. InsightFace has PReLU; with ReLU the blocks fuse in INT8.
"""

from torch import Tensor, nn

from training.backbones.layers import EMBEDDING, Activation, Backbone, convolution, relu

BLOCKS = {"iresnet50": (3, 4, 14, 3), "iresnet100": (3, 13, 30, 3)}


class Block(nn.Module):
    """Normalise, 3x3, normalise, activation, 3x3 with the stride, normalise; plus x, through a 1x1 convolution where sizes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inputs), convolution(inputs, outputs, activation=activation), convolution(outputs, outputs, 3, stride, None)
        )
        self.shortcut = convolution(inputs, outputs, 1, stride, None) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.layers(x)  # type: ignore[no-any-return]


class IResNet(Backbone):
    """Its pooled features are what the linear layer gives, before the last normalisation: the map itself would be 25,088 numbers."""

    map_size = (512, 7, 7)
    pooled_size = EMBEDDING

    def __init__(self, blocks: tuple[int, int, int, int], activation: Activation = relu) -> None:
        layers: list[nn.Module] = [convolution(3, 64, activation=activation)]
        inputs = 64
        for outputs, depth in zip((64, 128, 256, 512), blocks, strict=True):
            for number in range(depth):
                layers.append(Block(inputs, outputs, 2 if number == 0 else 1, activation))
                inputs = outputs
        last = nn.BatchNorm1d(EMBEDDING)
        last.weight.requires_grad_(False)  # InsightFace: a scale per dimension is not learned
        head = nn.Sequential(nn.Flatten(), nn.Linear(512 * 7 * 7, EMBEDDING), last)
        super().__init__(nn.Sequential(*layers, nn.BatchNorm2d(512)), head, split=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)  # as InsightFace begins
