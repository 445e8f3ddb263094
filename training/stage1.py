"""Stage 1: train a backbone, by a teacher's embeddings, by identities, or by both.

    python -m training.stage1 PACKED TEACHER.npy OUT.pt --minutes 60
    python -m training.stage1 PACKED OUT.pt --loss arcface --backbone iresnet50 --device cuda --steps 200000
    python -m training.stage1 PACKED A.npy B.npy OUT.pt --loss distil=1,cosface=0.05

``distil``: the target of a crop is the mean of the teacher's embeddings of it and of its mirror image: the better teacher, and mirroring
is then one thing less to learn. The loss is 1 - cosine to the target plus the squared difference of the batch's two similarity matrices
(Park et al., CVPR 2019). Several teachers, or one of another size than 512, are met through a learned linear map each, and the student's
similarities follow the mean of theirs. ``arcface`` (margin 0.5) and ``cosface`` (0.35), both at scale 64, learn from the folders' names;
unlabelled crops and identities of fewer than ``--fewest`` crops then teach by distillation only. With ``--codes`` the projection of a head
(training.drh) is trained along: to the loss comes that the expected share of equal symbols follows the teachers' cosine (``--hashing``),
or that the dissimilarity by the probe's costs does (``--probing``), so that the embedding learns to survive hashing; half of each batch is
then second pictures of the people in the other half.

The learning rate follows one cycle over ``--minutes`` of training time or over ``--steps``; with steps the same seed gives the same
weights, also when the run was stopped in between. ``--sizes 80,112`` trains the first half on pictures of 80 pixels. The shipped weights
are the moving average. Checkpoints go to OUT.pt every four minutes and name the backbone; the same command goes on from there.
``--start`` begins anew from the averaged weights of a checkpoint, or from what training.warm made of a shipped network. The last line
printed is JSON.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training import backbone, device
from training.codes import Hashed, code_figure, code_loss, hashed
from training.cycle import Cycle, options
from training.margin import KINDS, Margin
from training.packed import Batches, Packed, centres, load, to_network
from training.stream import stream
from training.teachers import Distil, Teacher

Rows = npt.NDArray[np.int64]
MOST = 4000  # held-out crops that validation compares, each with each
FALSE = 1000  # the threshold is what one non-mated pair in so many reaches


def terms_of(text: str) -> dict[str, float]:
    """``distil=1,arcface=0.05`` -> the weight of every term; 1 where none is said.

    Raises:
        SystemExit: an unknown term, a weight that is no positive number, or two margins.
    """
    terms = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            terms[name.strip()] = float(weight or 1)
        except ValueError:
            raise SystemExit(f"--loss {text}: {weight!r} is no number; write {name}=0.5") from None
    unknown = set(terms) - {"distil", *KINDS}
    if unknown or not all(0 < weight < float("inf") for weight in terms.values()):
        raise SystemExit(f"--loss {text}: wanted are distil, arcface or cosface with weights above 0, like distil=1,arcface=0.05")
    if len(set(terms) & set(KINDS)) > 1:
        raise SystemExit(f"--loss {text}: one margin at a time, arcface or cosface")
    return terms


def classes_of(identity: Rows, rows: Rows, fewest: int) -> Rows:
    """N identities -> N class numbers 0..C-1; -1 where not among ``rows``, unlabelled, or of fewer than ``fewest`` crops.

    Raises:
        SystemExit: fewer than two classes remain.
    """
    labelled = rows[identity[rows] >= 0]
    names, counts = np.unique(identity[labelled], return_counts=True)
    kept = names[counts >= fewest]
    if len(kept) < 2:
        raise SystemExit(
            f"{len(names)} identities to learn from, {len(kept)} of them with {fewest} crops or more: a margin loss tells people apart and "
            "needs two; pack folders of several pictures a person, or say --fewest 1, or --loss distil"
        )
    classes = np.full(len(identity), -1, np.int64)
    chosen = labelled[np.isin(identity[labelled], kept)]
    classes[chosen] = np.searchsorted(kept, identity[chosen])
    return classes


class Objective(nn.Module):
    """The weighted sum of the terms. classes: N class numbers, -1 where the margin term does not look."""

    def __init__(self, terms: dict[str, float], distil: Distil | None, classes: Rows | None, dimensions: int) -> None:
        super().__init__()
        self._terms, self.distil, self._classes = terms, distil, classes
        kind = next((name for name in terms if name in KINDS), None)
        self.margin = Margin(kind, int(classes.max()) + 1, dimensions) if kind and classes is not None else None
        self._margin_weight = terms[kind] if kind else 0.0

    @property
    def classes(self) -> int:
        """Identities that the margin term tells apart."""
        return len(self.margin.centres) if self.margin is not None else 0

    def forward(self, embedding: Tensor, rows: Rows) -> Tensor:
        """B x D embeddings of the crops in ``rows`` -> the loss."""
        parts = []
        if self.distil is not None:
            parts.append(self._terms["distil"] * self.distil(embedding, rows))
        if self.margin is not None and self._classes is not None:
            label = torch.from_numpy(self._classes[rows])
            known = (label >= 0).nonzero()[:, 0].to(embedding.device)
            if len(known):
                parts.append(self._margin_weight * self.margin(embedding[known], label.to(embedding.device)[known]))
        return torch.stack(parts).sum() if parts else embedding.sum() * 0


def objective_of(arguments: argparse.Namespace, packed: Packed) -> tuple[Objective, Rows]:
    """What the options ask for, and the rows it learns from.

    Raises:
        SystemExit: options that contradict one another, or the data.
    """
    terms = terms_of(arguments.loss)
    if ("distil" in terms) != bool(arguments.teachers):
        has = f"{len(arguments.teachers)} teachers are given" if arguments.teachers else "no teacher is given"
        raise SystemExit(f"--loss {arguments.loss}: {has}; teachers (files of training.teach) and the term distil go together")
    rows = packed.learn
    classes = classes_of(packed.identity, rows, arguments.fewest) if set(terms) & set(KINDS) else None
    if classes is not None and "distil" not in terms:
        rows = rows[classes[rows] >= 0]
    teachers = [Teacher(path, len(packed.crops), rows) for path in arguments.teachers]
    distil = Distil(teachers, backbone.EMBEDDING, arguments.relation) if teachers else None
    return Objective(terms, distil, classes, backbone.EMBEDDING), rows


def loss_of(
    objective: Objective, output: Tensor | tuple[Tensor, Tensor], rows: Rows, network: nn.Module, hashing: float, probing: float
) -> Tensor:
    """The objective of the network's output, and that of its codes where it gives any; see ``code_loss`` for their weights."""
    if isinstance(output, Tensor):
        return objective(output, rows)  # type: ignore[no-any-return]
    assert isinstance(network, Hashed)
    assert objective.distil is not None  # ``network_of`` saw to it
    embedding, logits = output
    targets = objective.distil.targets(rows, logits.device)
    return objective(embedding, rows) + code_loss(logits, targets, network.q, hashing, probing)  # type: ignore[no-any-return]


