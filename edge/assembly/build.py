"""Settings -> the parts of the appliance, put together. The command line and the evaluation build with it; nothing else does."""

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.acquire import Acquirer, DetectLimits, Infer
from edge.assembly.calibration import Calibration, Conditions, read_calibration
from edge.camera import Patience, SourceOptions, open_source
from edge.camera.demo import demo
from edge.camera.source import Source
from edge.errors import GalleryError, NetworkError, SettingsError
from edge.face.quality import Limits
from edge.face.track import Tracker
from edge.face.zone import Attention, Zone
from edge.gallery import Gallery, MissingGalleryError, NetworkId, network_of, open_gallery
from edge.gallery.backup import recipients_of
from edge.identify import Identifier, LiveGallery, Sampler
from edge.inference import (
    Accelerator,
    Batch,
    Manifest,
    Network,
    Options,
    Outputs,
    PlanError,
    PlanStore,
    Wanted,
    load_network,
    read_manifest,
    warn,
)
from edge.keys import Keyring, MissingKeyError, RootKey, create_root_key, load_root_key
from edge.rebind import RebindGallery, Rules, TwinAcquirer
from edge.service.audit import Audit
from edge.service.face import DoorFace, Manners, ScreenWatcher
from edge.settings import Settings
from edge.stages import Stages
from edge.template.decide import Policy
from edge.template.tail import NonMatedTail

if TYPE_CHECKING:
    from edge.service.pin import PinLock  # needs argon2, which a door without a screen does not

Listener = Callable[[str], None]


def accelerator(settings: Settings) -> Accelerator:
    """The GPU as the settings want it; not opened yet."""
    network = settings.network
    options = Options(batch=network.batch, side=settings.detect.long_side, workspace=network.workspace)
    return Accelerator(Wanted(network.plans, options, network.timeout))


class Networks:
    """Both networks, loaded and checked, what the hashing network's manifest says of its codes, and the tail in force.

    tell: hears why a network that should run on the GPU runs on the CPU. calibrated: False for the network's own tail, whatever calibration
    there is.
    """

    def __init__(self, settings: Settings, tell: Listener = warn, *, calibrated: bool = True) -> None:
        network = settings.network
        gpu = None if network.runtime == "onnxruntime" else accelerator(settings)
        if gpu is not None:
            atexit.register(gpu.close)
        load = partial(load_network, runtime=network.runtime, threads=network.threads, accelerator=gpu, tell=tell)
        self.detector: Network = load(network.models / f"{network.detector}.json")
        self.hasher: Network = load(network.models / f"{network.hash}.json")
        self.q = conditions(settings, self.hasher.manifest).q
        self.calibration = calibration(settings, self.hasher.manifest) if calibrated else None
        own, alone = own_tail(settings, self.hasher.manifest), single_tail(settings, self.hasher.manifest)
        self.tail, self.single = (tail_in_force(settings, self.hasher.manifest, self.calibration, each) for each in (own, alone))


class OneAtATime:
    """A network that several threads use, one after the other. See ``inference.Network``."""

    def __init__(self, network: Network) -> None:
        self._network, self._turn = network, threading.Lock()

    @property
    def manifest(self) -> Manifest:
        return self._network.manifest

    def infer(self, batch: Batch, outputs: Sequence[str] | None = None) -> Outputs:
        with self._turn:
            return self._network.infer(batch, outputs)


def hash_manifest(settings: Settings) -> Manifest:
    """The hashing network's manifest, without loading the network."""
    return read_manifest(settings.network.models / f"{settings.network.hash}.json")


def own_tail(settings: Settings, manifest: Manifest) -> NonMatedTail:
    """The tail that the network's manifest states. Raises NetworkError where it states none."""
    if manifest.code is None or manifest.non_mated is None:
        raise NetworkError(
            f"{settings.network.models / settings.network.hash}.json: the manifest states no code size or no non-mated scores, so no "
            "threshold follows; export the network with `python -m training.export`"
        )
    return manifest.non_mated


def single_tail(settings: Settings, manifest: Manifest) -> NonMatedTail:
    """The tail of single samples, for pictures that stand alone; the door's own where it was not measured. Raises NetworkError."""
    return manifest.single or own_tail(settings, manifest)


