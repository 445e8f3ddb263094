"""appliance.toml + a file of one's own + environment -> checked settings. The only reader of configuration."""

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema

from edge import tables
from edge.door.schedule import parse
from edge.errors import SettingsError

DEFAULTS = Path(__file__).parent.parent / "config" / "appliance.toml"
PREFIX = "EDGE_"
PATHS = (
    "network.models",
    "network.plans",
    "gallery.path",
    "gallery.witness",
    "calibration.path",
    "backup.folder",
    "audit.folder",
    "keys.file",
    "webhook.key_file",
    "webhook.ca",
    "webhook.outbox",
    "mqtt.password_file",
    "mqtt.ca",
    "mqtt.certificate",
    "mqtt.private_key",
    "osdp.key_file",
    "code.state",
    "screen.socket",
    "screen.pin",
    "screen.sound_folder",
)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Degrees = Annotated[float, Field(gt=0, le=90)]
Luma = Annotated[float, Field(ge=0, le=255)]
Count = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=0, le=36_500)]
Level = Literal["low", "high"]


EXPOSURES = {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400)


def _baud(number: int) -> int:
    if number not in BAUDS:
        raise ValueError(f"choose one of {', '.join(map(str, BAUDS))}")
    return number


def _rotation(degrees: int) -> int:
    if degrees not in (0, 90, 180, 270):
        raise ValueError("choose one of 0, 90, 180, 270")
    return degrees


def _exposure(value: object) -> Literal["auto"] | int:
    if value == "auto":
        return "auto"
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError('choose "auto" or a whole number of microseconds')
    return number


def _schedule(text: str) -> str:
    parse(text)
    return text


