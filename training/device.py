"""Where training computes, how exactly, and that the same seed gives the same weights."""

import argparse
import os
from contextlib import AbstractContextManager

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that trains."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    parser.add_argument(
        "--precision",
        choices=("auto", *PRECISIONS),
        default="auto",
        help="auto: bfloat16; float16 on an older GPU, float32 on a CPU without AVX-512",
    )
    parser.add_argument("--threads", type=int, default=2, help="processor threads; results repeat with the same number only")
    parser.add_argument("--seed", type=int, default=1)


def choose(name: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` -> the device.

    Raises:
        SystemExit: a GPU is asked for and there is none that this PyTorch can use.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit(f"--device cuda: PyTorch {torch.__version__} finds no GPU; install a build with CUDA, or --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """The type that convolutions compute in; losses and weights stay float32."""
    if name == "auto":
        name = _fastest(device)
    return PRECISIONS[name]


def _fastest(device: torch.device) -> str:
    if device.type == "cpu":  # without AVX-512 bfloat16 is emulated: many times slower than float32 (training.speed)
        return "bfloat16" if torch.backends.cpu.get_cpu_capability() == "AVX512" else "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def autocast(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    """Compute in ``precision`` where that is safe."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)  # type: ignore[no-any-return]


def prepare(arguments: argparse.Namespace) -> torch.device:
    """Seed, threads and the exact algorithms, before anything is made at random; returns the device."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA begins: without it matrix products may vary
    device = choose(arguments.device)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # exact without it, and it costs time
    return device
