"""The CPU runtime, onnxruntime: the embedded default, and the one that every other is measured against."""

from collections.abc import Sequence
from typing import Any

import onnxruntime

from edge.errors import NetworkError
from edge.inference.manifest import Manifest, Tensor
from edge.inference.network import Batch, Outputs, check_signature, named_inputs, wanted_outputs

ERRORS_ONLY = 3
_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}


class OnnxNetwork:
    """A network in onnxruntime, see ``network.Network``.

    raw: the file's bytes, already known to be those of the manifest. Raises NetworkError when onnxruntime refuses them or when inputs and
    outputs are not those of the manifest.
    """

    def __init__(self, manifest: Manifest, raw: bytes, threads: int) -> None:
        self._manifest = manifest
        self._session = open_session(raw, threads, manifest.file)
        check_signature(manifest, *signature(self._session))

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def infer(self, batch: Batch, outputs: Sequence[str] | None = None) -> Outputs:
        arrays, names = named_inputs(self._manifest, batch), wanted_outputs(self._manifest, outputs)
        try:
            return dict(zip(names, self._session.run(names, arrays), strict=True))
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise NetworkError(
                f"{self._manifest.file}: onnxruntime could not compute a batch ({error}); free memory, or update onnxruntime"
            ) from error


def open_session(raw: bytes, threads: int, where: str) -> Any:
    """An onnxruntime session on the CPU with ``threads`` threads that sleep while idle. Raises NetworkError, ValueError for no threads."""
    if threads < 1:
        raise ValueError(f"{where}: {threads} threads; at least one has to compute")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise NetworkError(
            f"{where}: onnxruntime {onnxruntime.__version__} cannot open this network ({error}); update onnxruntime, or export it again"
        ) from error


def signature(session: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of a session as the manifest writes them; a dimension with a name is free."""
    return [_tensor(port) for port in session.get_inputs()], [_tensor(port) for port in session.get_outputs()]


def _tensor(port: Any) -> Tensor:
    dtype = _TYPES.get(port.type, port.type.removeprefix("tensor(").removesuffix(")"))
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in port.shape)
    return Tensor(name=port.name, dtype=dtype, shape=shape)
