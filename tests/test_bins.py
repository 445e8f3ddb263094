import io
import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from evaluation import bins
from tests.test_evaluation import PEOPLE, config, said  # noqa: F401

NAMES = list(PEOPLE)


def picture(name: str, light: float = 1.0, side: int = 112) -> bytes:
    """An aligned crop of one colour, as JPEG."""
    crop = np.empty((side, side, 3), np.uint8)
    crop[:] = (np.array(PEOPLE[name]) * light).astype(np.uint8)
    return cv2.imencode(".jpg", crop)[1].tobytes()


def pairs(number: int = 20) -> tuple[list[bytes], list[bool]]:
    """In turn two pictures of one person and of two."""
    pictures, same = [], []
    for place in range(number):
        one, other = NAMES[place % 6], NAMES[(place + place % 2) % 6]
        pictures += [picture(one), picture(other, 0.8)]
        same.append(place % 2 == 0)
    return pictures, same


def packed(path: Path, contents: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(contents, protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["lists", "arrays", "numpy booleans"])
def test_every_way_in_which_such_sets_are_packed_is_read(tmp_path: Path, protocol: int, kind: str) -> None:
    """Pictures as bytes or arrays of bytes, truths as booleans, numpy's booleans or an array of them, in every pickle protocol."""
    pictures, same = pairs()
    contents: tuple = (pictures, same)
    if kind == "arrays":
        contents = ([np.frombuffer(data, np.uint8) for data in pictures], np.array(same))
    elif kind == "numpy booleans":
        contents = (pictures, list(np.array(same)))
    assert bins.read_bin(packed(tmp_path / "set.bin", contents, protocol)) == (pictures, same)


def test_sets_packed_by_python_2_are_read(tmp_path: Path) -> None:
    """Its bytes are strings of the old kind, opcode U and T of protocol 2."""
    pictures, same = pairs(10)
    body = b"".join(b"T" + len(data).to_bytes(4, "little") + data for data in pictures)
    truths = b"".join(b"\x88" if truth else b"\x89" for truth in same)
    (tmp_path / "old.bin").write_bytes(b"\x80\x02](" + body + b"e](" + truths + b"e\x86.")
    assert bins.read_bin(tmp_path / "old.bin") == (pictures, same)


class Evil:
    """Runs something while it is read."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple:
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("call", "arguments"),
    [(os.system, ("touch MARK",)), (eval, ("open('MARK', 'w')",)), (open, ("MARK", "w")), (getattr, (os, "system")), (np.load, ("MARK",))],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: object, arguments: tuple, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] is os:
        arguments = ("os", "system")
    path = packed(tmp_path / "evil.bin", ([Evil(call, *arguments)], [True]), protocol)
    with pytest.raises(SourceError, match=r"refused at .*\..*nothing in it was run"):
        bins.read_bin(path)
    assert not (tmp_path / "MARK").exists()


@pytest.mark.parametrize(
    "contents",
    [
        ([np.array([[1.0]])], [True]),
        ([np.array(["x"], object)], [True]),
        ([{1, 2}], [True]),
        ([frozenset()], [True]),
        ([bytearray(b"1"), 5], [True]),
        ([b"1", "text"], [True]),
        ([b"1", b"2"], ["yes"]),
        ([b"1", b"2"], [2]),
        (b"1", [True]),
        ([b"1", b"2"],),
        5,
    ],
)
def test_other_contents_are_refused(tmp_path: Path, contents: object) -> None:
    with pytest.raises(SourceError, match=r"set\.bin"):
        bins.read_bin(packed(tmp_path / "set.bin", contents))


def test_counts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """A picture too few, too few pairs for ten folds, pairs of one kind only."""
    pictures, same = pairs()
    for contents in ((pictures[:-1], same), (pictures[:18], same[:9]), (pictures, [True] * 20)):
        with pytest.raises(SourceError, match="do not fit"):
            bins.read_bin(packed(tmp_path / "set.bin", contents))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """Cut anywhere, empty, no pickle, not there."""
    whole = packed(tmp_path / "whole.bin", pairs()).read_bytes()
    for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.bin").write_bytes(whole[:length])
        with pytest.raises(SourceError, match="packed set"):
            bins.read_bin(tmp_path / "cut.bin")
    (tmp_path / "text.bin").write_text("AgeDB-30")
    for name in ("text.bin", "absent.bin"):
        with pytest.raises(SourceError, match="packed set"):
            bins.read_bin(tmp_path / name)


def test_no_name_leads_out_of_the_stand_ins() -> None:
    """Not even the true numpy, whose own readers could be asked for arrays of any size and kind."""
    reader = bins._Only(io.BytesIO(b""))
    for module, name in (("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct"), ("_codecs", "encode")):
        assert reader.find_class(module, name).__module__ == "evaluation.bins"
    for module, name in (("builtins", "eval"), ("numpy", "load"), ("evaluation.bins", "read_bin"), ("numpy.core", "multiarray")):
        with pytest.raises(pickle.UnpicklingError):
            reader.find_class(module, name)


def test_folds_are_ten_in_order() -> None:
    found = bins.pairs_of([True, False] * 11 + [True])
    assert [sum(pair.fold == fold for pair in found) for fold in range(10)] == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert [pair.fold for pair in found] == sorted(pair.fold for pair in found)
    assert (found[3].first, found[3].second, found[3].same) == ("6", "7", False)


def test_the_command_tells_colours_apart(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    one, other = packed(tmp_path / "agedb_30.bin", pairs()), packed(tmp_path / "cfp_fp.bin", pairs(30), 2)
    assert bins.main([str(one), str(other), "--config", str(config)]) == 0
    facts = said(capsys)
    assert list(facts["sets"]) == ["agedb_30", "cfp_fp"]
    found = facts["sets"]["cfp_fp"]
    assert (found["pairs"], found["pictures"], found["pairs_without_sample"]) == (30, 60, 0)
    for name in ("embedding, cosine", "rank hash", "protected"):
        assert (found["templates"][name]["accuracy"], found["templates"][name]["eer"]) == (1, 0)


@pytest.mark.parametrize(("bad", "reason"), [(b"no picture", "picture 1"), (picture("Ada", side=120), "picture 1 is 120 x 120")])
def test_a_picture_that_does_not_serve_is_named(
    tmp_path: Path,
    config: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    bad: bytes,
    reason: str,
) -> None:
    pictures, same = pairs()
    pictures[1] = bad
    assert bins.main([str(packed(tmp_path / "set.bin", (pictures, same))), "--config", str(config)]) == SourceError.exit_code
    assert reason in " ".join(capsys.readouterr().err.split())
