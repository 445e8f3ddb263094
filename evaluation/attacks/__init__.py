"""The attack bench, a release gate: real attacks on the shipped network and format, under four kinds of knowledge.

    python -m evaluation.attacks DATA | --synthetic [--json] [--people N] [--config FILE]

DATA is a folder with lfw/lfw-deepfunneled.zip, or a tree of person/picture.jpg; --synthetic draws identities on the spot, through the
shipped network's own projection, and needs no picture. Each attack tells trials, successes, the exact interval (Clopper and Pearson) and
what somebody without anything reaches. The gate: without keys no attack may do better than that; if one does, the exit code is 1. Attacks
with keys succeed: the table says where the scheme falls. One file per attack. The last line of output is JSON.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """See ``evaluation.attacks.command``, which is loaded only when it is run."""
    from evaluation.attacks.command import main as run

    return run(arguments)
