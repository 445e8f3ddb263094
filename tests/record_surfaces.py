"""Records what a TensorRT release offers to Python, as JSON on stdout: which attributes its classes have, no behaviour.

    python -m tests.record_surfaces FOLDER_OF_THE_BINDINGS MODULE > tests/surfaces/tensorrt-VERSION.json

For a machine with no GPU and none of TensorRT's libraries: take the bindings alone (the packages ``tensorrt_cu12_bindings`` and
``tensorrt_cu13_bindings``, or the package ``tensorrt`` 8.6.0), unpacked into a folder. The few functions that they take from the
libraries are replaced by empty ones, compiled on the spot (needs gcc and nm); nothing of them is called.
"""

import ctypes
import importlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CLASSES = (
    "Builder",
    "BuilderFlag",
    "DataType",
    "DeviceType",
    "IBuilderConfig",
    "ICudaEngine",
    "IExecutionContext",
    "IHostMemory",
    "INetworkDefinition",
    "IOptimizationProfile",
    "IProgressMonitor",
    "ITensor",
    "ITimingCache",
    "Logger",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "OnnxParser",
    "Runtime",
    "TensorIOMode",
)
OWN = re.compile(r"create\w+_INTERNAL|get\w+Version|get\w*PluginRegistry|initLib\w+|_ZN\d+nv(caffe|uff)parser")


def surface(module: Any) -> dict[str, Any]:
    """Class name -> its public attributes, sorted; a class that the release does not have is null."""
    found = {name: getattr(module, name, None) for name in CLASSES}
    public = {name: sorted(word for word in dir(kind) if not word.startswith("_")) if kind else None for name, kind in found.items()}
    return {"version": module.__version__, "classes": public}


def stand_in(folder: Path, bindings: Path) -> None:
    """Load empty libraries of the names that the bindings need, so that they can be imported."""
    needed = re.findall(r"NEEDED.*\[(libnv[^\]]*)\]", subprocess.check_output(["readelf", "-d", str(bindings)], text=True))
    functions = re.findall(r" U (\w+)$", subprocess.check_output(["nm", "-D", "--undefined-only", str(bindings)], text=True), re.M)
    own = [name for name in functions if OWN.match(name)]
    source = folder / "empty.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in own))
    for library in needed:
        built = folder / library
        subprocess.check_call(["gcc", "-w", "-shared", "-fPIC", "-o", str(built), str(source), f"-Wl,-soname,{library}"])
        ctypes.CDLL(str(built), mode=ctypes.RTLD_GLOBAL)


def main() -> None:
    folder, name = Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as scratch:
        stand_in(Path(scratch), next(folder.rglob("tensorrt.so")))
        sys.path.insert(0, str(folder))
        print(json.dumps(surface(importlib.import_module(name)), indent=1))


if __name__ == "__main__":
    main()
