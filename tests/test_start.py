"""Towards its caller the program is quiet under Ctrl-C from the first moment, and says so where it cannot be heard."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULE, SCRIPT = ("-m", "edge"), ("-c", "from edge.start import main; main()")  # the `edge` command calls the same


def environment(*folders: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*folders, ROOT])), "EDGE_GALLERY_PATH": "nowhere/gallery.db"}


@pytest.mark.parametrize("way", [MODULE, SCRIPT], ids=["python -m edge", "edge"])
def test_ctrl_c_while_it_loads_ends_it_without_a_word(tmp_path: Path, way: tuple[str, str]) -> None:
    """A package that takes its time, in many steps, stands in for all of them: a signal just before a long step waits for its end."""
    (tmp_path / "typer.py").write_text("import time\nprint('loading', flush=True)\nfor _ in range(200):\n    time.sleep(0.1)\n")
    words = [sys.executable, *way, "list"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(tmp_path))
    assert process.stdout
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=10)[1], process.returncode) == ("", 130)


def shell(line: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    done = f'edge() {{ "{sys.executable}" -m edge "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", done], capture_output=True, text=True, cwd=tmp_path, env=environment())


@pytest.mark.parametrize("words", ["config", "config --json", "config schema", "--help", "audit --help"])
def test_a_full_disk_behind_stdout_is_one_line_and_its_own_exit_code(tmp_path: Path, words: str) -> None:
    done = shell(f"edge {words} >/dev/full", tmp_path)
    assert done.returncode == 15, done.stderr
    assert done.stderr.splitlines() == [
        "error: stdout: No space left on device: what was to be said is lost; lead it to a place with room, or look again"
    ]


def test_a_reader_that_has_gone_ends_it_without_a_word(tmp_path: Path) -> None:
    done = shell("edge config | true; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("edge config >&-", 0),
        ("edge config 2>&-", 0),
        ("edge config >&- 2>&- <&-", 0),
        ("edge config show 2>/dev/full", 0),
        ("edge pin set <&-", 14),
        ("edge nonsense 2>&-", 2),
        ("edge nonsense 2>/dev/full", 2),
    ],
)
def test_streams_that_are_not_there_are_no_defect(tmp_path: Path, line: str, code: int) -> None:
    done = shell(line, tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_printed_never_ends_up_in_a_file_opened_later(tmp_path: Path) -> None:
    """The next file opened would take the number of a stream that was closed."""
    program = "from edge.start import hush; hush(); f = open('gallery', 'w'); import os; os.write(1, b'x'); print(f.fileno())"
    closed = f'"{sys.executable}" -c "{program}" >&-'
    subprocess.run(["bash", "-c", closed], cwd=tmp_path, env=environment(), check=True)
    assert (tmp_path / "gallery").read_bytes() == b""