def tail_in_force(settings: Settings, manifest: Manifest, calibrated: Calibration | None, own: NonMatedTail) -> NonMatedTail:
    """The site's tail or the network's ``own``, moved to the safe side where a plan of the network computes in INT8.

    All plans that a door may take count, the lowest shift wins; a network that then runs on the CPU after all is judged as strictly.
    """
    tail = calibrated.non_mated if calibrated else own
    if settings.network.runtime == "onnxruntime":
        return tail
    store, shifts = PlanStore(settings.network.plans, manifest.name), [0]
    with suppress(PlanError):  # a plan that cannot be read is not run either
        for name in store.names():
            with suppress(PlanError):
                shifts.append(store.read(name).tail_shift or 0)
    return tail.moved(min(shifts)) if min(shifts) else tail


def conditions(settings: Settings, manifest: Manifest) -> Conditions:
    """What a measured tail depends on, as it is in force."""
    m, decision = own_tail(settings, manifest).m, settings.decision
    assert manifest.code is not None
    return Conditions(
        network=manifest.sha256,
        m=m,
        q=manifest.code.q,
        min_samples=decision.min_samples,
        max_samples=decision.max_samples,
        max_log_variance=decision.max_log_variance,
        enrolled_samples=settings.enrolment.max_samples,
    )


def calibration(settings: Settings, manifest: Manifest) -> Calibration | None:
    """The site's calibration, None where there is none. Raises SettingsError for one that does not fit, or that is required and missing."""
    path = settings.calibration.path
    if path.exists() or path.is_symlink():
        return read_calibration(path, conditions(settings, manifest))
    if settings.calibration.required:
        raise SettingsError(
            f"calibration.required: there is no calibration at {path}; restore it, measure again with `edge calibrate SOURCE --write`, or "
            "set calibration.required = false to go back to the network's own figures"
        )
    return None


def network_id(settings: Settings) -> NetworkId:
    """What binds a gallery to the hashing network, from its manifest alone: an INT8 network is bound as its float parent is.

    Raises NetworkError for a network that does not hash, and for an INT8 one that was not held against its parent.
    """
    path = settings.network.models / f"{settings.network.hash}.json"
    manifest = read_manifest(path)
    if manifest.code is None:
        raise NetworkError(f"{path}: this is a network of kind '{manifest.kind}'; network.hash must name one of kind 'hash'")
    if manifest.float_parent is None and "quantised" in manifest.facts:
        raise NetworkError(
            f"{path}: an INT8 network whose manifest states no 'float_parent', so nobody measured whether references of the float network "
            f"are comparable with its probes; `edge engine quantise` makes it with that, or `python -m calibration.quantise` with people "
            "whose names are known, or name the float network"
        )
    return NetworkId(manifest.gallery_sha256, manifest.code.m, manifest.code.q)


def acquirer(settings: Settings, networks: Networks, stages: Stages) -> Acquirer:
    return around(settings, networks.detector, networks.hasher, networks.q, stages)


def around(settings: Settings, detector: Infer, hasher: Infer, q: int, stages: Stages) -> Acquirer:
    """The acquirer of these settings around any two networks."""
    detect = settings.detect
    limits = DetectLimits(detect.long_side, detect.threshold, detect.overlap, detect.max_faces)
    return Acquirer(detector, hasher, q, limits, Limits(**settings.quality.model_dump()), stages)


def source(settings: Settings, on_problem: Listener) -> Source:
    camera = settings.camera
    options = SourceOptions(
        width=camera.width,
        height=camera.height,
        fps=camera.fps,
        exposure=None if camera.exposure == "auto" else camera.exposure,
        allow_loopback=camera.allow_loopback,
        rotation=camera.rotation,
        mirror=camera.mirror,
        interval=camera.interval,
        max_pixels=camera.max_image_pixels,
        patience=Patience(silent=camera.silent, frozen=camera.frozen, dark=camera.dark, vanished=camera.vanished),
    )
    return open_source(camera.source, options, on_problem=on_problem, schemes={"demo": demo})


def make_folder(folder: Path, setting: str) -> None:
    """A private folder for what only this program may read, if it is not there yet. Raises SettingsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"{setting}: folder {folder} cannot be made ({error.strerror}); name another place, or make it first"
        ) from error


def require_recipients(settings: Settings) -> None:
    """SettingsError for a recipient of backups that is none: the night's backup would be the first to notice."""
    for number, text in enumerate(settings.backup.recipients, 1):
        try:
            recipients_of([text])
        except GalleryError as error:
            raise SettingsError(f"backup.recipients: number {number}, '{text}', is no recipient; {error}") from error


