"""The rank hash trained along with its backbone, so that the embedding learns to survive hashing."""

from pathlib import Path

import torch
from torch import Tensor, nn

from training.backbone import Backbone
from training.hash_losses import decided, following_loss, probabilities, probing_loss
from training.projection import accepted, dissimilarities, pair_scores

TEMPERATURE = 8.0  # of the soft arg-max; at the end of ``training.drh`` it is 10


class Hashed(nn.Module):
    """A backbone and a rank-hash projection of q values a symbol: crops -> embedding B x 512 and logits B x m*q."""

    def __init__(self, backbone: Backbone, projection: nn.Linear, q: int) -> None:
        super().__init__()
        self.backbone, self.projection, self.q = backbone, projection, q

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.backbone(x).float()
        with torch.autocast(x.device.type, enabled=False):
            return embedding, self.projection(nn.functional.normalize(embedding, dim=1))


def hashed(backbone: Backbone, head: Path) -> Hashed:
    """The backbone with the projection of a head that ``training.drh`` made."""
    state = torch.load(head, weights_only=True, map_location="cpu")
    projection = nn.Linear(512, state["m"] * state["q"])
    projection.load_state_dict(state["projection"])
    return Hashed(backbone, projection, state["q"])


def code_loss(logits: Tensor, targets: list[Tensor], q: int, following: float = 1.0, probing: float = 0.0) -> Tensor:
    """How far codes are from what the targets' cosines ask for: ``following`` times in expected shares of equal symbols, and ``probing``
    times by the probe's costs, as the door compares.

    targets: per teacher B x D_i, normalised; side by side their cosine is the mean of the teachers'.
    """
    beside = torch.cat(targets, dim=1) / len(targets) ** 0.5
    cosine, p = beside @ beside.T, probabilities(logits, q, TEMPERATURE)
    total = following * following_loss(p, cosine)
    return total + probing * probing_loss(logits, decided(p), cosine) if probing else total


def code_figure(network: Hashed, embeddings: Tensor, identity: Tensor) -> dict[str, float]:
    """Share of mated pairs whose codes are nearer than one in a thousand non-mated pairs is."""
    projection = nn.Linear(512, network.projection.out_features)
    projection.load_state_dict(network.projection.state_dict())  # on the CPU, where the pairs are compared
    mated, non_mated = pair_scores(dissimilarities(projection, embeddings.numpy(), network.q), identity.numpy())
    return {"code": round(accepted(mated, non_mated, 1e-3), 4)}
