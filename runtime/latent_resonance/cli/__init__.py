"""The commands: each parses its options, calls one function and sets the exit code.

Whatever is heavy is imported inside the command that needs it, so that `--help` answers at
once and the eye can give up its network before MediaPipe is there.
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
from latent_resonance.cli.monitor import monitor
from latent_resonance.cli.options import (
    FILE,
    NEW_FILE,
    config_option,
    keep_apart,
    pack_option,
    seconds_option,
    seed_option,
    unattended_option,
)
from latent_resonance.cli.terminal import leave_with_the_parent, log, progress_bar, run
from latent_resonance.config.load import read_settings, settings_to_begin_with

if TYPE_CHECKING:
    from latent_resonance.config.settings import Settings

PAGE = """\
A silent face becomes sound.

A camera watches a face that moves without a sound; its energy steers a trained generator,
and what that dreams is played. No image is shown, stored or sent.

\b
Hear it now, without camera or speaker:
  latent-resonance render -o take.wav --picture take.png

\b
Turn a clip of a face into sound:
  latent-resonance render face.mp4 -o face.wav

\b
Perform with the camera and the speaker of this machine:
  latent-resonance perform

\b
Something is not as it should be:
  latent-resonance doctor
"""
CODES = """\
\b
Exit codes:
  0    all went well
  1    it could not be done; one line says why and what to do
  2    wrong usage, or settings that are not valid
  78   the eye may not see here: its network cannot be given up
  130  interrupted with Ctrl-C (143: with SIGTERM)
