"""The settings: one YAML file, validated into frozen values with units and defaults.

Read by each process when it starts and when the file changes; pure except for the file. An
empty file is valid. `latent-resonance.yaml` lists every key with its default.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from latent_resonance import LatentResonanceError
from latent_resonance.config.boundary import boundary
from latent_resonance.config.gallery import Attract, Packs, Quiet, WeeklyHours
from latent_resonance.config.monitor import Monitor
from latent_resonance.config.output import Output
from latent_resonance.config.presets import Quality, apply_quality
from latent_resonance.config.validation import Section, as_tuple, error_messages
from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance.linux.unix_socket import MAX_PATH_BYTES

MAX_BYTES = 256 * 1024  # of a settings file; the commented default has 8 kB
MAX_THREADS = 64
CPU = "CPUExecutionProvider"
# Those that ONNX Runtime has or has had, in one build or another.
PROVIDERS = frozenset(
    {
        *("ACLExecutionProvider", "ArmNNExecutionProvider", "AzureExecutionProvider"),
        *("CANNExecutionProvider", "CoreMLExecutionProvider", CPU, "CUDAExecutionProvider"),
        *("DmlExecutionProvider", "DnnlExecutionProvider", "JsExecutionProvider"),
        *("MIGraphXExecutionProvider", "NnapiExecutionProvider", "NvTensorRTRTXExecutionProvider"),
        *("OpenVINOExecutionProvider", "QNNExecutionProvider", "RknpuExecutionProvider"),
        *("ROCMExecutionProvider", "TensorrtExecutionProvider", "TvmExecutionProvider"),
        *("VitisAIExecutionProvider", "VSINPUExecutionProvider", "WebGpuExecutionProvider"),
        *("WebNNExecutionProvider", "XnnpackExecutionProvider"),
    }
)
DEFAULTS = Path(__file__).parents[1] / "latent-resonance.yaml"


class SettingsError(LatentResonanceError):
    """The settings are invalid; `messages` holds one message per fault."""

    exit_code = 2

    def __init__(self, messages: list[str]) -> None:
        self.messages = messages
        super().__init__("\n".join(messages))


def _increasing(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError("should increase: [low, high] with low below high")
    return pair


def _index_or_name(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str) or value in ("", -1):
        raise ValueError("should be a number or text")
    return value


def _threads_or_auto(value: object) -> object:
    if value == "auto" or (type(value) is int and 1 <= value <= MAX_THREADS):
        return value
    raise ValueError(f"should be auto or a whole number from 1 to {MAX_THREADS}")


def _check_providers(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or not all(name.endswith("ExecutionProvider") for name in names):
        raise ValueError("should be names that end with ExecutionProvider, at least one")
    for name in names:
        if name not in PROVIDERS:
            known = {each.lower(): each for each in sorted(PROVIDERS)}
            close = difflib.get_close_matches(name.lower(), known, n=1)
            meant = known[close[0]] if close else CPU
            raise ValueError(f"should not hold {name}; did you mean {meant}?")
    return names


def _check_socket_path(path: str | None) -> str | None:
    if path is not None and len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ValueError(f"should be at most {MAX_PATH_BYTES} bytes long, the limit of Linux")
    return path


Pair = Annotated[tuple[float, float], BeforeValidator(as_tuple)]
Range = Annotated[Pair, AfterValidator(_increasing)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Shares = Annotated[tuple[Share, Share], BeforeValidator(as_tuple)]
Tempo = Annotated[float, Field(ge=0.0, le=8.0)]
Cutoff = Annotated[float, Field(ge=20.0, le=24_000.0)]
Providers = Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(_check_providers)]
Threads = Annotated[int | Literal["auto"], BeforeValidator(_threads_or_auto)]
Name = Annotated[str, Field(min_length=1)]
TrackerName = Literal["auto", "mediapipe", "light"]


class Camera(Section):
    """The camera."""

    source: Annotated[int | str, BeforeValidator(_index_or_name)] = Field(
        "usb",
        description="usb (the first), part of a name, a number, a /dev path, rpicam, argus, or a "
        "clip",
    )
    width: int = Field(1280, ge=16, le=7680, description="pixels, 16 to 7680")
    height: int = Field(720, ge=16, le=4320, description="pixels, 16 to 4320")
    images_per_s: float = Field(30.0, ge=1.0, le=240.0, description="images/s, 1 to 240")
    rotation: Literal[0, 90, 180, 270] = Field(
        0, description="clockwise rotation in degrees: 0, 90, 180 or 270"
    )


class OneEuro(Section):
    """The One Euro filter (Casiez et al. 2012) on every feature."""

    min_cutoff_hz: float = Field(1.5, ge=0.01, le=100.0, description="Hz at rest, 0.01 to 100")
    beta: float = Field(
        1.5, ge=0.0, le=100.0, description="Hz of cutoff per unit/s of speed, 0 to 100"
    )
    derivative_cutoff_hz: float = Field(
        5.0, ge=0.01, le=100.0, description="Hz, for the estimate of speed, 0.01 to 100"
    )


class Eye(Section):
    """Face detection and tracking."""

    allow_network: bool = Field(False, description="run even if network access cannot be dropped")
    max_faces: int = Field(
        2, ge=1, le=8, description="faces among whom the player is chosen, 1 to 8"
    )
    min_confidence: Share = Field(0.5, description="lowest score that counts as a face, 0 to 1")
    tracker: TrackerName = Field("auto", description="face tracker: auto, mediapipe or light")
    threads: Threads = Field(
        "auto",
        description="threads of the face networks, 1 to 64; auto is 2 with four cores or more, "
        "else 1",
    )
    neutral_s: float = Field(
        1.0,
        ge=0.1,
        le=30.0,
        description="seconds at rest that give the neutral face, 0.1 to 30",
    )
    absence_s: float = Field(
        3.0, ge=0.1, le=600.0, description="seconds until a visitor counts as gone, 0.1 to 600"
    )
    memory_mib: int = Field(
        600, ge=400, le=65_536, description="MiB at which the eye restarts, 400 to 65536"
    )
    one_euro: OneEuro = OneEuro()


class Inference(Section):
    """How the pack's networks run."""

    providers: Providers = Field(
        ("CPUExecutionProvider",),
        description="ONNX Runtime providers, the preferred one first",
    )
    threads: int = Field(1, ge=1, le=MAX_THREADS, description="threads, 1 to 64")
    spectrograms_per_s: float = Field(
        10.0, ge=0.1, le=60.0, description="generated spectrograms per second, 0.1 to 60"
    )


