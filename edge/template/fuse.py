"""The samples of one approach as one sample: each weighs as much as the network is sure of it."""

from collections.abc import Sequence

import numpy as np

from edge.records import Features


def fuse(features: Sequence[Features]) -> Features:
    """Inverse-variance mean: logits = sum(logits_i / s_i) / sum(1 / s_i), 1 / s = sum(1 / s_i), with s = exp(log_variance).

    Template fusion of Shi and Jain (ICCV 2019, section 3.3) with one variance per sample; since the projection is linear, fusing its logits
    is fusing the embeddings. Computed in float64; one sample fused is itself. Raises ValueError for none, or for different lengths.
    """
    if not features:
        raise ValueError("fuse: no sample was given")
    lengths = {each.logits.size for each in features}
    if len(lengths) > 1:
        raise ValueError(f"fuse: samples of one approach come from one network, got lengths {sorted(lengths)}")
    if len(features) == 1:
        return features[0]
    precision = -np.array([each.log_variance for each in features], dtype=np.float64)
    highest = precision.max()
    weights = np.exp(precision - highest)
    total = weights.sum()
    stacked = np.stack([each.logits for each in features]).astype(np.float64)
    logits = (weights[:, None] / total * stacked).sum(axis=0)
    return Features(logits.astype(np.float32), -float(highest + np.log(total)))
