"""GPIO lines: the twin offers no more than the real package, and what is not there is told with the way out."""

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.door.events import OutputError
from edge.door.gpio import BIASES, InputLines, OutputLine, line_id, load_gpiod, probe
from tests import gpio_twin
from tests.gpio_twin import board, drive, level, twin

SIM = Path("/sys/kernel/config/gpio-sim")


def test_the_twin_offers_no_more_than_the_real_package() -> None:
    gpiod = pytest.importorskip("gpiod", reason="the real package is not installed: .venv/bin/pip install -e '.[door]'")
    for kind in ("Direction", "Value", "Bias", "Edge"):
        real, ours = getattr(gpiod.line, kind), getattr(gpio_twin, kind)
        assert {member.name for member in ours} <= {member.name for member in real}, kind
    assert {"used", "consumer", "offset"} <= set(gpiod.LineInfo.__dataclass_fields__)
    assert set(BIASES.values()) <= {member.name for member in gpiod.line.Bias}
    pairs = [(gpio_twin.request_lines, gpiod.request_lines), (gpio_twin.LineSettings, gpiod.LineSettings)]
    pairs += [(getattr(gpio_twin.Chip, name), getattr(gpiod.Chip, name)) for name in ("__init__", "get_info", "get_line_info")]
    requests = ("set_value", "get_value", "wait_edge_events", "read_edge_events", "release")
    pairs += [(getattr(gpio_twin.Request, name), getattr(gpiod.LineRequest, name)) for name in requests]
    for ours, real in pairs:
        assert set(inspect.signature(ours).parameters) <= set(inspect.signature(real).parameters), real


def test_the_real_package_takes_the_settings_that_are_asked_of_it() -> None:
    """As far as its native code; only the kernel is missing."""
    gpiod = pytest.importorskip("gpiod", reason="the real package is not installed: .venv/bin/pip install -e '.[door]'")
    from gpiod.line_settings import _line_settings_to_ext

    asked: list[Any] = []

    def request_lines(path: str, config: dict[int | str, Any], consumer: str) -> SimpleNamespace:
        asked.extend((line, settings, _line_settings_to_ext(settings)) for line, settings in config.items())
        return SimpleNamespace()

    real = SimpleNamespace(line=gpiod.line, LineSettings=gpiod.LineSettings, request_lines=request_lines)
    OutputLine("/dev/gpiochip0", "17", active_low=True, load=lambda: real)
    InputLines("/dev/gpiochip0", {"DOOR": True}, bias="pull-up", debounce=0.02, load=lambda: real)
    (line, out, _), (name, inward, _) = asked
    assert (line, out.direction, out.output_value, out.active_low) == (
        17,
        gpiod.line.Direction.OUTPUT,
        gpiod.line.Value.INACTIVE,
        True,
    )
    assert (name, inward.direction, inward.bias) == ("DOOR", gpiod.line.Direction.INPUT, gpiod.line.Bias.PULL_UP)
    assert (inward.edge_detection, inward.debounce_period.total_seconds()) == (gpiod.line.Edge.BOTH, 0.02)


def test_the_real_package_refuses_a_chip_that_is_not_there_with_the_way_out() -> None:
    pytest.importorskip("gpiod", reason="the real package is not installed: .venv/bin/pip install -e '.[door]'")
    with pytest.raises(OutputError, match=r"GPIO /dev/none, line 17: No such file.*; `gpioinfo` lists"):
        OutputLine("/dev/none", "17", active_low=False)
    with pytest.raises(OutputError, match=r"GPIO /dev/none, line DOOR: No such file"):
        InputLines("/dev/none", {"DOOR": False}, bias="pull-up", debounce=0.02)
    with pytest.raises(OutputError, match=r"GPIO /dev/null"):
        probe("/dev/null", ["17"])


def test_a_real_line_of_the_kernel_s_simulator_follows_the_relay() -> None:
    if not SIM.exists():
        pytest.skip("this kernel has no gpio-sim; the twin stands in")
    bank = SIM / "edge" / "bank"
    bank.mkdir(parents=True)
    try:
        (bank / "num_lines").write_text("4")
        (SIM / "edge" / "live").write_text("1")
        chip = (bank / "chip_name").read_text().strip()
        value = Path("/sys/devices/platform") / (SIM / "edge" / "dev_name").read_text().strip() / chip / "sim_gpio2" / "value"
        line = OutputLine(f"/dev/{chip}", "2", active_low=False)
        line.set(True)
        assert value.read_text().strip() == "1"
        line.release()
        assert value.read_text().strip() == "0"
    finally:
        (SIM / "edge" / "live").write_text("0")
        bank.rmdir()
        (SIM / "edge").rmdir()


def test_a_missing_package_and_an_old_one_are_told_apart() -> None:
    def missing(name: str) -> object:
        raise ImportError("No module named 'gpiod'")

    with pytest.raises(OutputError, match=r"gpiod is missing .*\.venv/bin/pip install -e '\.\[door\]'"):
        load_gpiod(missing)
    with pytest.raises(OutputError, match="version 1"):
        load_gpiod(lambda name: inspect)


@pytest.mark.parametrize(("text", "line"), [("17", 17), ("0", 0), ("GPIO17", "GPIO17"), ("PBB.00", "PBB.00"), ("-1", "-1")])
def test_a_line_is_named_by_its_offset_or_by_its_name(text: str, line: int | str) -> None:
    assert line_id(text) == line


def test_an_output_is_inactive_from_the_first_moment_and_after_the_last(tmp_path: Path) -> None:
    chip = board(tmp_path, "17")
    (chip / "17").write_text("1")
    line = OutputLine(str(chip), "17", active_low=False, load=twin)
    assert level(chip, "17") == 0
    line.set(True)
    assert level(chip, "17") == 1
    line.release()
    assert level(chip, "17") == 0


def test_inputs_tell_of_a_change_and_of_their_level(tmp_path: Path) -> None:
    chip = board(tmp_path, "5", "6")
    inputs = InputLines(str(chip), {"5": False, "6": True}, bias="pull-up", debounce=0.02, load=twin)
    assert (inputs.active("5"), inputs.active("6")) == (False, True)
    assert not inputs.wait(0.01)
    drive(chip, "5", 1)
    assert inputs.wait(1.0)
    assert inputs.active("5")
    assert not inputs.wait(0.01), "a change is told once"
    inputs.release()


def test_probing_takes_nothing(tmp_path: Path) -> None:
    chip = board(tmp_path, "17")
    line = OutputLine(str(chip), "17", active_low=False, load=twin)
    assert probe(str(chip), ["17"], twin) == "twin"
    with pytest.raises(OutputError, match="line 18 not found"):
        probe(str(chip), ["18"], twin)
    (chip / "17.consumer").write_text("edge-door")
    assert probe(str(chip), ["17"], twin) == "twin", "the running door itself"
    (chip / "17.consumer").write_text("w1-gpio")
    with pytest.raises(OutputError, match="held by 'w1-gpio'"):
        probe(str(chip), ["17"], twin)
    line.release()