class Latent(Section):
    """How z follows the face."""

    glide_s: float = Field(0.25, ge=0.0, le=30.0, description="seconds to follow, 0 to 30")
    jitter: float = Field(0.6, ge=0.0, le=3.0, description="amplitude in z at full noise, 0 to 3")
    jitter_hz: float = Field(
        6.0, ge=0.01, le=50.0, description="Hz, bandwidth of the jitter, 0.01 to 50"
    )
    anchor_glide_s: float = Field(
        1.2, ge=0.0, le=60.0, description="seconds to reach a pure anchor when still, 0 to 60"
    )
    drift: float = Field(
        0.3, ge=0.0, le=3.0, description="amplitude in z of the drift when still, 0 (off) to 3"
    )
    truncation: float | None = Field(
        None,
        ge=0.0,
        le=2.0,
        description="calm to wild: distance of z from the neutral face's, 0 (always its sound) to "
        "1 (as trained) to 2; blank is the pack's",
    )


class Loop(Section):
    """A generated spectrogram as a loop, and the transition from one to the next."""

    morph: Literal["glide", "blend"] = Field(
        "glide",
        description="glide moves the pitch from one spectrogram to the next, blend cross-fades",
    )
    morph_s: float = Field(0.15, ge=0.0, le=5.0, description="seconds of the transition, 0 to 5")
    longest_rest_s: float = Field(
        0.1,
        ge=0.05,
        le=60.0,
        description="seconds of silence that a loop may hold, 0.05 to 60; more is passed quickly",
    )
    even_levels: bool = Field(
        True, description="play every spectrogram at the same loudness, on average"
    )


class Phase(Section):
    """Streaming Griffin-Lim: each look-ahead frame costs one hop of latency."""

    look_ahead: int = Field(7, ge=0, le=16, description="frames, 0 to 16")
    iterations: int = Field(7, ge=1, le=32, description="iterations per hop, 1 to 32")
    momentum: float = Field(
        0.95, ge=0.0, le=1.0, description="momentum of fast Griffin-Lim, 0 to 1"
    )


class Curve(Section):
    """Maps a feature to a control: from `input` to 0..1, to the power of `shape`, to `output`."""

    input: Range
    output: Pair
    shape: float = Field(1.0, ge=0.1, le=10.0, description="exponent, 1 is straight, 0.1 to 10")
    smoothing_s: float = Field(0.1, ge=0.0, le=10.0, description="seconds to follow, 0 to 10")


class TimeStretch(Curve):
    """Head turning moves the playhead."""

    input: Range = Field((0.15, 2.3), description="|yaw_velocity| in rad/s, [low, high]")
    output: Annotated[tuple[Tempo, Tempo], BeforeValidator(as_tuple)] = Field(
        (1.0, 4.0), description="frames per hop, 1 is the pack's tempo, [0..8, 0..8]"
    )
    smoothing_s: float = Field(0.12, ge=0.0, le=10.0, description="seconds to follow, 0 to 10")


