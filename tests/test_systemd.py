"""The units hold what they promise, and the installer puts them in place, again and again, and takes them away."""

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from edge.door import guard
from edge.service.messages import Trouble
from edge.service.refusal import place_of, refused
from edge.settings import DEFAULTS, flatten, load_settings
from tests.test_docs import commands

ROOT = Path(__file__).parent.parent
UNITS = ROOT / "systemd"
SERVICES = ("edge-door.service", "edge-engine.service", "edge-screen.service", "edge-backup.service", "edge-purge.service")
TIMERS = ("edge-backup.timer", "edge-purge.timer")
ALL = ("--gpio", "--serial", "/dev/ttyUSB0", "--network", "192.0.2.0/24", "--network", "2001:db8::/32", "--screen", "--metrics", "9464")
KEPT = ("etc/edge/10-site.toml", "etc/edge/00-installed.toml", "var/lib/edge/gallery.db", "etc/credstore.encrypted/edge-root-key")

analyze = shutil.which("systemd-analyze")
needs_analyze = pytest.mark.skipif(
    analyze is None or int(subprocess.run([analyze, "--version"], capture_output=True, text=True).stdout.split()[1]) < 250,
    reason="systemd-analyze 250 or newer is not here: older ones cannot look at another tree",
)


class Tree:
    """A root of its own, into which is installed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def install(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", str(UNITS / "install.sh"), "--root", str(self.root), "--systemd", "255", *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def files(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(self.root.rglob("*")) if path.is_file()}

    def unit(self, name: str) -> str:
        return (self.root / "etc/systemd/system" / name).read_text()

    def with_machine(self) -> "Tree":
        """Also what every machine has: systemd's own units, and something where the program would be."""
        own = next(path for path in (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")) if path.is_dir())
        shutil.copytree(own, self.root / "usr/lib/systemd/system", symlinks=True)
        for name in ("opt/edge/.venv/bin/edge", "usr/bin/grep"):
            program = self.root / name
            program.parent.mkdir(parents=True)
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
        return self


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


@needs_analyze
@pytest.mark.parametrize("board", ["pc", "pi", "jetson"])
@pytest.mark.parametrize("options", [(), ALL], ids=["plain", "everything"])
def test_verify_finds_not_one_line_to_say(tree: Tree, board: str, options: tuple[str, ...]) -> None:
    """It exits 0 on unknown keys, so its lines count."""
    tree.with_machine().install("--no-program", "--board", board, *options)
    done = subprocess.run([str(analyze), "verify", "--man=no", f"--root={tree.root}", *SERVICES, *TIMERS], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_analyze
@pytest.mark.parametrize("board", ["pc", "pi", "jetson"])
@pytest.mark.parametrize("service", SERVICES)
def test_the_exposure_of_every_service_is_at_most_one_and_a_half(tree: Tree, board: str, service: str) -> None:
    tree.with_machine().install("--no-program", "--board", board, "--gpio", "--serial", "/dev/ttyUSB0", "--screen")
    done = subprocess.run(
        [str(analyze), "security", "--offline=true", "--threshold=15", "--no-pager", f"--root={tree.root}", service],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-400:]
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert found
    assert float(found[1]) <= 1.5


def test_with_a_screen_the_door_can_tell_users_apart(tree: Tree) -> None:
    """In a namespace of users the peer of the socket is nobody (65534), whoever it is: seen in tests/machine_trial.sh."""
    tree.install("--no-program", "--board", "pc")
    assert "PrivateUsers=yes" in tree.unit("edge-door.service")
    tree.install("--no-program", "--board", "pc", "--screen")
    assert "PrivateUsers=no" in tree.unit("edge-door.service.d/40-screen.conf").splitlines()


@pytest.mark.parametrize(("ended", "told"), [("243", Trouble.KEY), ("0", None), ("4", None), ("", None)])
def test_a_root_key_that_does_not_open_is_told_to_the_screen(tree: Tree, ended: str, told: Trouble | None) -> None:
    """The door's program never begins then; systemd leaves the word where the screen looks, readable for the screen's user."""
    tree.install("--no-program", "--board", "pc", "--screen")
    (command,) = re.findall(r"^ExecStopPost=-/bin/sh -c '(.*)'$", tree.unit("edge-door.service.d/40-screen.conf"), re.M)
    socket = load_settings(tree.root / "etc/edge", {}).screen.socket
    assert command.count(str(place_of(socket))) == 1
    mine = tree.root / socket.name
    command = command.replace("$$", "$").replace(str(place_of(socket)), str(place_of(mine)))
    done = subprocess.run(["sh", "-c", f"umask 077; {command}"], env={**os.environ, "EXIT_STATUS": ended}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert refused(mine) is told
    assert told is None or place_of(mine).stat().st_mode & 0o777 == 0o644


@needs_analyze
def test_an_unknown_key_would_be_seen(tree: Tree) -> None:
    tree.with_machine().install("--no-program")
    unit = tree.root / "etc/systemd/system/edge-door.service"
    unit.write_text(unit.read_text().replace("Type=notify", "Type=notify\nBogusKey=1"))
    done = subprocess.run([str(analyze), "verify", "--man=no", f"--root={tree.root}", "edge-door.service"], capture_output=True, text=True)
    assert "BogusKey" in done.stderr


def test_a_second_run_has_nothing_to_do_and_changes_nothing(tree: Tree) -> None:
    assert "done" in tree.install(*ALL, "--board", "jetson").stdout
    before = tree.files()
    assert "nothing to do" in tree.install(*ALL, "--board", "jetson").stdout
    assert tree.files() == before
    assert "opt/edge/config/appliance.toml" in before
    assert "opt/edge/edge/__main__.py" in before
    assert not [name for name in before if "/tests/" in name or name.endswith(".new")]


def test_the_chips_are_triggered_when_their_rule_is_new_and_not_again(tmp_path: Path) -> None:
    """On the machine itself, where a step that is done every time would restart the door every time: seen in tests/machine_trial.sh."""
    functions = 'eval "$(sed "/^parse /,\\$d" "$0")"; live() { true; }; udevadm() { echo triggered; }; ROOT=$1'
    script = f"{functions}; lines; lines; echo changed $CHANGED times"
    done = subprocess.run(["bash", "-c", script, str(UNITS / "install.sh"), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count("triggered") == 1
    assert "changed 2 times" in done.stdout
    assert (tmp_path / "etc/udev/rules.d/70-edge-gpio.rules").is_file()


def test_a_newer_program_replaces_the_older_one_and_nothing_else(tree: Tree) -> None:
    tree.install()
    (tree.root / "opt/edge/edge/__main__.py").write_text("old")
    (tree.root / "opt/edge/edge/removed_since.py").write_text("old")
    before = tree.files()
    tree.install()
    after = tree.files()
    assert after["opt/edge/edge/__main__.py"] == (ROOT / "edge/__main__.py").read_bytes()
    assert set(before) - set(after) == {"opt/edge/edge/removed_since.py"}


def test_a_dry_run_says_every_step_and_does_none(tree: Tree) -> None:
    said = tree.install("--dry-run", *ALL).stdout
    assert "would: write" in said
    assert "nothing was done" in said
    assert not tree.root.exists()
    tree.install("--no-program")
    before = tree.files()
    assert "would: rm -rf" in tree.install("uninstall", "--destroy", "--dry-run").stdout
    assert tree.files() == before


def test_what_the_people_here_wrote_is_left_alone(tree: Tree) -> None:
    tree.install("--no-program", "--camera", "/dev/v4l/by-id/one", "--device", "east-1")
    site = tree.root / "etc/edge/10-site.toml"
    assert 'source = "/dev/v4l/by-id/one"' in site.read_text()
    assert 'device = "east-1"' in site.read_text()
    site.write_text("# mine\n")
    assert "stays" in tree.install("--no-program", "--camera", "/dev/video9").stdout
    assert site.read_text() == "# mine\n"


@pytest.mark.parametrize("board", ["pc", "pi", "jetson"])
def test_the_program_accepts_the_settings_that_the_installer_writes(tree: Tree, board: str) -> None:
    tree.install("--no-program", "--board", board, "--device", "east-1")
    settings = load_settings(tree.root / "etc/edge", {})
    assert settings.gallery.device == "east-1"
    shipped = DEFAULTS.parent.parent / "var"
    assert [name for name, value in flatten(settings).items() if str(shipped) in str(value)] == [], "nothing is kept beside the program"
    assert str(settings.gallery.path) == "/var/lib/edge/gallery.db"
    assert str(settings.keys.file) == "/var/lib/edge/root.key"
    assert settings.network.runtime == ("auto" if board == "jetson" else "onnxruntime")


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("249", "LoadCredential=edge-root-key:/etc/credstore/edge-root-key"),
        ("255", "LoadCredentialEncrypted=edge-root-key:/etc/credstore.encrypted/edge-root-key"),
    ],
)
def test_the_key_comes_in_the_way_that_this_systemd_knows(tree: Tree, version: str, line: str) -> None:
    """And whoever opens a sealed one tells the TPM afterwards that all is in order."""
    tree.install("--no-program", "--systemd", version)
    for unit in ("edge-door", "edge-backup", "edge-purge"):
        key = [found for found in tree.unit(f"{unit}.service.d/10-key.conf").splitlines() if not found.startswith("#")]
        told = ["ExecStartPost=-+/usr/local/bin/edge-tpm", "DeviceAllow=/dev/tpmrm0 w"] if version == "255" else []
        assert key == ["[Service]", line, *told]
    assert (tree.root / "usr/local/bin/edge-tpm").read_text() == (UNITS / "edge-tpm").read_text()
    assert "Credential" not in tree.unit("edge-screen.service") + tree.unit("edge-engine.service"), "they need no key and get none"


@pytest.mark.parametrize("word", ["After", "Requires", "Requisite", "BindsTo", "Wants"])
def test_the_door_does_not_wait_for_plans_to_be_built(tree: Tree, word: str) -> None:
    """A oneshot unit that stands behind After= would keep the door shut for as long as it builds."""
    tree.install("--no-program", "--board", "jetson", *ALL)
    units = tree.root / "etc/systemd/system"
    texts = [units / "edge-door.service", *(units / "edge-door.service.d").glob("*.conf")]
    named = [line for path in texts for line in path.read_text().splitlines() if line.startswith(f"{word}=")]
    assert not any("edge-engine" in line for line in named)
    assert "Before=" not in tree.unit("edge-engine.service")


def test_int8_networks_made_beside_the_installed_ones_stay_until_the_networks_are_new(tree: Tree) -> None:
    tree.install("--board", "jetson")
    models = tree.root / "opt/edge/models"
    (models / "drh_int8.json").write_text("{}")
    assert "nothing to do" in tree.install("--board", "jetson").stdout
    assert (models / "drh_int8.json").exists()
    (models / "drh.json").write_text("{}")
    tree.install("--board", "jetson")
    assert (models / "drh.json").read_text() != "{}"
    assert not (models / "drh_int8.json").exists(), "of other networks"


def test_only_the_door_gets_the_outputs_and_the_network(tree: Tree) -> None:
    tree.install("--no-program", *ALL)
    outputs = tree.unit("edge-door.service.d/30-outputs.conf")
    for line in (
        "DeviceAllow=char-gpiochip rw",
        "DeviceAllow=/dev/ttyUSB0 rw",
        "IPAddressAllow=192.0.2.0/24",
        "IPAddressAllow=2001:db8::/32",
    ):
        assert line in outputs.splitlines()
    assert "IPAddressAllow" not in tree.unit("edge-screen.service")
    rule = (tree.root / "etc/udev/rules.d/70-edge-gpio.rules").read_text()
    assert rule == 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP:="edge", MODE:="0660"\n', "no later rule takes the chip away"


def test_without_outputs_the_door_reaches_this_machine_only_and_listens_nowhere(tree: Tree) -> None:
    tree.install("--no-program")
    unit = tree.unit("edge-door.service").splitlines()
    assert {"IPAddressDeny=any", "IPAddressAllow=localhost", "SocketBindDeny=any"} <= set(unit)
    assert not (tree.root / "etc/systemd/system/edge-door.service.d/30-outputs.conf").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--root", ""), "expected a folder"),
        (("--root", "/"), "leave --root out"),
        (("--systemd", "245"), "too old; 249"),
        (("--systemd", "new"), "expected a number"),
        (("--board", "toaster"), "choose jetson, pi or pc"),
        (("--key", "none"), "choose auto, tpm2 or host"),
        (("--camera", 'x"\n[keys]'), "not possible here"),
        (("--serial", "ttyUSB0"), "expected a device under /dev"),
        (("--network", "any\nUser=root"), "not possible here"),
        (("--network", "broker.example"), "expected an address"),
        (("--metrics", "all"), "expected a port"),
        (("--camera",), "needs a value"),
        (("--frobnicate",), "unknown; --help"),
        (("uninstall",), "say --keep or --destroy"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tree: Tree, words: tuple[str, ...], said: str) -> None:
    assert said in tree.install(*words, code=2).stderr
    assert not tree.root.exists()


def lived_in(tree: Tree) -> Tree:
    tree.install("--no-program", *ALL)
    for name in KEPT[2:]:
        (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
        (tree.root / name).write_bytes(b"precious")
    return tree


def test_uninstall_keep_leaves_gallery_keys_and_settings_and_a_new_installation_takes_them_up(tree: Tree) -> None:
    before = lived_in(tree).files()
    tree.install("uninstall", "--keep")
    assert set(tree.files()) == {*KEPT, "etc/sysusers.d/edge.conf"}
    assert "nothing to do" in tree.install("uninstall", "--keep").stdout
    tree.install("--no-program", *ALL)
    assert tree.files() == before


def test_uninstall_destroy_leaves_nothing(tree: Tree) -> None:
    lived_in(tree).install("uninstall", "--destroy")
    assert tree.files() == {}
    assert not list(tree.root.rglob("*edge*"))
    assert "nothing to do" in tree.install("uninstall", "--destroy").stdout


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not here")
def test_the_users_can_be_made_and_cannot_log_in(tree: Tree) -> None:
    tree.install("--no-program")
    done = subprocess.run(["systemd-sysusers", f"--root={tree.root}", "edge.conf"], capture_output=True, text=True)
    if done.returncode and os.geteuid():
        pytest.skip(f"users of another tree can be made by root only: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    people = [row.split(":") for row in (tree.root / "etc/passwd").read_text().splitlines()]
    assert [(row[0], row[6]) for row in people] == [("edge", "/usr/sbin/nologin"), ("edge-screen", "/usr/sbin/nologin")]
    assert all(row[2] != "0" for row in people)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not here")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["shellcheck", str(UNITS / "install.sh"), str(UNITS / "edge"), str(UNITS / "edge-tpm")], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_runs_a_command_of_the_program_as_a_user_of_its_own(service: str) -> None:
    unit = (UNITS / service).read_text()
    (command,) = re.findall(r"^ExecStart=/opt/edge/\.venv/bin/edge ([a-z]+) .*--config /etc/edge", unit, re.M)
    assert command in commands() | {"screen"}
    (user,) = re.findall(r"^User=(.*)$", unit, re.M)
    assert user == ("edge-screen" if "screen" in service else "edge")


def test_the_documented_way_to_let_the_line_go_is_run_by_the_program_s_own_python() -> None:
    """The machine's Python knows no edge: seen in tests/machine_trial.sh."""
    (said,) = re.findall(r"`ExecStopPost=(\S+) -m (\S+) /dev/gpiochip0 17 0 --safe`", (ROOT / "docs/outputs.md").read_text())
    (program,) = re.findall(r"^ExecStart=(\S+)/edge ", (UNITS / "edge-door.service").read_text(), re.M)
    assert said == (f"{program}/python", guard.__name__)


LOCKED = "TPM2 device is in dictionary attack lockout mode."


@pytest.mark.parametrize(
    ("ended", "written", "code", "said"),
    [
        (0, LOCKED, 0, ""),
        (9, LOCKED, 9, ""),
        (243, "", 7, "edge: the root key does not open: it was sealed by another TPM"),
        (243, LOCKED, 7, "edge: the TPM opens nothing for a while"),
    ],
)
def test_a_root_key_that_does_not_open_is_told_to_the_operator(tmp_path: Path, ended: int, written: str, code: int, said: str) -> None:
    """systemd ends with 243 and without a word, as seen in tests/machine_trial.sh with another TPM and after power cuts."""
    if os.geteuid():
        pytest.skip("the command asks for root")
    fake = tmp_path / "systemd-run"
    fake.write_text(f"#!/bin/sh\nexit {ended}\n")
    fake.chmod(0o755)
    journal = tmp_path / "journalctl"
    journal.write_text(f"#!/bin/sh\necho '{written}'\n")
    journal.chmod(0o755)
    tpm = tmp_path / "edge-tpm"
    tpm.write_text(f"#!/bin/sh\ntouch {tmp_path}/told\necho unheard >&2\nexit 1\n")
    tpm.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([str(UNITS / "edge"), "list"], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert (tmp_path / "told").exists(), "the TPM is told, whatever came of it"
    assert done.stderr.startswith(said)
    assert bool(done.stderr) == bool(said)


def test_the_tpm_is_sent_an_orderly_shutdown_where_there_is_one(tmp_path: Path) -> None:
    """The bytes of the TPM 2.0 library, part 3: no sessions, twelve bytes, TPM_CC_Shutdown, TPM_SU_CLEAR."""
    device = tmp_path / "tpm"
    for there in (False, True):
        if there:
            device.touch()
        done = subprocess.run([str(UNITS / "edge-tpm"), str(device)], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert device.exists() is there
    assert device.read_bytes() == struct.pack(">HIIH", 0x8001, 12, 0x145, 0)


@pytest.mark.skipif(not all(map(shutil.which, ("swtpm", "tpm2_unseal"))), reason="swtpm or tpm2-tools is not here")
def test_an_emulated_tpm_counts_no_power_cut_after_it() -> None:
    done = subprocess.run([str(ROOT / "tests" / "tpm_trial.sh")], capture_output=True, text=True, env={**os.environ, "PORT": "23210"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "without edge-tpm: 3 of 3 power cuts counted\nwith edge-tpm: 0 of 3 power cuts counted\n"


def test_the_operator_s_command_runs_as_the_door_s_user_with_the_door_s_settings(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("the command asks for root")
    fake = tmp_path / "systemd-run"
    fake.write_text('#!/bin/sh\nfor word; do echo "$word"; done\n')
    fake.chmod(0o755)
    done = subprocess.run(
        [str(UNITS / "edge"), "enrol", "Ada Lovelace"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    words = done.stdout.splitlines()
    assert {"--uid=edge", "--gid=edge", "--pipe", "--property=UMask=0077"} <= set(words)
    assert words[-5:] == ["/opt/edge/.venv/bin/edge", "enrol", "Ada Lovelace", "--config", "/etc/edge"]
