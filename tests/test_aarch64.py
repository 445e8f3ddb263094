"""Jetson and Raspberry Pi are aarch64: what is needed there exists as wheels, and the C kernel gives the same integers.

The package index is asked where EDGE_TEST_INDEX=1 says so. The kernel needs Debian's gcc-aarch64-linux-gnu and qemu-user.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# what does not come from the index, and where it comes from instead
ELSEWHERE = {"pycuda": "source only: compiled on the board against JetPack's CUDA headers"}
GLIBC = {"3.10": 35, "3.12": 39}  # JetPack 6 is Ubuntu 22.04, JetPack 7 is 24.04
COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("qemu-aarch64")
NO_TOOLS = "aarch64-linux-gnu-gcc or qemu-aarch64 is missing (apt install gcc-aarch64-linux-gnu qemu-user)"


EXTRAS = ("jetson", "calibrate", "service", "door", "screen")  # all that systemd/install.sh may ask for on a Jetson


def requirements(python: str) -> list[str]:
    """Of the device: the dependencies and its extras, as far as their markers hold there."""
    found = [*PROJECT["dependencies"], *dict.fromkeys(line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra])]
    old = tuple(map(int, python.split("."))) < (3, 11)
    return [line.split(";")[0].strip() for line in found if "python_version < '3.11'" not in line or old]


@pytest.mark.skipif(os.environ.get("EDGE_TEST_INDEX") != "1", reason="asks the package index: EDGE_TEST_INDEX=1")
@pytest.mark.parametrize("python", ["3.10", "3.12"])
def test_every_dependency_of_the_device_has_a_wheel_for_aarch64(tmp_path: Path, python: str) -> None:
    missing = {}
    for requirement in requirements(python):
        name = re.split(r"[<>=!~\[; ]", requirement)[0]
        if name in ELSEWHERE:
            continue
        words = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            str(tmp_path),
            requirement,
        ]
        words += [
            "--python-version",
            python,
            "--implementation",
            "cp",
            "--abi",
            f"cp{python.replace('.', '')}",
            "--abi",
            "abi3",
            "--abi",
            "none",
        ]
        words += [word for platform in platforms(GLIBC[python]) for word in ("--platform", platform)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            missing[requirement] = done.stderr.strip().splitlines()[-1]
    assert missing == {}


def platforms(glibc: int) -> list[str]:
    """Names of what runs on that glibc 2.x, as pip itself makes them there."""
    return ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, glibc + 1))]


def test_what_has_no_wheel_is_named_with_where_it_comes_from() -> None:
    """tensorrt is no dependency of the package: on a Jetson apt has it."""
    names = {re.split(r"[<>=!~\[; ]", line)[0] for line in PROJECT["optional-dependencies"]["jetson"]}
    assert names - set(ELSEWHERE) == {"onnx"}, "comes as a wheel"
    assert set(ELSEWHERE) <= names


HARNESS = r"""
#include <stdio.h>
#include <stdlib.h>
#include "kernels.c"
int main(void) {
    uint64_t size[4]; /* rows, probes, bits, plane */
    if (fread(size, 8, 4, stdin) != 4) return 1;
    const size_t width = size[2] * size[3];
    uint8_t *rows = malloc(size[0] * width), *probes = malloc(size[1] * width);
    uint16_t *out = malloc(size[0] * size[1] * sizeof *out);
    if (fread(rows, width, size[0], stdin) != size[0] || fread(probes, width, size[1], stdin) != size[1]) return 1;
    for (size_t k = 0; k < sizeof KERNELS / sizeof *KERNELS; k++) {
        for (size_t way = 0; way < 4; way++) { /* a batch; each probe by itself; in two streams, with a look ahead; up to a limit */
            const size_t ahead = way >= 2 ? 8064 : 0, most = way == 3 ? 4 * size[3] : UINT16_MAX;
            Scan scan = {rows, probes, out, size[0], size[1], size[2], size[3], 0, size[0], way, ahead, most};
            for (size_t p = 0; p < (way ? size[1] : 0); p++) {
                scan.probes = probes + p * width, scan.out = out + p * size[0], scan.count = 1;
                KERNELS[k].scan(&scan);
            }
            if (!way) KERNELS[k].scan(&scan);
            printf("%s\n", KERNELS[k].name);
            fwrite(out, sizeof *out, size[0] * size[1], stdout);
            memset(out, 255, size[0] * size[1] * sizeof *out);
        }
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels of the real source, up to the part that speaks Python, for aarch64."""
    if not COMPILER or not EMULATOR:
        pytest.skip(NO_TOOLS)
    folder = tmp_path_factory.mktemp("aarch64")
    source = (ROOT / "edge" / "template" / "_compare.c").read_text(encoding="utf-8")
    kernels = source[: source.index("/* ---- Python ---")].replace("#include <Python.h>", "#include <stddef.h>")
    (folder / "kernels.c").write_text(kernels)
    (folder / "harness.c").write_text(HARNESS)
    words = [COMPILER, "-O3", "-static", "-Wall", "-Werror", "-Wno-unused-function", "harness.c", "-o", "harness"]
    subprocess.run(words, cwd=folder, check=True)
    return folder / "harness"


@pytest.mark.parametrize("plane", [1, 7, 8, 15, 16, 63, 64, 65, 128, 200, 8191])
@pytest.mark.parametrize("bits", [1, 3, 4, 8])
def test_the_kernels_give_the_same_integers_on_aarch64(program: Path, bits: int, plane: int) -> None:
    """NEON and scalar, run by an emulator, in every way of reading, against numpy: random planes, all equal, all different.

    Up to a limit of half the symbols, counts are exact; above it they are only above it.
    """
    random = np.random.default_rng(bits * 10_000 + plane)
    rows = random.integers(0, 256, (19, bits, plane), np.uint8)
    rows[0], rows[1] = 0, 255
    probes = np.stack([rows[0], rows[1], random.integers(0, 256, (bits, plane), np.uint8)])
    sizes = np.array([len(rows), len(probes), bits, plane], np.uint64)
    done = subprocess.run([EMULATOR, str(program)], input=b"".join(map(bytes, (sizes, rows, probes))), capture_output=True, check=True)
    differ = np.bitwise_or.reduce(probes[:, None] ^ rows[None], axis=2)
    counts = np.unpackbits(differ, axis=2).sum(axis=2, dtype=np.uint16)
    place = 0
    for name in ("neon", "scalar"):
        for way in range(4):
            start = place + len(name) + 1
            assert done.stdout[place:start] == f"{name}\n".encode()
            place = start + counts.nbytes
            found = np.frombuffer(done.stdout[start:place], np.uint16).reshape(counts.shape)
            most = 4 * plane if way == 3 else 65535
            assert np.where(counts <= most, found == counts, found > most).all()
    assert place == len(done.stdout)
