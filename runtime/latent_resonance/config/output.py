"""The audio output: device, level, channels, and which channel plays what.

Pure. Part of the settings.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from latent_resonance.config.limits import MAX_CHANNELS
from latent_resonance.config.validation import Section, as_tuple

MAX_DELAY_MS = 500.0  # 170 m
NAMED_CHANNELS = {"mono": 1, "stereo": 2}
AUTO_CHANNELS = 2  # at most
MIX: Final = "mix"
SUB: Final = "sub"
NONE: Final = "none"


def _channels(value: object) -> object:
    named = value == "auto" or (isinstance(value, str) and value in NAMED_CHANNELS)
    if named or _is_channel(value):
        return value
    raise ValueError(f"should be auto, mono, stereo or a whole number from 1 to {MAX_CHANNELS}")


def _played(value: object) -> object:
    if (isinstance(value, str) and value in (MIX, SUB, NONE)) or _is_channel(value):
        return value
    raise ValueError(f"should be a channel from 1 to {MAX_CHANNELS}, mix, sub or none")


def _is_channel(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_CHANNELS


class Route(Section):
    """What one channel of the device plays."""

    plays: Annotated[int | Literal["mix", "sub", "none"], BeforeValidator(_played)] = Field(
        description=f"a channel of the voice from 1 to {MAX_CHANNELS}, mix (of all), sub (the mix "
        "below sub_crossover_hz) or none"
    )
    gain_db: float = Field(0.0, ge=-60.0, le=0.0, description="dB, -60 to 0")
    delay_ms: float = Field(
        0.0, ge=0.0, le=MAX_DELAY_MS, description=f"ms, 0 to {MAX_DELAY_MS:g}; 3 ms is 1 m"
    )


def _check_length(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    if len(routes) > MAX_CHANNELS:
        raise ValueError(f"should have at most {MAX_CHANNELS} entries, one a channel of the device")
    if routes and all(route.plays == NONE for route in routes):
        raise ValueError("should let at least one channel of the device play something")
    return routes


Name = Annotated[str, Field(min_length=1)]
Channels = Annotated[int | Literal["auto", "mono", "stereo"], BeforeValidator(_channels)]
Routing = Annotated[tuple[Route, ...], BeforeValidator(as_tuple), AfterValidator(_check_length)]


class Output(Section):
    """Audio output."""

    device: Name | None = Field(
        None, description="part of the output device's name; blank is the default"
    )
    latency_s: float = Field(
        0.02,
        ge=0.002,
        le=1.0,
        description="seconds of latency requested from PortAudio, 0.002 to 1",
    )
    buffer_s: float = Field(
        0.025, ge=0.002, le=2.0, description="seconds of sound buffered ahead, 0.002 to 2"
    )
    volume_db: float = Field(
        0.0, ge=-80.0, le=12.0, description="dB added to the target, -80 to 12"
    )
    loudness_lufs: float = Field(
        -18.0, ge=-60.0, le=-16.0, description="LUFS, target with an open mouth, -60 to -16"
    )
    ceiling_dbtp: float = Field(
        -1.0, ge=-20.0, le=-1.0, description="dBTP, limit of the true peak, -20 to -1"
    )
    channels: Channels = Field(
        "auto",
        description="channels of the voice: auto (stereo if the device is), mono, stereo, or 1 to "
        f"{MAX_CHANNELS}",
    )
    routing: Routing = Field(
        (),
        description="what each channel of the device plays: [{plays: 1, gain_db: -3, delay_ms: 4}, "
        "{plays: sub}]",
    )
    sub_crossover_hz: float = Field(
        80.0, ge=40.0, le=250.0, description="Hz, upper edge of a channel that plays sub, 40 to 250"
    )
    follow_yaw: bool = Field(
        False, description="whether the sound moves to the side to which the head turns"
    )

    @field_validator("routing")
    @classmethod
    def _sources_exist(cls, routes: tuple[Route, ...], info: ValidationInfo) -> tuple[Route, ...]:
        channels = info.data.get("channels", "auto")
        highest = highest_source(routes)
        if channels != "auto" and highest > (n := NAMED_CHANNELS.get(channels, channels)):
            raise ValueError(f"should name channels up to {n}, as output.channels is {channels}")
        return routes


def highest_source(routes: tuple[Route, ...]) -> int:
    """The highest channel of the voice that a routing names; 0 if it names none."""
    return max((route.plays for route in routes if isinstance(route.plays, int)), default=0)


def most_voice_channels(output: Output) -> int:
    """Channels that the voice may have with these settings, on any device."""
    if output.channels != "auto":
        return NAMED_CHANNELS.get(str(output.channels), 0) or int(output.channels)
    return max(highest_source(output.routing), 1) if output.routing else AUTO_CHANNELS


def voice_channels(output: Output, device_channels: int) -> int:
    """Channels that the voice has while it plays on a device with this many channels."""
    most = most_voice_channels(output)
    automatic = output.channels == "auto" and not output.routing
    return min(most, device_channels) if automatic else most


def requested_device_channels(output: Output) -> int:
    """Channels that the device is opened with if it has them; a mono voice plays on two."""
    return len(output.routing) or max(most_voice_channels(output), 2)


def recorded_channels(output: Output) -> int:
    """Channels of a recording: one if those of the voice follow the device."""
    return 1 if output.channels == "auto" else most_voice_channels(output)