def root_key(settings: Settings, *, may_create: bool) -> RootKey:
    """The root key; a new one only where there is neither a key nor a gallery that would need the old one."""
    try:
        return load_root_key(settings.keys.file, credential=settings.keys.credential, command=settings.keys.command)
    except MissingKeyError:
        if not may_create or settings.gallery.path.exists():
            raise
    make_folder(settings.keys.file.parent, "keys.file")
    return create_root_key(settings.keys.file)


def keyring(settings: Settings, on_problem: Listener, *, may_create: bool = False) -> Keyring:
    """The keys in force, wiped when the program ends. Warnings about where they come from go to ``on_problem``."""
    key = root_key(settings, may_create=may_create)
    if key.warning:
        on_problem(key.warning)
    keys = Keyring(key.secret, settings.keys.site, settings.keys.application)
    atexit.register(keys.wipe)
    return keys


def gallery(settings: Settings, network: NetworkId | None, on_problem: Listener, *, create: bool = False) -> Gallery:
    """Open the gallery, or make it where ``create`` says so. Warnings about the key go to ``on_problem``.

    network: that its references must be of; None for what compares nothing: whichever it has.
    """
    if not create and not settings.gallery.path.exists():
        raise MissingGalleryError(f"gallery {settings.gallery.path}: does not exist yet; the first `edge enrol` makes it")
    if create:
        make_folder(settings.gallery.path.parent, "gallery.path")
    keys = keyring(settings, on_problem, may_create=create)
    opened = open_gallery(
        settings.gallery.path,
        keys,
        network or network_of(settings.gallery.path),
        settings.gallery.device,
        create=create,
        witness=settings.gallery.witness_path,
    )
    if opened.altered:
        on_problem(
            f"GALLERY ALTERED: {settings.gallery.path}: {opened.altered}. Nobody is let in; `edge list` shows who is enrolled, "
            "`edge restore` brings a backup back, `edge accept` signs it as it is"
        )
    if opened.witness_pending:
        on_problem(
            f"gallery.witness {settings.gallery.witness_path}: cannot be written: check its folder and this user's rights, or the next "
            "start finds the gallery altered"
        )
    for damage in opened.damaged:
        on_problem(
            f"gallery {settings.gallery.path}: reference {damage.reference} is damaged and never matches: {damage.reason}; "
            f"`edge revoke {damage.subject}` removes it, then enrol again"
        )
    return opened


@dataclass(frozen=True)
class Matching:
    """What turns samples into decisions. threshold: looks -> gallery size -> symbols, for fused samples. single: gallery size -> symbols,
    for a picture that stands alone. moving: set while people move to another network."""

    acquirer: Sampler
    gallery: LiveGallery
    threshold: Callable[[int], Callable[[int], int]]
    single: Callable[[int], int]
    moving: RebindGallery | None = None


def plainly(settings: Settings, acquire: Sampler, opened: LiveGallery, networks: Networks) -> Matching:
    """One network with references of its own."""
    fpir = settings.decision.fpir
    return Matching(acquire, opened, lambda looks: threshold(networks.tail, fpir, looks), threshold(networks.single, fpir, 1))


def matching(settings: Settings, networks: Networks, acquire: Acquirer, opened: Gallery, on_problem: Listener) -> Matching:
    """The network in force with this gallery and, while the window of a rebind is open, also the network before."""
    if opened.former is None:
        return plainly(settings, acquire, opened, networks)
    fpir = settings.decision.fpir
    twin, tail = twins(settings, acquire, opened.former.network)
    looks = policy(settings, *samples_to_decide(settings, moving=True)).looks
    rules = Rules(
        now=threshold(networks.tail, fpir / 2, looks),
        before=threshold(tail, fpir / 2, looks),
        sure=threshold(tail, fpir / 2 / settings.rebind.caution, looks),
    )
    size = network_id(settings)
    gallery = RebindGallery(opened, (size.m, size.q), opened.former.network.q, rules, on_problem)
    return Matching(twin, gallery, lambda looks: gallery.threshold, gallery.threshold, gallery)


def twins(settings: Settings, acquire: Acquirer, former: NetworkId) -> tuple[TwinAcquirer, NonMatedTail]:
    """What sees with the network in force and with the one before, and the tail of that one. Raises NetworkError where it is not there."""
    path, manifest = manifest_of(settings, former.sha256)
    before, size = load_network(path, runtime="onnxruntime", threads=settings.network.threads), network_id(settings)
    return TwinAcquirer(acquire, before, (size.m, size.q), former.q), own_tail(settings, manifest)


