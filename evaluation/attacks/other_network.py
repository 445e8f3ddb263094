"""Attack 1 at a door that uses another network: does a pre-image of the shipped one's code pass there too?

The attacker learns a linear map from the shipped network's embeddings to the other one's, on strangers' pictures (ridge regression), and
applies it to the pre-images. Accepted is what comes as near to another picture of the person as one stranger in a thousand does; chance is
how often a pre-image of somebody else does.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import EdgeError, NetworkError
from edge.face.align import align
from edge.records import Floats, Pixels
from evaluation import metrics
from evaluation.attacks.bench import Chance, Knowledge, Result
from evaluation.attacks.faces import Elsewhere, Faces
from evaluation.attacks.preimage import by_optimisation
from evaluation.pictures import Tree
from evaluation.samples import Extractor, locator
from evaluation.schemes import Make, stolen

FAR = 0.001
TAUGHT = 2000
RIDGE = 0.1


@dataclass(frozen=True, eq=False)
class Embedder:
    """Another face network, as insightface exports them: 1 x 3 x 112 x 112 RGB, (x - 127.5) / 127.5, one embedding out."""

    path: Path

    def __post_init__(self) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EdgeError("attacks: onnxruntime is not installed; .venv/bin/pip install -e .") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise NetworkError(f"{self.path}: cannot be loaded ({error}); name an ONNX network of faces with --other") from error
        object.__setattr__(self, "_session", session)

    def embedding(self, crop: Pixels) -> Floats:
        """(d,) of length 1 of an aligned crop, 112 x 112 x 3 BGR."""
        session = self._session  # type: ignore[attr-defined]
        image = (crop[None, :, :, ::-1].astype(np.float32).transpose(0, 3, 1, 2) - 127.5) / 127.5
        found = np.asarray(session.run(None, {session.get_inputs()[0].name: image})[0][0], np.float32)
        return np.asarray(found / np.linalg.norm(found), np.float32)


def seen_by(path: Path, tree: Tree, eye: Extractor, first: list[str], second: list[str], strangers: list[str]) -> Elsewhere:
    """What the other network makes of the same pictures, in the same order; of the first ``TAUGHT`` strangers."""
    network, locate = Embedder(path), locator(eye.acquirer, eye.references)

    def of(key: str) -> Floats:
        image = tree.read(key)
        face = locate(key, image)
        if face is None:
            raise EdgeError(f"{key}: a face was found a moment ago and is not any more")
        return network.embedding(align(image, face.landmarks))

    return Elsewhere(path.stem, *(np.stack([of(key) for key in keys]) for keys in (first, second, strangers[:TAUGHT])))


def attack(make: Make, faces: Faces) -> list[Result]:
    """With all keys, and with the database alone. Nothing where no other network was named."""
    other = faces.elsewhere
    if other is None:
        return []
    first, _ = faces.codes
    scheme = make(first.shape[1], faces.projection.q)
    across = taught(faces.strangers[: len(other.strangers)], other.strangers)
    impostors = (other.second @ other.strangers.T).ravel()
    threshold = metrics.threshold_at(impostors, FAR)
    genuine = int(((other.first * other.second).sum(axis=1) >= threshold).sum())
    results = []
    for knowledge, codes in ((Knowledge.DATABASE, stolen(scheme, first)), (Knowledge.ALL_KEYS, first)):
        made = by_optimisation(codes, faces.projection) @ across
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        hits, misses = (int(((made * whose).sum(axis=1) >= threshold).sum()) for whose in (other.second, np.roll(other.second, 1, axis=0)))
        note = (
            f"real pictures: {genuine} of {len(first)}; {other.name}, at FAR 0.1 %, a linear map taught by {len(other.strangers)} strangers"
        )
        name = "pre-image by optimisation, another network"
        results.append(
            Result(name, knowledge, "accepted against another picture", len(first), hits, Chance.measured(misses, len(first)), note)
        )
    return results


def taught(ours: Floats, theirs: Floats) -> Floats:
    """The map (d, other d) that takes embeddings (n, d) to those of the other network (n, other d) with least squares and a ridge."""
    gram = ours.T @ ours
    strength = RIDGE * np.trace(gram) / len(gram)
    return np.asarray(np.linalg.solve(gram + strength * np.eye(len(gram)), ours.T @ theirs), np.float32)