def network_of(arguments: argparse.Namespace) -> nn.Module:
    """The backbone, and a projection after it where ``--codes`` names a head.

    Raises:
        SystemExit: codes without a teacher to say which are to be alike, or ``--start`` names another backbone's checkpoint.
    """
    if not arguments.codes:
        return backbone.make(arguments.backbone)
    if not arguments.teachers:
        raise SystemExit(f"--codes {arguments.codes}: codes follow a teacher's cosines; name a file of training.teach")
    if not arguments.start:
        return hashed(backbone.make(arguments.backbone), arguments.codes)
    begun = backbone.restore(arguments.start)
    if begun.name != arguments.backbone:
        raise SystemExit(f"{arguments.start}: its backbone is {begun.name!r}; say --backbone {begun.name} or name another file")
    arguments.start = None  # done here: the projection comes from the head
    return hashed(begun, arguments.codes)


@torch.inference_mode()
def embed(network: nn.Module, packed: Packed, rows: Rows, size: int = 128) -> Tensor:
    """Normalised embeddings of the centre crops of ``rows``, computed where the network is."""
    network.eval()
    where = next(network.parameters()).device
    parts = []
    for start in range(0, len(rows), size):
        crops = centres(np.asarray(packed.crops[rows[start : start + size]]))
        with device.autocast(where, device.precision_of("auto", where)):
            parts.append(network(to_network(crops, where)).float())
    return nn.functional.normalize(torch.cat(parts), dim=1).cpu()


