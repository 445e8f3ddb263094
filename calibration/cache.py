"""A calibration cache for TensorRT 8.6 to 10.x: for who builds the *float* network there with classic INT8 calibration.

The file is text: a header with the version and the kind of calibrator, then one line "tensor: scale" each, the scale being a float32 as
eight hex digits, most significant byte first; scale = largest magnitude / 127 (TensorRT developer guide, "INT8 calibration using C++", and
the caches that trtexec writes). TensorRT 11 has no such calibrators: there the Q/DQ network is the only way (``build_engine.calibrator``).
"""

import struct
from collections.abc import Collection

from calibration.ranges import Ranges

HEADER = "TRT-8600-EntropyCalibration2"
LARGEST = 127


def written(ranges: Ranges, names: Collection[str]) -> str:
    """The text of a cache with the tensors named, in their order.

    names: only those that may be INT8; TensorRT keeps a tensor without a scale in float, and says so. Raises ValueError for a name that
    cannot stand in such a file, or has no range.
    """
    lines = [HEADER]
    for name in names:
        if name not in ranges or not name or "\n" in name or ": " in name:
            raise ValueError(f"tensor {name!r}: no range, or no name that a calibration cache can hold; name the tensors of one network")
        low, high = ranges[name]
        scale = max(abs(low), abs(high)) / LARGEST
        lines.append(f"{name}: {struct.pack('>f', scale or 1 / LARGEST).hex()}")
    return "\n".join(lines) + "\n"
