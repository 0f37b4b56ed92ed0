"""The commands: each parses its options, calls one function and sets the exit code.

Heavy modules are imported inside the commands that need them, so that `--help` is fast and the
eye can drop its network access before MediaPipe is imported.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from latent_resonance import __version__
from latent_resonance.cli.bench import bench
from latent_resonance.cli.maintain import maintain
from latent_resonance.cli.monitor import monitor
from latent_resonance.cli.options import (
    FILE,
    NEW_FILE,
    NEW_WAV,
    config_option,
    pack_option,
    require_distinct,
    seconds_option,
    seed_option,
    unattended_option,
)
from latent_resonance.cli.packs import packs
from latent_resonance.cli.terminal import (
    exit_with_parent,
    log,
    progress_bar,
    run,
)
from latent_resonance.config.limits import MAX_CHANNELS
from latent_resonance.config.load import initial_settings, read_settings

if TYPE_CHECKING:
    from latent_resonance.config.settings import Settings

PAGE = """\
A silent face becomes sound.

A camera tracks a face that moves without a sound; the energy of its movement controls a
trained generator of spectrograms, which are turned into sound in real time. No image is
shown, stored or sent.

\b
Listen to it now, without a camera:
  latent-resonance render -o take.wav --picture take.png

\b
Turn a video of a face into sound:
  latent-resonance render face.mp4 -o face.wav

\b
Perform with the camera and the speaker of this machine:
  latent-resonance perform

\b
Find out what is wrong:
  latent-resonance doctor
"""
CODES = """\
\b
Exit codes:
  0    success
  1    failure; one line gives the reason and the remedy
  2    wrong usage, or invalid settings
  78   the eye refuses to run: its network access cannot be dropped
  130  interrupted with Ctrl-C before it was complete (143: with SIGTERM); nothing is written.
       perform, voice, eye and monitor end on either signal with 0
"""


@click.group(
    help=PAGE,
    epilog=CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 92},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """The command group; its help text is PAGE."""


@commands.command(short_help="Render a clip, a score, or the bundled score to a WAV.")
@click.argument("clip", type=FILE, required=False)
@click.option("-o", "--output", type=NEW_WAV, required=True, metavar="WAV", help="Output file.")
@click.option("--picture", "plot", type=NEW_FILE, metavar="PNG", help="Also plot the spectrogram.")
@pack_option
@config_option
@seconds_option
@seed_option
@click.option(
    "--channels",
    type=click.IntRange(1, MAX_CHANNELS),
    default=1,
    show_default="1",
    metavar="N",
    help=f"Channels of the WAV, 1 to {MAX_CHANNELS}, uncorrelated with each other.",
)
def render(
    clip: Path | None,
    output: Path,
    plot: Path | None,
    pack: str | None,
    config: Path | None,
    **options: Any,
) -> None:
    """Turn CLIP into sound, faster than real time.

    CLIP is any video, or a score: a CSV with the columns time_s, presence and any of the
    features. Without CLIP it renders the bundled score. The same input and seed give the same
    bytes. The plot shows the spectrogram of the sound and no image of the face.

    \b
    Examples:
      latent-resonance render -o take.wav --picture take.png
      latent-resonance render face.mp4 -o face.wav --seconds 20 --channels 2
      latent-resonance render score.csv -o score.wav --pack models/cello --seed 7
    """
    require_distinct(clip, output, plot, config)
    settings = read_settings(config, pack)
    from latent_resonance.rendering import render as render_take

    with progress_bar("rendering") as progress:
        report = render_take(clip, output, settings, plot=plot, progress=progress, **options)
    if clip is not None and report.visited == 0.0:
        log(f"no face in {clip}: rendered the score of the attract mode")
    log(
        f"{output}: {report.seconds:.1f} s, peak {report.peak_db:.1f} dBFS, "
        f"RMS {report.rms_db:.1f} dBFS, {report.times_real_time:.1f} × real time, "
        f"networks on {report.provider}"
    )


@commands.command(short_help="Extract the score of a clip: facial movement over time, no image.")
@click.argument("clip", type=FILE)
@click.option("-o", "--output", type=NEW_FILE, required=True, metavar="CSV", help="Output file.")
@config_option
def features(clip: Path, output: Path, config: Path | None) -> None:
    """Extract the score of CLIP: presence and features over time.

    A score can be rendered, edited, and played as attract mode (attract.score in the
    settings). It holds sixteen numbers per image and no image.

    \b
    Examples:
      latent-resonance features face.mp4 -o face.csv
      latent-resonance render face.csv -o face.wav
    """
    require_distinct(clip, output, config)
    settings = read_settings(config)
    from latent_resonance.eye.camera.clip import duration_of_clip_s
    from latent_resonance.eye.main import states_of_clip
    from latent_resonance.score import write_score

    length_ns = 1e9 * (duration_of_clip_s(clip) or math.inf)
    with progress_bar("tracking") as progress:

        def states() -> Iterator[Any]:
            for state in states_of_clip(clip, settings):
                progress(min(state.time_ns / length_ns, 1.0))
                yield state

        rows = write_score(output, states())
    log(f"{output}: {rows} rows")


def _voice_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `perform` and `voice` share."""
    record = click.option("--record", type=NEW_WAV, metavar="WAV", help="Also record the output.")
    options = (unattended_option, seed_option, record, seconds_option, config_option, pack_option)
    for option in options:
        command = option(command)
    return command