def validate(network: nn.Module, packed: Packed, rows: Rows) -> dict[str, float]:
    """Share of mated held-out pairs above the score that one in a thousand non-mated pairs reaches; nothing where pairs are too few."""
    rows = rows[:MOST]
    identity = torch.from_numpy(packed.identity[rows])
    upper = torch.ones((len(rows), len(rows)), dtype=torch.bool).triu(1)
    mated = (identity[:, None] == identity[None]) & upper
    apart = upper & ~mated
    if not mated.any() or int(apart.sum()) < FALSE:
        return {}
    embeddings = embed(network.backbone if isinstance(network, Hashed) else network, packed, rows)
    scores = embeddings @ embeddings.T
    non_mated = scores[apart].numpy()
    threshold = np.partition(non_mated, -len(non_mated) // FALSE)[-len(non_mated) // FALSE]
    figures = {"TAR_at_FAR_0.001": round(float((scores[mated] > float(threshold)).float().mean()), 4)}
    return {**figures, **code_figure(network, embeddings, identity)} if isinstance(network, Hashed) else figures


def picture_size(sizes: Sequence[int], progress: float) -> int:
    """The side of the pictures at ``progress`` 0..1: every size has an equal share of the cycle."""
    return sizes[min(int(progress * len(sizes)), len(sizes) - 1)]


def shrunk(pictures: Tensor, side: int) -> Tensor:
    """B x 3 x 112 x 112 -> B x 3 x side x side."""
    if side == pictures.shape[2]:
        return pictures
    return nn.functional.interpolate(pictures, (side, side), mode="bilinear", antialias=True)


def sizes_of(text: str) -> list[int]:
    """``80,112`` -> sizes; for argparse."""
    sizes = [int(part) for part in text.split(",")]
    if not all(32 <= size <= 112 for size in sizes):
        raise argparse.ArgumentTypeError(f"{text}: sizes are 32 to 112 pixels, like 80,112")
    return sizes


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("packed", type=Path)
    made.add_argument("teachers", type=Path, nargs="*", help="files of training.teach")
    made.add_argument("out", type=Path)
    made.add_argument("--backbone", choices=backbone.NAMES, default=backbone.DEFAULT)
    made.add_argument("--loss", default="distil", help="terms and their weights, like arcface or distil=1,arcface=0.05")
    made.add_argument("--relation", type=float, default=10.0, help="weight of the relational term within distil")
    made.add_argument("--fewest", type=int, default=2, help="identities of fewer crops are no class of a margin loss")
    made.add_argument("--sizes", type=sizes_of, default=[112], help="sides of the pictures from begin to end of the cycle")
    made.add_argument("--codes", type=Path, help="train the projection of this head along")
    made.add_argument("--hashing", type=float, default=30.0, help="weight of the codes' term that counts equal symbols")
    made.add_argument("--probing", type=float, default=0.0, help="weight of the codes' term that compares as the door does")
    options(made, minutes=60, batch=128, rate=3e-3)
    return made


def main() -> None:
    train(parser().parse_args())


def train(arguments: argparse.Namespace) -> None:
    where = device.prepare(arguments)
    packed = load(arguments.packed)
    network = network_of(arguments)
    objective, rows = objective_of(arguments, packed)
    made = Batches(packed, rows, arguments.batch, arguments.seed, partners=bool(arguments.codes))
    cycle = Cycle(
        network,
        arguments,
        decay=0.02,
        validate=lambda mean: validate(mean, packed, packed.validate),
        loss=objective,
        facts={"backbone": arguments.backbone},
    )
    people = len(np.unique(packed.identity[packed.validate]))
    cycle.say(f"{len(rows)} crops to learn from, {objective.classes} classes; {len(packed.validate)} crops of {people} people held out")
    for chosen, crops in stream(made, cycle.steps, arguments.workers, where.type == "cuda"):
        if cycle.over:
            break
        with cycle.autocast():
            output = cycle.network(shrunk(to_network(crops, where), picture_size(arguments.sizes, cycle.progress)))
        cycle.learn(loss_of(objective, output, chosen.numpy(), network, arguments.hashing, arguments.probing), len(crops))
    cycle.finish()


if __name__ == "__main__":
    main()
