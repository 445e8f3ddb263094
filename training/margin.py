"""Margin losses on identities: ArcFace and CosFace."""

import math

import torch
from torch import Tensor, nn

SCALE = 64.0
MARGINS = {"arcface": 0.5, "cosface": 0.35}  # radians; cosine


def arcface(cosine: Tensor, margin: float = MARGINS["arcface"]) -> Tensor:
    """cos(theta + margin) for the true class's cosine (Deng et al., CVPR 2019, equation 3).

    Where theta + margin passes pi it would rise again; there, at cos(theta) <= cos(pi - margin), the easy margin's straight line
    cos(theta) - margin sin(margin) takes its place.
    """
    cosine = cosine.clamp(-1 + 1e-6, 1 - 1e-6)  # the root's slope is infinite at the ends
    turned = cosine * math.cos(margin) - (1 - cosine.square()).sqrt() * math.sin(margin)
    return torch.where(cosine > math.cos(math.pi - margin), turned, cosine - margin * math.sin(margin))


def cosface(cosine: Tensor, margin: float = MARGINS["cosface"]) -> Tensor:
    """cos(theta) - margin for the true class's cosine (Wang et al., CVPR 2018, equation 4)."""
    return cosine - margin


KINDS = {"arcface": arcface, "cosface": cosface}


class Margin(nn.Module):
    """Scaled soft-max over all identities' centres with the margin on the true one.

    kind: ``arcface`` or ``cosface``. classes: number of identities.
    """

    def __init__(self, kind: str, classes: int, dimensions: int = 512, scale: float = SCALE) -> None:
        super().__init__()
        self._penalise, self._scale = KINDS[kind], scale
        self.centres = nn.Parameter(torch.randn(classes, dimensions) * 0.01)

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        """B x D (any length) and B class numbers -> the mean loss."""
        cosine = nn.functional.normalize(embedding.float(), dim=1) @ nn.functional.normalize(self.centres, dim=1).T
        true = label[:, None]
        penalised = cosine.scatter(1, true, self._penalise(cosine.gather(1, true)))
        return nn.functional.cross_entropy(self._scale * penalised, label)
