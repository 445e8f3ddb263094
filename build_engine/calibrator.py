"""Classic INT8 calibration of TensorRT 8.6 to 10.x, from a cache made on the workstation (``calibration.quantise``).

No picture is looked at on the board: the cache holds the scale of every tensor that may be INT8. TensorRT 11 took calibrators away and is
refused by name; the Q/DQ network is the way on every version, this one is for who has to build a float network.
"""

import re
import struct
from pathlib import Path
from typing import Any

from edge.errors import NetworkError

VERSIONS = range(8, 11)
HEADER = re.compile(r"TRT-\d+-EntropyCalibration2")
LINE = re.compile(r"(.+): ([0-9a-f]{8})")


def read_cache(path: Path) -> dict[str, float]:
    """Tensor -> scale. Raises NetworkError for a file that is no cache of the entropy calibrator, or has an impossible scale."""
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise NetworkError(f"{path}: no calibration cache can be read ({error}); make it with python -m calibration.quantise") from error
    if not HEADER.fullmatch(header) or not lines:
        raise NetworkError(f"{path}: begins with {header[:40]!r}, not as a cache of EntropyCalibration2; make it with calibration.quantise")
    scales = {}
    for number, line in enumerate(lines, 2):
        found = LINE.fullmatch(line)
        scale = struct.unpack(">f", bytes.fromhex(found[2]))[0] if found else 0.0
        if not found or not 0 < scale < float("inf") or found[1] in scales:
            raise NetworkError(f"{path}:{number}: {line[:60]!r} is no tensor with a positive scale, or comes twice; make the cache again")
        scales[found[1]] = scale
    return scales


def calibrator(tensorrt: Any, cache: Path) -> Any:
    """An ``IInt8EntropyCalibrator2`` for ``config.int8_calibrator``, which answers from the cache alone.

    tensorrt: the module of that name, version 8.6 to 10.x. Keep the object alive as long as the build. Raises NetworkError for another
    version, or a file that is no cache.
    """
    version = str(tensorrt.__version__)
    if int(version.split(".")[0]) not in VERSIONS or not hasattr(tensorrt, "IInt8EntropyCalibrator2"):
        raise NetworkError(
            f"TensorRT {version} has no calibrators (IInt8EntropyCalibrator2 ended with 10.x); build the Q/DQ network instead"
        )
    read_cache(cache)
    content = cache.read_bytes()

    class FromCache(tensorrt.IInt8EntropyCalibrator2):  # type: ignore[misc]  # the module is only known here
        def __init__(self) -> None:
            tensorrt.IInt8EntropyCalibrator2.__init__(self)  # the bindings require it by name

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: list[str]) -> list[int] | None:
            """No pictures: TensorRT asks only for what the cache lacks, and then keeps those tensors in float."""

        def read_calibration_cache(self) -> bytes:
            return content

        def write_calibration_cache(self, cache: bytes) -> None:
            """The file stays as it was made."""

    return FromCache()
