"""The attack bench, a release gate: real attacks on the shipped network and format, under four kinds of knowledge.

    python -m evaluation.attacks DATA | --synthetic [--json] [--people N] [--config FILE]

DATA is a folder with lfw/lfw-deepfunneled.zip, or a tree of person/picture.jpg; --synthetic draws identities on the spot, through the
shipped network's own projection, and needs no picture. Each attack tells trials, successes, the exact interval (Clopper and Pearson) and
what somebody without anything reaches. The gate: without keys no attack may do better than that; if one does, the exit code is 1. Attacks
with keys succeed: the table says where the scheme falls. One file per attack. The last line of output is JSON.
"""

from evaluation.attacks.command import main

__all__ = ["main"]