def _perform(
    pack: str | None, config: Path | None, *, unattended: bool, **options: Any
) -> NoReturn:
    settings, error, _ = initial_settings(config, pack, unattended=unattended, log=log)
    from latent_resonance.voice.pack_loader import PackLoader, limit_memory_of_networks

    if unattended and not options["with_eye"]:  # an eye would inherit the limit
        limit_memory_of_networks(settings.inference)
    loader = PackLoader(settings)  # works while the next lines import
    from latent_resonance.config.source import SettingsSource
    from latent_resonance.voice.main import perform as run_voice

    def read() -> Settings:
        return read_settings(config, pack)

    source = SettingsSource(read, config, unattended, error, log)
    sys.exit(run_voice(settings, source, loader, **options))


@commands.command(short_help="Play live: camera in, sound out.")
@click.option("--monitor", is_flag=True, help="Also serve the spectrogram and the staff page.")
@_voice_options
def perform(**options: Any) -> None:
    """Perform until Ctrl-C: the eye tracks faces in its own process, the voice plays.

    Without a camera the score plays while the eye looks for one. Without a speaker the
    performance continues in silence, and --record still records it, while the voice looks for
    one.

    \b
    Examples:
      latent-resonance perform
      latent-resonance perform --config gallery.yaml
      latent-resonance perform --seconds 30 --record take.wav
      latent-resonance perform --monitor
    """
    _perform(**options, with_eye=True)


@commands.command(short_help="The voice process of perform, for systemd.")
@_voice_options
def voice(**options: Any) -> None:
    """Play for an eye that is started separately; until it sends a face, play the score."""
    _perform(**options, with_eye=False)


@commands.command(short_help="The eye process of perform, for systemd.")
@config_option
@unattended_option
@click.option("--socket", type=FILE, metavar="PATH", help="Socket of the voice.")
@click.option("--child", is_flag=True, hidden=True, help="Started by perform: exit with it.")
def eye(config: Path | None, socket: Path | None, unattended: bool, child: bool) -> None:
    """Track faces in the camera's images and send features to a voice started separately.

    The eye drops its network access before it opens the camera, writes no file, and sends
    sixteen numbers per image to a Unix socket.
    """
    if child:
        exit_with_parent()
    initial = initial_settings(config, None, unattended=unattended, log=log)
    from latent_resonance.config.settings import socket_path_of
    from latent_resonance.eye.main import run_eye

    stop = threading.Event()
    for number in (signal.SIGTERM,) if child else (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    voice_socket = socket or socket_path_of(initial.settings)
    sys.exit(run_eye(initial, voice_socket, stop, config=config))


@commands.command(short_help="List the speakers of this machine.")
def devices() -> None:
    """List the speakers that PortAudio finds; output.device may be any part of a name."""
    from latent_resonance.voice.output.portaudio_process import list_devices

    found = list_devices()
    if not found:
        log("no speaker found; connect one and try again")
    for device in found:
        mark = "*" if device.is_default else " "
        rate = f"{device.default_sample_rate:.0f} Hz"
        click.echo(f"{mark} {device.index:>2}  {device.name}  ({device.host_api}, {rate})")


@commands.command(short_help="Diagnose this machine and suggest remedies.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.option("--tone", is_flag=True, help="Also play a tone on each speaker in turn.")
@click.option(
    "--bundle",
    type=NEW_FILE,
    metavar="ZIP",
    help="Also write a file to be mailed: versions, settings without secrets, journal, checks, "
    "and a minute of figures.",
)
def doctor(config: Path | None, as_json: bool, tone: bool, bundle: Path | None) -> None:
    """Check the program, camera, speaker, machine, systemd units and their sandboxes.

    Without --config it uses the settings in /etc/latent-resonance, if there are any. Each line
    is ok, warn or fail. A missing camera or speaker is a warning, since the instrument plays
    without; a fault that keeps it from playing is a failure, and the exit code is 1. As root
    it checks more.

    \b
    Examples:
      sudo latent-resonance doctor
      sudo latent-resonance doctor --tone
      latent-resonance doctor --json --config gallery.yaml
      sudo latent-resonance doctor --bundle machine.zip
    """
    from latent_resonance.doctor import FAIL, run_checks, write_bundle_of

    checks = run_checks(config, tone=tone)
    if bundle is not None:
        log(f"collecting figures for a minute; {bundle} is written then")
        write_bundle_of(bundle, config, checks)
    if as_json:
        click.echo(json.dumps([check.as_dict() for check in checks], indent=2))
    else:
        for check in checks:
            click.echo(check.as_text())
    sys.exit(int(any(check.verdict == FAIL for check in checks)))


@commands.command(short_help="Print all settings with their defaults, as a file to start from.")
def settings() -> None:
    """Print all settings with their unit, range and default.

    \b
    Examples:
      latent-resonance settings > gallery.yaml
      latent-resonance perform --config gallery.yaml
    """
    from latent_resonance.config.settings import DEFAULTS

    click.echo(DEFAULTS.read_text(encoding="utf-8"), nl=False)


commands.add_command(bench)
commands.add_command(maintain)
commands.add_command(monitor)
commands.add_command(packs)


def main() -> None:
    """The entry point."""
    run(commands, "latent-resonance")
