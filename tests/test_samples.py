from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
from edge.template.hashing import hash_logits
from evaluation import samples as source
from evaluation.pictures import Tree
from tests.samples import Q, crowd, samples
from tests.test_evaluation import PEOPLE, config, face, people, put  # noqa: F401

AXES = np.eye(16)


def test_fusing_by_hand() -> None:
    """Two pictures of variance 1 and 1/3: weights 1/4 and 3/4; the mean weighs them alike; the first is the first with a sample."""
    found = samples({"a": AXES[0], "b": AXES[1]}, [0.0, -np.log(3)])
    expected = {"uncertainty": (0.25, 0.75), "mean": (0.5, 0.5), "first": (1.0, 0.0)}
    for how, (one, other) in expected.items():
        made = source.fused(found, {"both": [["absent"], ["a"], ["b"]]}, how)
        assert made.place == {"both": 0}
        direction = np.array([one, other]) / np.hypot(one, other)
        assert made.embeddings[0, :2] == pytest.approx(direction, abs=1e-6)
        logits = one * found.logits[0] + other * found.logits[1]
        assert np.array_equal(made.codes[0], hash_logits(logits, Q))


def test_a_medium_of_many_frames_counts_once() -> None:
    """Three equal frames of a video against one photograph: half each by the mean of media, not three quarters."""
    found = samples({"1": AXES[0], "2": AXES[0], "3": AXES[0], "photo": AXES[1]})
    for how in ("mean", "uncertainty"):
        by_media = source.fused(found, {"t": [["1", "2", "3"], ["photo"]]}, how)
        assert by_media.embeddings[0, :2] == pytest.approx([np.sqrt(0.5)] * 2, abs=1e-6)
        alone = source.fused(found, {"t": [["1"], ["2"], ["3"], ["photo"]]}, how)
        assert alone.embeddings[0, 0] > alone.embeddings[0, 1]


def test_one_picture_fused_is_itself() -> None:
    found = samples(crowd({"Ada": 3}, 0.5), [0.3, -1.0, 2.0])
    for how in source.FUSIONS:
        made = source.fused(found, {key: [[key]] for key in found.place}, how)
        assert np.array_equal(made.codes, found.codes)
        assert made.embeddings == pytest.approx(found.embeddings, abs=1e-6)


def test_a_template_without_a_sample_is_left_out() -> None:
    found = samples({"a": AXES[0]})
    assert source.fused(found, {"none": [["x"], []], "one": [["a"]]}, "mean").place == {"one": 0}
    assert source.fused(found, {"none": [["x"]]}, "mean").codes.shape == (0, found.codes.shape[1])


def test_fusing_needs_logits_and_a_known_way() -> None:
    found = samples({"a": AXES[0]})
    bare = source.Samples(found.place, found.q, found.codes, found.costs, found.log_variances, found.embeddings)
    for given, how in ((bare, "mean"), (found, "median")):
        with pytest.raises(ValueError, match="fused"):
            source.fused(given, {"t": [["a"]]}, how)


def test_joined_samples_keep_their_rows() -> None:
    one, other = samples({"a": AXES[0], "b": AXES[1]}), samples({"c": AXES[2]})
    both = one.joined(other)
    assert both.rows(["c", "a", "nobody"]).tolist() == [2, 0, -1]
    assert np.array_equal(both.codes[2], other.codes[0])
    with pytest.raises(ValueError, match="common name"):
        one.joined(one)


def test_parts_change_nothing(tmp_path: Path, config: Path) -> None:  # noqa: F811
    """Templates fused some pictures at a time are those fused at once; one without a face is left out, also if it is a whole part."""
    tree = people(tmp_path / "set", ("Ada", "Bo"), 3)
    for number in (1, 2):
        put(tree, f"Nobody/{number}.png", face(PEOPLE["Ada"], marks=()))
    found, eye = Tree(tree), source.extractor(config)
    templates = {name: [[key] for key in keys] for name, keys in found.people().items()}
    whole, parts = eye.fused(found, templates), eye.fused(found, templates, part=2)
    assert list(whole) == list(parts) == list(source.FUSIONS)
    for how in source.FUSIONS:
        assert list(parts[how].place) == ["Ada", "Bo"]
        assert np.array_equal(whole[how].codes, parts[how].codes)
    with pytest.raises(SourceError, match="no face"):
        eye.fused(found, {"Nobody": templates["Nobody"]})
    with pytest.raises(SourceError, match="no such picture"):
        eye.fused(found, {"Zoe": [["Zoe/1.png"]]})
