"""Where the visitor stands: a camera of `fakecam.c`, a sound card of air, and the instrument."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import yaml
from tests.support.pulse_server import compiled, environment_in
from tests.system.soaking.camera import OPEN, REST, SimulatedCamera

from latent_resonance import LatentResonanceError
from latent_resonance.bench.motion import OVERRIDES, deep_merge
from latent_resonance.bench.onsets import Recording, read_tape

HERE = Path(__file__).parent
FAKECAM = HERE.parents[1] / "system" / "fakecam.c"
SETTLE_S = 8.0  # until the visitor is detected and greeted, and the neutral face is known
OPEN_S, CLOSED_S = 0.75, (0.9, 1.0)  # durations of an open and a closed mouth
THRESHOLD = 0.38  # of mouth_open, between the photograph at rest (0.3) and opened (0.66)
SETTINGS = {
    "camera": {"source": "C920"},
    # The photograph smiles: its mouth_open at rest is 0.3, which counts as closed here.
    "controls": {
        "band_pass": OVERRIDES["controls"]["band_pass"] | {"input": [0.36, 0.6]},
        "noise": {"output": [0.0, 0.0]},
        "clarity": {"output": [0.0, 0.0]},
    },
    # A new face is a new z at once: this measures the signal path, not an artist's glide time.
    "latent": {"glide_s": 0.001, "jitter": 0.0},
    "loop": OVERRIDES["loop"],
    "output": {"device": "air"},
}


class RigError(LatentResonanceError):
    """The measurement is not possible here; the message has the remedy."""


def install_virtual_card(folder: Path) -> None:
    """Install the virtual sound card for ALSA programs with this folder as home."""
    if shutil.which("cc") is None:
        raise RigError("a C compiler is not installed: apt install gcc libc6-dev")
    plugin = folder / "libasound_module_pcm_air.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-DPIC", "-o", plugin, HERE / "virtual_card.c"]
    done = subprocess.run([*command, "-lasound"], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[0]
        raise RigError(
            f"the virtual sound card cannot be built: apt install libasound2-dev ({reason})"
        )
    (folder / ".asoundrc").write_text(
        f'pcm_type.air {{ lib "{plugin}" }}\npcm.air {{ type air tape "{folder}/tape" }}\n'
    )


class MotionRig:
    """The instrument with a simulated camera and sound card; `close` ends everything.

    Parameters
    ----------
    folder : for all files; its path must be short, since it holds a socket
    pack : that is played
    settings : override those of the measurement
    """

    def __init__(self, folder: Path, pack: Path, settings: dict[str, object]) -> None:
        self.folder, self.stack = folder, ExitStack()
        install_virtual_card(folder)
        self.camera = SimulatedCamera(folder)
        self.camera.show(REST)
        config = folder / "settings.yaml"
        own = {"pack": str(pack), "socket_path": str(folder / "run" / "face.sock")}
        config.write_text(yaml.safe_dump(own | deep_merge(SETTINGS, settings)))
        camera_variables = {
            "LD_PRELOAD": str(compiled(FAKECAM, folder)),
            "FAKECAM_RAW": str(self.camera.images),
            "FAKECAM_CTL": str(self.camera.control_file),
            "FAKECAM_LOG": str(folder / "taken"),
        }
        self.log_file = folder / "said"
        with self.log_file.open("wb") as log_file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "latent_resonance", "perform", "--config", str(config)],
                env=environment_in(folder) | camera_variables,
                stderr=log_file,
            )
        self.stack.callback(self.process.wait)
        self.stack.callback(self.process.kill)

    def gestures(self, count: int) -> Iterator[float]:
        """Open the mouth `count` times at irregular intervals; yield the monotonic times."""
        rng = np.random.default_rng(1)
        time.sleep(SETTLE_S)
        for _ in range(count):
            if self.process.poll() is not None:
                raise RigError(f"the instrument has ended: {self.log_file.read_text().strip()}")
            opened_s = time.monotonic()
            self.camera.show(OPEN)
            time.sleep(OPEN_S)
            self.camera.show(REST)
            time.sleep(rng.uniform(*CLOSED_S))
            yield opened_s

    def stop(self) -> str:
        """Stop `perform`; return the line with its totals."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        lines = self.log_file.read_text().splitlines()
        return next((line for line in lines if line.startswith("played ")), lines[-1])

    def image_times_s(self) -> np.ndarray:
        """Times of the images."""
        return np.fromfile(self.folder / "taken", np.int64) / 1e9

    def recording(self) -> Recording:
        """What the card has played, with silence in gaps."""
        return read_tape((self.folder / "tape").read_bytes())

    def close(self) -> None:
        """End all processes."""
        self.stack.close()


def underflows_of(totals: str) -> int:
    """The number of underflows in the line with totals."""
    found = re.search(r"(\d+) underflows", totals)
    return int(found[1]) if found else 0


def short_folder() -> str:
    """A folder with a short path, for sockets."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