class Section(BaseModel):
    """A table of the file: no unknown keys, no defaults (each default stands once, in appliance.toml)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CameraSettings(Section):
    source: Annotated[str, Field(min_length=1)]
    width: Count
    height: Count
    fps: Count
    exposure: Annotated[Literal["auto"] | int, PlainValidator(_exposure), WithJsonSchema(EXPOSURES)]
    rotation: Annotated[int, AfterValidator(_rotation), Field(json_schema_extra={"enum": [0, 90, 180, 270]})]
    mirror: bool
    allow_loopback: bool
    interval: Positive
    silent: Positive
    frozen: Positive
    dark: Positive
    vanished: Positive
    max_image_pixels: Count


class NetworkSettings(Section):
    models: Path
    detector: str
    hash: str
    runtime: Literal["onnxruntime", "tensorrt", "auto"]
    threads: Count
    plans: Path
    batch: Annotated[int, Field(ge=1, le=64)]
    workspace: Annotated[int, Field(ge=16)]
    timeout: Positive
    build_timeout: Positive


class DetectSettings(Section):
    long_side: Annotated[int, Field(ge=64, multiple_of=32)]
    threshold: Annotated[float, Field(gt=0, lt=1)]
    overlap: Share
    max_faces: Count


class TrackSettings(Section):
    reach: Positive
    overlap: Share
    patience: Positive
    max_tracks: Count


class QualitySettings(Section):
    min_eye_distance: Positive
    min_box_side: Positive
    max_outside: Share
    max_yaw: Degrees
    max_pitch: Degrees
    max_roll: Degrees
    min_brightness: Luma
    max_brightness: Luma
    max_saturated: Share
    min_sharpness: Annotated[float, Field(ge=0)]


class ZoneSettings(Section):
    size: Share
    width: Share
    dwell: Annotated[float, Field(ge=0)]
    required: bool


class DecisionSettings(Section):
    fpir: Annotated[float, Field(gt=0, lt=1)]
    min_samples: Count
    max_samples: Count
    interval: Annotated[float, Field(ge=0)]
    consistency: Share
    max_log_variance: float
    margin: Count
    expiry: Positive


class EnrolmentSettings(Section):
    max_samples: Count
    min_samples: Count
    consistency: Share
    interval: Annotated[float, Field(ge=0)]
    valid_days: Days


class RetentionSettings(Section):
    expired_days: Days
    soon_days: Days


class GallerySettings(Section):
    path: Path
    witness: str
    device: Annotated[str, Field(min_length=1, max_length=64)]

    @property
    def witness_path(self) -> Path:
        """Where the witness lies: beside the gallery where no place is named."""
        return Path(self.witness) if self.witness else self.path.with_name(f"{self.path.name}.head")


class CalibrationSettings(Section):
    path: Path
    required: bool


class RebindSettings(Section):
    min_samples: Count
    caution: Annotated[float, Field(ge=1)]


class BackupSettings(Section):
    recipients: list[str]
    folder: Path
    keep: Count


class AuditSettings(Section):
    folder: str
    max_bytes: Annotated[int, Field(ge=8192)]
    max_total: Annotated[int, Field(ge=65536)]
    keep_days: Count


class MetricsSettings(Section):
    port: Annotated[int, Field(ge=0, le=65535)]
    fresh: Positive


class KeySettings(Section):
    credential: str
    command: str
    file: Path
    site: Annotated[str, Field(min_length=1, max_length=64)]
    application: Annotated[str, Field(min_length=1, max_length=64)]


class AccessSettings(Section):
    schedule: Annotated[str, AfterValidator(_schedule)]
    synchronised: bool
    failures: Annotated[int, Field(ge=0)]
    window: Positive
    hourly: Annotated[int, Field(ge=0)]
    pause: Positive
    longest_pause: Positive
    quiet: Positive
    fallback: Literal["off", "code"]
    recordings: bool


class CodeSettings(Section):
    failures: Count
    pause: Positive
    longest_pause: Positive
    quiet: Positive
    state: Path


class RelaySettings(Section):
    enabled: bool
    chip: str
    line: Annotated[str, Field(min_length=1)]
    active: Level
    pulse: Positive
    max_on: Annotated[float, Field(gt=0, le=60)]


class ContactSettings(Section):
    enabled: bool
    chip: str
    door: str
    open: Level
    exit_button: str
    pressed: Level
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"]
    debounce: Annotated[float, Field(ge=0, le=1)]
    grace: Positive
    held_open: Positive


class WebhookSettings(Section):
    enabled: bool
    url: str
    credential: str
    key_file: Path
    ca: str
    timeout: Annotated[float, Field(gt=0, le=60)]
    longest_pause: Annotated[float, Field(ge=1)]
    outbox: Path
    max_waiting: Count


class MqttSettings(Section):
    enabled: bool
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    tls: bool
    ca: str
    certificate: str
    private_key: str
    user: str
    credential: str
    password_file: Path
    topic: str
    discovery: str
    keepalive: Annotated[int, Field(ge=5, le=600)]


class OsdpSettings(Section):
    enabled: bool
    device: Annotated[str, Field(min_length=1)]
    baud: Annotated[int, AfterValidator(_baud)]
    address: Annotated[int, Field(ge=0, le=126)]
    credential: str
    key_file: Path


class ScreenSettings(Section):
    enabled: bool
    socket: Path
    user: str
    pin: Path
    language: Literal["en", "de", "es", "zh"]
    privacy: bool
    volume: Share
    sound_folder: str
    sound: str
    hold: Positive
    silent: Positive
    preview: Annotated[int, Field(ge=80, le=640)]
    capture: Positive
    idle: Positive


class Settings(Section):
    """All settings, checked. Every field stands in config/appliance.toml with its unit and its reason."""

    camera: CameraSettings
    network: NetworkSettings
    detect: DetectSettings
    track: TrackSettings
    quality: QualitySettings
    zone: ZoneSettings
    decision: DecisionSettings
    enrolment: EnrolmentSettings
    gallery: GallerySettings
    calibration: CalibrationSettings
    retention: RetentionSettings
    rebind: RebindSettings
    backup: BackupSettings
    audit: AuditSettings
    metrics: MetricsSettings
    keys: KeySettings
    access: AccessSettings
    code: CodeSettings
    relay: RelaySettings
    contact: ContactSettings
    webhook: WebhookSettings
    mqtt: MqttSettings
    osdp: OsdpSettings
    screen: ScreenSettings


def load_settings(
    override: Path | None = None, environment: Mapping[str, str] = os.environ, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Read, merge and check. override: a file, or a folder of them. flags: dotted names ("gallery.path") -> values of the command line.

    Raises SettingsError naming the file, the line and, for an unknown key, the nearest known one.
    """
    merged = tables.read(DEFAULTS)
    _anchor(merged, DEFAULTS.parent, PATHS)
    places = {name: tables.place(DEFAULTS, name) for name in tables.names(merged)}
    known = set(places)
    for path in files_of(override):
        theirs = tables.read(path)
        for name in tables.names(theirs):
            if name not in known:
                raise SettingsError(f"{tables.place(path, name)}: unknown key '{name}'{tables.nearest(name, known)}")
            places[name] = tables.place(path, name)
            tables.put(merged, name, tables.get(theirs, name))
        _anchor(merged, path.parent, tables.names(theirs))
    for name, (variable, text) in _from_environment(environment, known).items():
        places[name] = f"environment variable {variable}"
        tables.put(merged, name, text)
    for name, value in (flags or {}).items():
        places[name] = "command line"
        tables.put(merged, name, value)
    return _check(merged, places)


