"""Are these two pictures of one person? By how many symbols they are unlike, and what the door would say.

    python -m evaluation.pair A.jpg B.jpg [--fpir F] [--config FILE]

Each picture is acquired as for enrolment: one usable face, detected, aligned, assessed and hashed as at the door; A is the reference, B
the probe. Printed are the unequal symbols of the two rank hashes, the dissimilarity that the door goes by, the same of transformed codes
(it must be the same: the transform is a bijection), the threshold of the door for a gallery of this one reference and a single look, the
verdict, and the cosine of the unprotected embeddings. The last line of
output is JSON. Nothing is stored.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.acquire import Acquirer
from edge.assembly import build
from edge.camera import read_image
from edge.errors import AcquisitionError, EdgeError
from edge.records import Code, Pixels
from edge.settings import load_settings
from edge.stages import Stages
from edge.template import compare
from edge.template.hashing import costs_of, hash_logits
from edge.template.protect import Transform
from evaluation.pictures import Answer, answer, two_columns
from evaluation.templates import KEYS


def acquire(path: Path, acquirer: Acquirer, most: int) -> Pixels:
    """The aligned crop of the one usable face of a picture. Raises SourceError, or AcquisitionError with the reasons."""
    sample, reasons = acquirer.only_face(read_image(path, max_pixels=most))
    if sample is None:
        why = ", ".join(reason.value for reason in reasons)
        raise AcquisitionError(f"{path}: no sample ({why}); give a picture with one face that is large, sharp and not turned away")
    crop: Pixels = sample.crop
    return crop


def compared(outputs: Mapping[str, Any], q: int) -> dict[str, Any]:
    """How unlike the second row is as a probe to the first as a reference, plain and transformed; unequal symbols; the cosine, if any.

    outputs: logits (2, m*q), perhaps embedding (2, d). Raises EdgeError when plain and transformed codes differ.
    """
    codes, costs = hash_logits(outputs["logits"], q), costs_of(outputs["logits"][1], q)
    plain = int(compare.dissimilarities(codes[:1], Code(codes[1], q, costs))[0])
    transform = Transform(KEYS[0], codes.shape[1], q)
    hidden = int(compare.graded(compare.pack(transform.apply(codes[:1]), q), transform.costs(costs))[0])
    if plain != hidden:
        raise EdgeError(f"plain codes are unlike by {plain} symbols but transformed ones by {hidden}; run `make test`")
    unequal, m = int((codes[0] != codes[1]).sum()), codes.shape[1]
    cosine = float(outputs["embedding"][0] @ outputs["embedding"][1]) if "embedding" in outputs else None
    return {"symbols": m, "dissimilarity": plain, "dissimilarity_protected": hidden, "unequal": unequal, "cosine": cosine}


def measure(options: argparse.Namespace) -> Answer:
    """Acquire both, compare, judge."""
    settings = load_settings(options.config, flags={"decision.fpir": options.fpir} if options.fpir else {})
    networks = build.Networks(settings)
    acquirer = build.acquirer(settings, networks, Stages())
    crops = [acquire(path, acquirer, settings.camera.max_image_pixels) for path in (options.a, options.b)]
    wanted = [tensor.name for tensor in networks.hasher.manifest.outputs if tensor.name in ("logits", "log_variance", "embedding")]
    outputs = networks.hasher.infer(np.stack(crops), wanted)
    facts = compared(outputs, networks.q)
    threshold = build.threshold(networks.single, settings.decision.fpir, 1)(1)
    facts |= {
        "a": str(options.a),
        "b": str(options.b),
        "log_variances": [round(float(value), 3) for value in outputs["log_variance"].ravel()],
        "fpir": settings.decision.fpir,
        "threshold": threshold,
        "same_person": facts["dissimilarity"] <= threshold,
    }
    return [_table(facts)], facts


def _table(facts: Mapping[str, Any]) -> Any:
    cosine = "-" if facts["cosine"] is None else f"{facts['cosine']:.3f}"
    return two_columns(
        f"{facts['a']} against {facts['b']}",
        [
            ("unequal symbols", f"{facts['unequal']} of {facts['symbols']}"),
            ("dissimilarity, in symbols", str(facts["dissimilarity"])),
            (f"threshold at FPIR {facts['fpir']:g}, one reference, one look", str(facts["threshold"])),
            ("verdict", "one person" if facts["same_person"] else "not taken for one person"),
            ("dissimilarity of the protected templates", str(facts["dissimilarity_protected"])),
            ("cosine of the unprotected embeddings", cosine),
            ("uncertainty (logarithm of the variance)", " / ".join(f"{value:.2f}" for value in facts["log_variances"])),
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.pair", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--fpir", type=float, help="false positives per approach to allow, instead of decision.fpir")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())
