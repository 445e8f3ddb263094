"""What is trained for probabilistic face embeddings (Shi and Jain, ICCV 2019): a face is a Gaussian about its embedding.

Two heads on a frozen backbone: ``Uncertainty``, one variance a face, small enough to be shipped; ``DimensionUncertainty``, the paper's, one
variance a dimension. Both learn from pairs of one person alone, by their mutual likelihood.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor, nn

PEOPLE, SAMPLES = 60, 4
POOLED, EMBEDDING = 512, 512
RISE = 1.0  # by how much ln s is to rise, at least, from a picture that is not worsened to a hopeless one
SCALE, SHIFT = 1e-4, -7.0  # the paper's code begins with them: every variance is alike, and about that of an embedding's dimension


class Uncertainty(nn.Module):
    """B x 512 pooled features -> B x 1 logarithm of the variance."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(POOLED, affine=False), nn.Linear(POOLED, 256), nn.ReLU(inplace=True), nn.Linear(256, 1))
        nn.init.zeros_(self.layers[3].weight)
        nn.init.constant_(self.layers[3].bias, -0.7)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.layers(pooled)  # type: ignore[no-any-return]


class DimensionUncertainty(nn.Module):
    """B x C x H x W last convolution map -> B x 512 logarithms of the variances (section 3.4 and the authors' code).

    map_size: C, H, W. The last scale and shift are one number each for all dimensions.
    """

    def __init__(self, map_size: tuple[int, int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(map_size), EMBEDDING, bias=False),
            nn.BatchNorm1d(EMBEDDING),
            nn.ReLU(inplace=True),
            nn.Linear(EMBEDDING, EMBEDDING, bias=False),
            nn.BatchNorm1d(EMBEDDING, affine=False),
        )
        self.scale, self.shift = nn.Parameter(torch.tensor(SCALE)), nn.Parameter(torch.tensor(SHIFT))

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * self.layers(features) + self.shift  # type: ignore[no-any-return]


def mutual_likelihood(mu_a: Tensor, log_a: Tensor, mu_b: Tensor, log_b: Tensor) -> Tensor:
    """ln of the chance that two Gaussians are of one face (equation 3): ... x D, four times -> ...; symmetric.

    MLS = -1/2 sum_l [(mu_a - mu_b)^2 / (s_a + s_b) + ln(s_a + s_b)] - D/2 ln 2 pi. log_a, log_b: ln s.
    """
    total = log_a.exp() + log_b.exp()
    return -0.5 * ((mu_a - mu_b).square() / total + total.log()).sum(-1) - mu_a.shape[-1] / 2 * math.log(2 * math.pi)


def scalar_loss(mu_a: Tensor, log_a: Tensor, mu_b: Tensor, log_b: Tensor) -> Tensor:
    """2 (1 - cos) / (s_a + s_b) + ln(s_a + s_b), one variance a face (Chen et al., IVC 2022): mu ... x D of length 1, ln s ... -> ...

    The log term counts once: D times it would drown the distance.
    """
    total = log_a.exp() + log_b.exp()
    return 2 * (1 - (mu_a * mu_b).sum(-1)) / total + total.log()


def order_loss(better: Tensor, worse: Tensor, gap: Tensor) -> Tensor:
    """By how much ln s of a picture's worse view fails to be ``RISE`` times the gap 0..1 of strengths above its better view's."""
    return (RISE * gap - (worse - better)).relu()


def mated_pairs(people: int, samples: int) -> tuple[Tensor, Tensor]:
    """Places of both faces of every pair of one person, each pair once, in a batch of ``people`` times ``samples`` faces."""
    first, second = torch.triu_indices(samples, samples, 1)
    start = torch.arange(0, people * samples, samples)[:, None]
    return (start + first).flatten(), (start + second).flatten()


class PeopleBatches:
    """Batches of ``people`` x ``samples`` rows by their number; a batch depends on the seed and its number alone.

    identity: of all rows. rows: to draw from, labelled; whoever has fewer pictures than ``samples`` comes several times with one.

    Raises:
        SystemExit: too few people have two pictures.
    """

    def __init__(
        self, identity: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], seed: int, people: int = PEOPLE, samples: int = SAMPLES
    ) -> None:
        order = rows[np.argsort(identity[rows], kind="stable")]
        groups = np.split(order, np.flatnonzero(np.diff(identity[order])) + 1)
        self._groups = [group for group in groups if len(group) > 1 and identity[group[0]] >= 0]
        if len(self._groups) < people:
            raise SystemExit(f"{len(self._groups)} people have two crops or more, a batch wants {people}; add data or take smaller batches")
        self._seed, self._people, self._samples = seed, people, samples

    def __call__(self, step: int) -> tuple[npt.NDArray[np.int64], np.random.Generator]:
        """The rows, and the generator to go on with."""
        random = np.random.default_rng((self._seed, step))
        chosen = [self._groups[place] for place in random.choice(len(self._groups), self._people, replace=False)]
        return np.concatenate([random.choice(group, self._samples, replace=len(group) < self._samples) for group in chosen]), random


def train_uncertainty(pooled: Tensor, embedding: Tensor, identity: npt.NDArray[np.int64], steps: int, seed: int) -> Uncertainty:
    """The scalar head on features that are there already, N x V x 512 of V views; ``training.pfe`` trains it on worse ones."""
    head = Uncertainty()
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.01)
    batches = PeopleBatches(identity, np.arange(len(identity)), seed)
    first, second = mated_pairs(PEOPLE, SAMPLES)
    for step in track(range(steps), description="uncertainty"):
        optimiser.param_groups[0]["lr"] = 1e-3 * (1 - step / steps)
        batch, random = batches(step)
        views = random.integers(0, embedding.shape[1], len(batch))
        chosen, log = embedding[batch, views], head(pooled[batch, views])[:, 0]
        loss = scalar_loss(chosen[first], log[first], chosen[second], log[second]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return head.eval()