class BandPass(Curve):
    """Mouth opening brightens the sound."""

    input: Range = Field((0.02, 0.6), description="mouth_open, 0..1, [low, high]")
    output: Annotated[tuple[Cutoff, Cutoff], BeforeValidator(as_tuple)] = Field(
        (1750.0, 16_000.0), description="cutoff in Hz, logarithmic, [20..24000, 20..24000]"
    )
    closed_db: float = Field(
        -14.0, ge=-60.0, le=0.0, description="dB above the cutoff, -60 to 0; a filter has -60"
    )
    presence_db: float = Field(
        24.0, ge=0.0, le=30.0, description="dB around 3.5 kHz with an open mouth, 0 to 30"
    )
    bass_db: float = Field(
        -14.0, ge=-30.0, le=0.0, description="dB below 700 Hz with an open mouth, -30 to 0"
    )
    shape: float = Field(0.6, ge=0.1, le=10.0, description="exponent, 1 is straight, 0.1 to 10")
    smoothing_s: float = Field(0.03, ge=0.0, le=10.0, description="seconds to follow, 0 to 10")


class Noise(Curve):
    """Brow tension adds jitter, glitches and static."""

    input: Range = Field((0.1, 0.8), description="brow_tension, 0..1, [low, high]")
    output: Shares = Field((0.0, 1.0), description="amount, [0..1, 0..1]")
    smoothing_s: float = Field(0.08, ge=0.0, le=10.0, description="seconds to follow, 0 to 10")


class Clarity(Curve):
    """Stillness moves z to a pure anchor and sharpens the partials."""

    input: Range = Field((0.2, 0.9), description="stillness, 0..1, [low, high]")
    output: Shares = Field((0.0, 1.0), description="amount, [0..1, 0..1]")
    smoothing_s: float = Field(0.5, ge=0.0, le=10.0, description="seconds to follow, 0 to 10")


class Controls(Section):
    """What the face does to the sound."""

    time_stretch: TimeStretch = TimeStretch()
    band_pass: BandPass = BandPass()
    noise: Noise = Noise()
    clarity: Clarity = Clarity()


class Settings(Section):
    """All settings."""

    pack: Name = Field("cello", description="name of a pack in models/, or a folder")
    packs: Packs = Field(
        (),
        description="packs by the clock, the first whose hours apply, else pack: "
        '[{hours: "10:00-14:00", pack: voices}]',
    )
    socket_path: Annotated[Name | None, AfterValidator(_check_socket_path)] = Field(
        None,
        description="socket from eye to voice; blank is in a private folder under /run or /tmp",
    )
    quality: Quality = Field("auto", description="auto, high, medium or low")
    camera: Camera = Camera()
    eye: Eye = Eye()
    inference: Inference = Inference()
    latent: Latent = Latent()
    loop: Loop = Loop()
    phase: Phase = Phase()
    controls: Controls = Controls()
    output: Output = Output()
    attract: Attract = Attract()
    hours: WeeklyHours = WeeklyHours()
    quiet: Quiet = Quiet()
    monitor: Monitor = Monitor()


def _unreadable(message: str) -> SettingsError:
    return SettingsError([message])


@boundary(_unreadable, "correct the file")
def load_settings(path: Path | None) -> Settings:
    """Settings from a YAML file; the defaults for None.

    Raises
    ------
    SettingsError
        The file cannot be read or is invalid; it holds a message for every fault.
    """
    try:
        content = {} if path is None else read_yaml(path, MAX_BYTES)
    except YamlError as error:
        raise SettingsError([str(error)]) from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        what = "a list" if isinstance(content, list) else f"a single value ({content!r:.40})"
        raise SettingsError([f"{path}: holds {what}; settings are keys and values: `pack: cello`"])
    try:
        return Settings.model_validate(apply_quality(content))
    except ValidationError as error:
        found = error_messages(error, Settings)
        raise SettingsError([f"{path}: {sentence}" for sentence in found]) from error


def socket_path_of(settings: Settings) -> Path:
    """Path of the socket on which the voice receives from the eye.

    It is `socket_path`, else in the unit's runtime folder, in $XDG_RUNTIME_DIR, in /run (root),
    or in a private folder under the temporary folder.

    Raises
    ------
    SettingsError
        No folder is writable, or it belongs to another user.
    """
    if settings.socket_path is not None:
        return Path(settings.socket_path)
    return _runtime_folder() / "face.sock"


def _runtime_folder() -> Path:
    if unit := os.environ.get("RUNTIME_DIRECTORY"):  # systemd.exec(5)
        return Path(unit)
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and os.access(session, os.W_OK):
        return Path(session) / "latent-resonance"
    system = Path("/run/latent-resonance")
    if os.access(system if system.exists() else system.parent, os.W_OK):
        return system
    try:
        folder = Path(tempfile.gettempdir()) / f"latent-resonance-{os.getuid()}"
    except FileNotFoundError as error:
        raise SettingsError(["/run and /tmp cannot be written; set socket_path"]) from error
    if folder.exists() and folder.lstat().st_uid != os.getuid():
        raise SettingsError([f"{folder}: belongs to another user; set socket_path"])
    return folder