def manifest_of(settings: Settings, sha256: str) -> tuple[Path, Manifest]:
    """The hashing network of that hash, or an INT8 form of it; its manifest's path first. Raises NetworkError where there is none."""
    found = []
    for path in sorted(settings.network.models.glob("*.json")):
        try:
            manifest = read_manifest(path)
        except NetworkError:
            continue
        if manifest.gallery_sha256 == sha256 and manifest.code is not None:
            found.append((path, manifest))
    if found:
        return min(found, key=lambda one: one[1].sha256 != sha256)
    raise NetworkError(
        f"{settings.network.models}: holds no hashing network {sha256[:12]}, to which references in the gallery belong; keep the old "
        "network and its manifest there until everybody is renewed, or end that with `edge rebind --end`"
    )


def samples_to_decide(settings: Settings, *, moving: bool) -> tuple[int, int]:
    """The least and the most samples of an approach. moving: while passing renews people, which asks for more."""
    decision = settings.decision
    least = max(decision.min_samples, settings.rebind.min_samples) if moving else decision.min_samples
    return least, max(decision.max_samples, least)


def audit_folder(settings: Settings) -> Path:
    """Where the audit log lies."""
    return Path(settings.audit.folder) if settings.audit.folder else settings.gallery.path.parent / "audit"


def audit_key(settings: Settings, *, may_create: bool) -> bytes:
    """The key of the audit log."""
    return keyring(settings, lambda warning: None, may_create=may_create).audit_key()


def audit(settings: Settings) -> Audit:
    """The audit log, made where there is none; a root key too, as ``root_key`` says. Raises AuditError."""
    key = audit_key(settings, may_create=True)
    limits = settings.audit
    return Audit(audit_folder(settings), key, max_bytes=limits.max_bytes, max_total=limits.max_total, keep_days=limits.keep_days)


def policy(settings: Settings, min_samples: int, max_samples: int) -> Policy:
    """The rule by which an approach of so many samples is judged."""
    decision = settings.decision
    return Policy(min_samples, max_samples, decision.margin, decision.max_log_variance, decision.interval, decision.expiry)


def threshold(tail: NonMatedTail, fpir: float, looks: int) -> Callable[[int], int]:
    """Gallery size -> threshold in symbols at this operating point."""

    @lru_cache(maxsize=64)
    def at(size: int) -> int:
        return tail.threshold(fpir, size, looks)

    return at


def identifier(settings: Settings, match: Matching) -> Identifier:
    """The loop's one frame."""
    track, decision = settings.track, settings.decision
    rules = policy(settings, *samples_to_decide(settings, moving=match.moving is not None))
    tracker = Tracker(track.patience, track.overlap, track.reach, track.max_tracks)
    at = match.threshold(rules.looks)
    return Identifier(
        match.acquirer,
        match.gallery,
        tracker,
        rules,
        at,
        expiry=decision.expiry,
        consistency=decision.consistency,
        attention=Attention(zone(settings)) if settings.zone.required else None,
    )


def zone(settings: Settings) -> Zone:
    """Where somebody who comes to the door stands."""
    ours = settings.zone
    return Zone(ours.size, ours.width, ours.dwell)


def screen_watcher(settings: Settings) -> ScreenWatcher:
    """What shows the door's face; it is attached to a link by ``edge.assembly.kiosk``."""
    ours = settings.screen
    manners = Manners(zone(settings), ours.hold, ours.silent, ours.privacy)
    return ScreenWatcher(DoorFace(manners, time.monotonic()), time.monotonic, ours.preview)


def pin_lock(settings: Settings) -> "PinLock":
    """The operator's PIN. Raises SettingsError where argon2 is not installed."""
    try:
        from edge.service.pin import PinLock
    except ImportError as error:
        raise SettingsError(f"screen: {error.name} is not installed; .venv/bin/pip install -e '.[screen]'") from error
    return PinLock(settings.screen.pin)


def set_pin(settings: Settings, pin: str) -> None:
    """Store the operator's PIN as a hash. Raises PinError, and SettingsError where argon2 is not installed."""
    try:
        from edge.service.pin import set_pin as store
    except ImportError as error:
        raise SettingsError(f"screen: {error.name} is not installed; .venv/bin/pip install -e '.[screen]'") from error
    store(settings.screen.pin, pin)