"""


@click.group(
    help=PAGE,
    epilog=CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 92},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """See PAGE; click shows that."""


@commands.command(short_help="Turn a clip, a score, or nothing at all into a WAV.")
@click.argument("clip", type=FILE, required=False)
@click.option("-o", "--output", type=NEW_FILE, required=True, metavar="WAV", help="Where to write.")
@click.option("--picture", type=NEW_FILE, metavar="PNG", help="Also draw what was played.")
@pack_option
@config_option
@seconds_option
@seed_option
def render(
    clip: Path | None,
    output: Path,
    picture: Path | None,
    pack: str | None,
    config: Path | None,
    **options: Any,
) -> None:
    """Turn CLIP into sound, faster than real time.

    CLIP is any video, or a score: a CSV with the columns time_s, presence and any of the
    features. Without a CLIP the bundled score plays. The same input and seed give the same
    bytes. The picture is the spectrogram of what was played, never of who played.

    \b
    Examples:
      latent-resonance render -o take.wav --picture take.png
      latent-resonance render face.mp4 -o face.wav --seconds 20
      latent-resonance render score.csv -o score.wav --pack models/cello --seed 7
    """
    keep_apart(clip, output, picture, config)
    settings = read_settings(config, pack)
    from latent_resonance.render import render as render_take

    with progress_bar("rendering") as progress:
        report = render_take(clip, output, settings, picture=picture, progress=progress, **options)
    if clip is not None and report.visited == 0.0:
        log(f"no face in {clip}: it plays the score of the attract mode")
    log(
        f"{output}: {report.seconds:.1f} s, peak {report.peak_db:.1f} dBFS, "
        f"RMS {report.rms_db:.1f} dBFS, {report.times_real_time:.1f} × real time, "
        f"networks on {report.provider}"
    )


@commands.command(short_help="Write the score of a clip: its movement, not its face.")
@click.argument("clip", type=FILE)
@click.option("-o", "--output", type=NEW_FILE, required=True, metavar="CSV", help="Where to write.")
@config_option
def features(clip: Path, output: Path, config: Path | None) -> None:
    """Write the score of CLIP: presence and features over time, and nothing else of it.

    A score can be rendered, edited, and played as attract mode (attract.score in the
    settings). It holds sixteen numbers for each image and no picture.

    \b
    Examples:
      latent-resonance features face.mp4 -o face.csv
      latent-resonance render face.csv -o face.wav
    """
    keep_apart(clip, output, config)
    settings = read_settings(config)
    from latent_resonance.eye.camera.camera import duration_of_clip_s
    from latent_resonance.eye.main import states_of_clip
    from latent_resonance.score import write_score

    length_ns = 1e9 * (duration_of_clip_s(clip) or math.inf)
    with progress_bar("watching") as progress:

        def states() -> Iterator[Any]:
            for state in states_of_clip(clip, settings):
                progress(min(state.time_ns / length_ns, 1.0))
                yield state

        rows = write_score(output, states())
    log(f"{output}: {rows} rows")


def _voice_options(command: Callable[..., None]) -> Callable[..., None]:
    """What `perform` and `voice` have in common."""
    record = click.option(
        "--record", type=NEW_FILE, metavar="WAV", help="Also write what is played."
    )
    options = (unattended_option, seed_option, record, seconds_option, config_option, pack_option)
    for option in options:
        command = option(command)
    return command


def _play(pack: str | None, config: Path | None, *, unattended: bool, **options: Any) -> NoReturn:
    settings, refused = settings_to_begin_with(config, pack, unattended=unattended, log=log)
    from latent_resonance.voice.main import perform as play

    def read() -> Settings:
        return read_settings(config, pack)

    options |= {"unattended": unattended, "refused": refused}
    sys.exit(play(settings, config=config, read=read, log=log, **options))


@commands.command(short_help="Play live: camera in, sound out.")
@click.option("--monitor", is_flag=True, help="Also serve the picture and the staff's page.")
@_voice_options
def perform(**options: Any) -> None:
    """Perform until Ctrl-C: the eye watches in a process of its own, the voice plays.

    Without a camera the score plays, and the eye keeps looking for one. Without a speaker the
    performance goes on in silence, --record still records it, and the voice keeps looking for
    one.

    \b
    Examples:
      latent-resonance perform
      latent-resonance perform --config gallery.yaml
      latent-resonance perform --seconds 30 --record take.wav
      latent-resonance perform --monitor
    """
    _play(**options, with_eye=True)


@commands.command(short_help="The sounding half of perform, for systemd.")
@_voice_options
def voice(**options: Any) -> None:
    """Play what an eye sends that was started elsewhere; the score until one does."""
    _play(**options, with_eye=False)


@commands.command(short_help="The seeing half of perform, for systemd.")
@config_option
@unattended_option
@click.option("--socket", type=FILE, metavar="PATH", help="Where the voice listens.")
@click.option("--child", is_flag=True, hidden=True, help="Started by perform: leave with it.")
def eye(config: Path | None, socket: Path | None, unattended: bool, child: bool) -> None:
    """Watch the camera and tell a voice that was started elsewhere what the face does.

    The eye gives up its network before it looks, opens no file for writing, and sends
    sixteen numbers for each image to a Unix socket.
    """
    if child:
        leave_with_the_parent()
    settings, refused = settings_to_begin_with(config, None, unattended=unattended, log=log)
    from latent_resonance.config.settings import socket_path_of
    from latent_resonance.eye.main import watch

    stop = threading.Event()
    for number in (signal.SIGTERM,) if child else (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    meeting = socket or socket_path_of(settings)
    sys.exit(watch(settings, meeting, stop, config=config, refused=refused))


@commands.command(short_help="List the speakers of this machine.")
def devices() -> None:
    """List the speakers that PortAudio finds; any part of a name will do as output.device."""
    from latent_resonance.voice.output.portaudio_process import list_devices

    found = list_devices()
    if not found:
        log("no speaker found; connect one and try again")
    for device in found:
        mark = "*" if device.is_default else " "
        rate = f"{device.default_sample_rate:.0f} Hz"
        click.echo(f"{mark} {device.index:>2}  {device.name}  ({device.host_api}, {rate})")


@commands.command(short_help="Say what is wrong with this machine, and what to do.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of checks.")
@click.option("--tone", is_flag=True, help="Also play a tone: can it be heard?")
def doctor(config: Path | None, as_json: bool, tone: bool) -> None:
    """Check the program, camera, speaker, the machine, the units and the wall between them.

    Without --config: the settings of /etc/latent-resonance, if there are any. Each line is ok,
    warn or fail. A missing camera or speaker is a warning, for the instrument plays without;
    what keeps it from playing fails, and the exit code is 1. As root it sees more.

    \b
    Examples:
      sudo latent-resonance doctor
      sudo latent-resonance doctor --tone
      latent-resonance doctor --json --config gallery.yaml
    """
    from latent_resonance.doctor import FAIL, examine

    checks = examine(config, tone=tone)
    if as_json:
        click.echo(json.dumps([check.as_dict() for check in checks], indent=2))
    else:
        for check in checks:
            click.echo(check.as_text())
    sys.exit(int(any(check.verdict == FAIL for check in checks)))


@commands.command(short_help="Print every setting with its default, as a file to start from.")
def settings() -> None:
    """Print every setting with its unit, range and default.

    \b
    Examples:
      latent-resonance settings > gallery.yaml
      latent-resonance perform --config gallery.yaml
    """
    from latent_resonance.config.settings import DEFAULTS

    click.echo(DEFAULTS.read_text(encoding="utf-8"), nl=False)


commands.add_command(bench)
commands.add_command(monitor)


def main() -> None:
    """The entry point."""
    run(commands, "latent-resonance")
