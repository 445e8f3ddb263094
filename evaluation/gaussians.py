"""Faces as Gaussians with one variance a dimension: the full network of ``training.pfe``, fusion and score (Shi and Jain, ICCV 2019)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from edge.errors import NetworkError
from edge.records import Floats, Pixels
from evaluation.templates import Numbers, Rows

BATCH = 32
INPUT, OUTPUTS = "crops", ("embedding", "log_variance")


@dataclass(frozen=True, eq=False)
class Gaussians:
    """place: name -> row. means: (n, d) of length 1. log_variances: (n, d), natural logarithm."""

    place: dict[str, int]
    means: Floats
    log_variances: Floats

    @classmethod
    def joined(cls, parts: Sequence["Gaussians"]) -> "Gaussians":
        """One after the other; names must differ."""
        names = [name for part in parts for name in part.place]
        place = {name: row for row, name in enumerate(names)}
        return cls(place, np.concatenate([part.means for part in parts]), np.concatenate([part.log_variances for part in parts]))

    def chosen(self, names: Sequence[str]) -> "Gaussians":
        """These, in this order."""
        rows = [self.place[name] for name in names]
        return Gaussians({name: row for row, name in enumerate(names)}, self.means[rows], self.log_variances[rows])

    def named(self, prefix: str) -> "Gaussians":
        """The same with a prefix before every name."""
        return Gaussians({prefix + name: row for name, row in self.place.items()}, self.means, self.log_variances)


def fused_gaussians(gaussians: Gaussians, frames: Mapping[str, Sequence[str]]) -> Gaussians:
    """One Gaussian a person (section 3.3): mean = sum(mu / s) / sum(1 / s) in each dimension, then of length 1; s = the smallest one."""
    means, logs = [], []
    for names in frames.values():
        rows = [gaussians.place[name] for name in names]
        log = gaussians.log_variances[rows].astype(np.float64)
        weights = np.exp(log.min(axis=0) - log)
        mean = (weights * gaussians.means[rows]).sum(axis=0) / weights.sum(axis=0)
        means.append(mean / np.linalg.norm(mean))
        logs.append(log.min(axis=0))
    place = {name: row for row, name in enumerate(frames)}
    return Gaussians(place, np.array(means, np.float32), np.array(logs, np.float32))


def mutual_likelihood(mean: Numbers, log: Numbers, others: Numbers, other_logs: Numbers) -> Numbers:
    """ln of the chance that this Gaussian and each of the others are of one face (equation 3): (d,), (d,), (n, d), (n, d) -> (n,)."""
    total = np.exp(log) + np.exp(other_logs)
    scores: Numbers = -0.5 * ((mean - others) ** 2 / total + np.log(total)).sum(axis=1) - mean.size / 2 * np.log(2 * np.pi)
    return scores


class Likelihood:
    """Mutual likelihood as a way of comparing, see ``templates.Template``."""

    name, lowest = "mutual likelihood", -np.inf

    def __init__(self, gaussians: Gaussians) -> None:
        self._means, self._logs = gaussians.means.astype(np.float64), gaussians.log_variances.astype(np.float64)

    def pairs(self, first: Rows, second: Rows) -> Numbers:
        pairs = zip(first, second, strict=True)
        return np.array([float(self.matrix([a], [b])[0, 0]) for a, b in pairs])

    def matrix(self, probes: Rows, references: Rows) -> Numbers:
        means, logs = self._means[references], self._logs[references]
        return np.stack([mutual_likelihood(self._means[row], self._logs[row], means, logs) for row in probes])


class PfeNetwork:
    """The file that ``training.pfe --kind full`` wrote. Raises NetworkError where it is none."""

    def __init__(self, path: Path) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.log_severity_level = 1, 3
        try:
            self._session = onnxruntime.InferenceSession(path.read_bytes(), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise NetworkError(f"{path}: cannot be opened ({error}); name the .onnx file of training.pfe --kind full") from error
        found = [port.name for port in self._session.get_inputs()], {port.name for port in self._session.get_outputs()}
        if found != ([INPUT], set(OUTPUTS)):
            raise NetworkError(f"{path}: takes {found[0]} and gives {sorted(found[1])}; name the .onnx file of training.pfe --kind full")

    def gaussians(self, crops: Iterable[tuple[str, Pixels]]) -> Gaussians:
        """Of named crops, 112 x 112 x 3 uint8 BGR; at least one."""
        named = dict(crops)
        pictures = list(named.values())
        parts = [self._session.run(OUTPUTS, {INPUT: np.stack(pictures[at : at + BATCH])}) for at in range(0, len(pictures), BATCH)]
        means, logs = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Gaussians({name: row for row, name in enumerate(named)}, means, logs)
