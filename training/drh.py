"""Stage 2: train the rank-hash projection and the uncertainty head on a frozen backbone's features.

    python -m training.drh FEATURES.npz OUT.pt [--teacher TEACHER.npy] [--m 512 --q 8] [--loss categorical|published]

Deep rank hashing (Dong et al., Pattern Recognition 2022): one linear layer m x q, soft-arg-max in training, arg-max afterwards; the
losses are in ``training.hash_losses``. Categorical (default): the share of equal symbols tells mates from strangers (--contrast, --margin)
and follows the cosine of the embedding, or of a teacher where one is given (--similarity). --probing lets the dissimilarity by the probe's
costs, which is what the door compares, follow that cosine; --asking tells mates from strangers by it. Batches hold --people x --samples
labelled faces and --others of anybody. The temperature rises from --cold to --hot; with --decided the categorical losses see the symbols
as the arg-max decides them and the temperature shapes only the gradient. The projection begins (--begin) at orthogonal directions, at
k-means centres or at equal sectors in planes of the embedding (``training.projection``), or at that of --start; with --steps 0 it stays.

The uncertainty head (``training.uncertainty``) learns on the views that are in the features; on a backbone of ours ``training.pfe --head``
then exchanges it for one that has seen faces of every quality. --uncertainty takes the one of a head, or of ``training.warm``, instead.

A Gaussian random projection is measured beside it on identities held out; the one that accepts more mates at FAR 0.1 % is kept. The last
line printed is JSON.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from training.features import Features, read_features
from training.hash_losses import Weights, categorical_loss, decided, probabilities, published_loss
from training.projection import (
    check_size,
    codebook_projection,
    dissimilarities,
    figures,
    non_mated_people,
    orthogonal_projection,
    pair_scores,
    permuted,
    random_projection,
    sector_projection,
)
from training.uncertainty import POOLED, Uncertainty, train_uncertainty

PEOPLE, SAMPLES = 60, 4
BEGINNINGS = {"codebooks": codebook_projection, "sectors": sector_projection}
"""What makes a projection of faces (n, d), m, q and a seed, for --begin."""


@dataclass(frozen=True)
class Recipe:
    """How a projection is trained. loss: 'categorical' or 'published'. cold, hot: first and last temperature. rate: Adam's, falling to 0.

    decided: categorical losses see the symbols as the arg-max decides them, with the gradient of the soft ones. begin: one of BEGINNINGS.

    people x samples: labelled faces of a batch. others: faces of anybody beside them, for the terms that need no label. own: how much of
    the cosine that the share of equal symbols follows is the embedding's own; the rest is the teacher's.
    """

    loss: str = "categorical"
    steps: int = 800
    rate: float = 1e-2
    people: int = 80
    samples: int = 4
    others: int = 100
    cold: float = 3.0
    hot: float = 10.0
    decided: bool = False
    begin: str = "orthogonal"
    own: float = 0.0
    weights: Weights = field(default_factory=Weights)
    seed: int = 1


def people_batches(
    identity: np.ndarray, steps: int, random: np.random.Generator, people: int = PEOPLE, samples: int = SAMPLES
) -> "list[np.ndarray]":
    """``steps`` batches of places: so many identities x samples, with repetition where one has fewer; -1 is nobody.

    Raises SystemExit when too few identities have two samples.
    """
    order = np.argsort(identity, kind="stable")
    order = order[identity[order] >= 0]
    groups = [group for group in np.split(order, np.flatnonzero(np.diff(identity[order])) + 1) if len(group) > 1]
    if len(groups) < people:
        raise SystemExit(f"{len(groups)} identities have two crops or more, a batch wants {people}; add data or lower --people")
    chosen = (random.choice(len(groups), people, replace=False) for _ in range(steps))
    return [np.concatenate([random.choice(groups[g], samples, replace=len(groups[g]) < samples) for g in batch]) for batch in chosen]


def batch_loss(logits: Tensor, p: Tensor, embedding: Tensor, teacher: Tensor | None, people: Tensor, recipe: Recipe) -> Tensor:
    """The loss of one batch.

    logits: B x m*q. p: B x m x q. embedding: B x d, normalised. teacher: B x D, normalised, or None. people: B, -1: not known.
    """
    if recipe.loss == "published":
        return published_loss(p, people)
    cosine = embedding @ embedding.T
    if teacher is not None:
        cosine = recipe.own * cosine + (1 - recipe.own) * (teacher @ teacher.T)
    return categorical_loss(logits, p, people, cosine, recipe.weights)


def train_projection(features: Features, teacher: Tensor | None, layer: nn.Linear, q: int, recipe: Recipe) -> nn.Linear:
    """Train ``layer`` in place on everybody who is not held out. teacher: N x D for the places of ``features``, normalised."""
    learn = features.learn
    identity = features.identity[learn]
    embedding = torch.from_numpy(features.embedding)
    optimiser = torch.optim.Adam(layer.parameters(), lr=recipe.rate)
    random = np.random.default_rng(recipe.seed)
    batches = people_batches(identity, recipe.steps, random, recipe.people, recipe.samples)
    for step, known in enumerate(track(batches, description=f"projection {layer.out_features // q} x {q}")):
        progress = step / recipe.steps
        optimiser.param_groups[0]["lr"] = recipe.rate * (1 - progress)
        places = learn[np.concatenate([known, random.choice(len(learn), recipe.others)])]
        chosen = embedding[places, random.integers(0, embedding.shape[1], len(places))]
        logits = layer(chosen)
        p = probabilities(logits, q, recipe.cold + (recipe.hot - recipe.cold) * progress)
        if recipe.decided and recipe.loss == "categorical":
            p = decided(p)
        people = torch.from_numpy(features.identity[places])
        loss = batch_loss(logits, p, chosen, None if teacher is None else teacher[places], people, recipe)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return layer


def read_teacher(path: Path | None, features: Features) -> Tensor | None:
    """What ``training.teach`` wrote (N x 2 x D), for the places of ``features``: normalised. Raises SystemExit."""
    if path is None:
        return None
    rows = np.load(path, mmap_mode="r")
    if rows.ndim != 3 or len(rows) <= features.rows.max():
        raise SystemExit(f"{path}: holds {rows.shape}, the features come from row {features.rows.max()}; is it the teacher of this set?")
    return nn.functional.normalize(torch.from_numpy(np.asarray(rows[features.rows, 0], np.float32)), dim=1)


def beginning(features: Features, m: int, q: int, recipe: Recipe) -> nn.Linear:
    """Where training starts: orthogonal directions, or what is made of everybody who is not held out."""
    width = features.embedding.shape[2]
    if recipe.begin == "orthogonal":
        return orthogonal_projection(m, q, recipe.seed, width)
    return BEGINNINGS[recipe.begin](features.embedding[features.learn].reshape(-1, width), m, q, recipe.seed)


def read_projection(path: Path, m: int, q: int, width: int) -> nn.Linear:
    """The projection of a head or of a backbone with which a code was trained. Raises SystemExit."""
    layer = nn.Linear(width, m * q)
    state = torch.load(path, weights_only=True, map_location="cpu")
    part = "projection."
    weights = state.get("projection") or {
        name.removeprefix(part): value for name, value in state.get("mean", {}).items() if name.startswith(part)
    }
    try:
        layer.load_state_dict(weights)
    except RuntimeError as error:
        raise SystemExit(f"{path}: holds no projection of {width} to {m} x {q} ({error}); leave out --start") from error
    return layer


def read_uncertainty(path: Path) -> Uncertainty:
    """The uncertainty head of a head's file or of a shipped network's (``training.warm``). Raises SystemExit."""
    uncertainty = Uncertainty()
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")["uncertainty"]
        uncertainty.load_state_dict(state | {"layers.0.num_batches_tracked": torch.tensor(0)})
    except (OSError, KeyError, RuntimeError) as error:
        raise SystemExit(f"{path}: holds no uncertainty head ({error}); name what training.drh or training.warm wrote") from error
    return uncertainty


def held_out_pairs(layer: nn.Linear, features: Features, q: int) -> tuple[np.ndarray, np.ndarray]:
    """Dissimilarities of the mated and of the non-mated pairs of the people held out, clean views; the first one is the reference."""
    test = features.validate
    return pair_scores(dissimilarities(layer, features.embedding[test, 0], q), features.identity[test])


def recipe_options(parser: argparse.ArgumentParser) -> None:
    """The options of a recipe, with its defaults."""
    plain = Recipe()
    parser.add_argument("--loss", choices=("categorical", "published"), default=plain.loss)
    for name in ("steps", "people", "samples", "others", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(plain, name))
    for name in ("rate", "cold", "hot", "own"):
        parser.add_argument(f"--{name}", type=float, default=getattr(plain, name))
    parser.add_argument("--decided", action=argparse.BooleanOptionalAction, default=plain.decided, help="losses see decided symbols")
    parser.add_argument("--begin", choices=("orthogonal", *BEGINNINGS), default=plain.begin, help="where the projection begins")
    for name, value in asdict(plain.weights).items():
        parser.add_argument(f"--{name}", type=float, default=value, help="of the categorical loss")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that the options say."""
    weights = Weights(**{name: getattr(options, name) for name in asdict(Weights())})
    return Recipe(**{name: getattr(options, name) for name in asdict(Recipe()) if name != "weights"}, weights=weights)