def files_of(override: Path | None) -> list[Path]:
    """The files that override the defaults, the later ones stronger: one file, or those of a folder that end in .toml, by name."""
    if override is None or not override.is_dir():
        return [] if override is None else [override]
    if found := sorted(path for path in override.glob("*.toml") if path.name[0] != "."):
        return found
    raise SettingsError(f"{override}: no file in this folder ends in .toml; name another with --config, or put one there")


def flatten(settings: Settings) -> dict[str, Any]:
    """Dotted name -> value, in the order of the file."""
    return {f"{table}.{key}": value for table, section in settings.model_dump(mode="json").items() for key, value in section.items()}


def _anchor(merged: dict[str, Any], folder: Path, names: Iterable[str]) -> None:
    """Make relative paths relative to the folder of the file that names them."""
    for name in set(PATHS).intersection(names):
        if isinstance(value := tables.get(merged, name), str) and value:
            tables.put(merged, name, str(Path(os.path.normpath(folder.absolute() / value))))


def _from_environment(environment: Mapping[str, str], known: set[str]) -> dict[str, tuple[str, Any]]:
    variables = {PREFIX + name.replace(".", "_").upper(): name for name in known}
    sections = {PREFIX + table.upper() + "_" for table in Settings.model_fields}
    found: dict[str, tuple[str, Any]] = {}
    for variable, text in environment.items():
        if variable in variables:
            name = variables[variable]
            found[name] = (variable, _listed(variable, text) if _is_list(name) else text)
        elif any(variable.startswith(table) for table in sections):
            near = difflib.get_close_matches(variable, variables, 1, 0.6)
            raise SettingsError(f"environment variable {variable}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
        elif variable.startswith(PREFIX) and (near := difflib.get_close_matches(variable, variables, 1, 0.9)):
            raise SettingsError(f"environment variable {variable}: no such setting; did you mean {near[0]}?")
    return found


def _is_list(name: str) -> bool:
    table, _, key = name.partition(".")
    section = Settings.model_fields[table].annotation
    assert isinstance(section, type)
    assert issubclass(section, Section)
    return get_origin(section.model_fields[key].annotation) is list


def _listed(variable: str, text: str) -> list[Any]:
    """A list in one variable: its items between commas, or JSON where it begins with a bracket."""
    if not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    try:
        found: list[Any] = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"environment variable {variable}: not JSON ({error}); write items between commas, or a JSON list") from error
    return found


def _check(merged: dict[str, Any], places: Mapping[str, str]) -> Settings:
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name, place = (".".join(str(part) for part in problem["loc"][:depth]) for depth in (None, 2))  # an item's list has the place
            lines.append(f"{places.get(place, DEFAULTS)}: {name} = {problem['input']!r}: {problem['msg'][:1].lower() + problem['msg'][1:]}")
        raise SettingsError("\n".join(lines)) from None
    camera = settings.camera
    if camera.exposure != "auto" and camera.exposure * camera.fps > 1_000_000:
        place = _blamed(places, "camera.exposure", "camera.fps")
        raise SettingsError(
            f"{place}: camera.exposure = {camera.exposure} microseconds are longer than a frame at camera.fps = "
            f"{camera.fps}; shorten the exposure to {1_000_000 // camera.fps} or less, or lower camera.fps"
        )
    for table, rules in (("decision", settings.decision), ("enrolment", settings.enrolment)):
        if rules.max_samples < rules.min_samples:
            raise SettingsError(
                f"{_blamed(places, f'{table}.max_samples', f'{table}.min_samples')}: {table}.max_samples = {rules.max_samples} is below "
                f"{table}.min_samples = {rules.min_samples}; raise one or lower the other"
            )
    if settings.relay.max_on < settings.relay.pulse:
        place = _blamed(places, "relay.max_on", "relay.pulse")
        raise SettingsError(
            f"{place}: relay.max_on = {settings.relay.max_on} is below relay.pulse = {settings.relay.pulse}; raise one or lower the other"
        )
    for table, section in (("access", settings.access), ("code", settings.code)):
        if section.longest_pause < section.pause:
            raise SettingsError(
                f"{places[f'{table}.longest_pause']}: {table}.longest_pause = {section.longest_pause} is below {table}.pause = "
                f"{section.pause}; raise one or lower the other"
            )
    if settings.quality.max_brightness <= settings.quality.min_brightness:
        place = _blamed(places, "quality.max_brightness", "quality.min_brightness")
        raise SettingsError(
            f"{place}: quality.max_brightness = {settings.quality.max_brightness} must be above quality.min_brightness = "
            f"{settings.quality.min_brightness}; raise one or lower the other"
        )
    return settings


def _blamed(places: Mapping[str, str], *names: str) -> str:
    """Where two settings that do not go together were set: not in the defaults, which do."""
    return next((places[name] for name in names if not places[name].startswith(f"{DEFAULTS}:")), places[names[0]])