def variances(uncertainty: Uncertainty, features: Features) -> dict[str, float]:
    """Mean logarithm of the variance of every view of the people held out."""
    pooled = torch.from_numpy(features.pooled[features.validate])
    with torch.inference_mode():
        return {f"view_{v}": round(float(uncertainty(pooled[:, v]).mean()), 3) for v in range(pooled.shape[1])}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--teacher", type=Path, help="what training.teach wrote (default: the share follows the embedding's own cosine)")
    parser.add_argument("--m", type=int, default=512)
    parser.add_argument("--q", type=int, default=8)
    parser.add_argument("--start", type=Path, help="begin at the projection of this head, or of the backbone trained with one")
    parser.add_argument("--uncertainty", type=Path, help="take the uncertainty of this head or shipped network instead of training one")
    parser.add_argument("--permutation", type=int, help="seed of a fixed permutation of the embedding, put in front after training")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    recipe_options(parser)
    options = parser.parse_args(arguments)
    check_size(options.m, options.q)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    print(json.dumps(train(options, recipe_of(options))))


def train(options: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    """Train, measure, write the head; what is said of it."""
    features, m, q = read_features(options.features), options.m, options.q
    width = features.embedding.shape[2]
    layers = {"random": random_projection(m, q, options.seed, width)}
    if options.start is not None and recipe.begin != Recipe().begin:
        raise SystemExit(f"--start {options.start} and --begin {recipe.begin} are two beginnings; name one")
    begun = beginning(features, m, q, recipe) if options.start is None else read_projection(options.start, m, q, width)
    layers["trained"] = train_projection(features, read_teacher(options.teacher, features), begun, q, recipe)
    pairs = {name: held_out_pairs(layer, features, q) for name, layer in layers.items()}
    found: dict[str, Any] = {name: figures(*scores) for name, scores in pairs.items()}
    kept = max(found, key=lambda name: (found[name]["TAR_at_FAR_0.001"], -found[name]["EER"]))
    layer = layers[kept] if options.permutation is None else permuted(layers[kept], options.permutation)
    state: dict[str, Any] = {"projection": layer.state_dict(), "m": m, "q": q, "width": width, "kept": kept}
    state |= {"backbone": features.facts.get("backbone", ""), "recipe": json.dumps(asdict(recipe))}
    if options.uncertainty is not None:
        state["uncertainty"] = read_uncertainty(options.uncertainty).state_dict()
    elif features.pooled.shape[2] == POOLED:
        learn = features.learn
        pooled, embedding = (torch.from_numpy(part[learn]) for part in (features.pooled, features.embedding))
        uncertainty = train_uncertainty(pooled, embedding, features.identity[learn], options.steps, options.seed)
        found["log_variance"] = variances(uncertainty, features)
        state["uncertainty"] = uncertainty.state_dict()
    _, non_mated = pairs[kept] if options.permutation is None else held_out_pairs(layer, features, q)
    people = non_mated_people(features.identity[features.validate])
    state |= {"non_mated": torch.from_numpy(non_mated.astype(np.int16)), "non_mated_people": torch.from_numpy(people.astype(np.int32))}
    torch.save({**state, "figures": json.dumps(found)}, options.out)
    return {"kept": kept, **found}


if __name__ == "__main__":
    main()
