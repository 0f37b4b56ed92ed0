"""The staff page's end of maintenance: carry a request out, or have it carried out.

Runs in the monitor's event loop. In: requests of the staff page. Out: their answers. Which requests
there are, and what becomes of them: `latent_resonance/gallery/maintenance.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latent_resonance.gallery.maintenance import (
    ANSWER,
    FOLDER_VARIABLE,
    REQUEST,
    Answer,
    Job,
    MaintenanceError,
    carry_out,
    parse_job,
    run_command,
)

POLL_S = 0.1
TIMEOUT_S = 30.0  # for an answer; the unit starts Python, and a Pi that plays is slow


class Maintenance:
    """What the staff may do here.

    Parameters
    ----------
    config : the settings file; None if there is none
    environment : of the process; in the unit it names the folders

    Attributes
    ----------
    by_unit : whether a unit of systemd carries requests out
    """

    def __init__(
        self, config: Path | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        self.config = config
        answers, state = environment.get(FOLDER_VARIABLE), environment.get("STATE_DIRECTORY")
        self._folders = (Path(state), Path(answers)) if state and answers else None
        self._one_at_a_time = asyncio.Lock()

    @property
    def by_unit(self) -> bool:
        """Whether a unit of systemd carries requests out."""
        return self._folders is not None

    async def do(self, kind: object, value: Any) -> Answer:  # noqa: ANN401  JSON of a page
        """Carry out a request, or wait until it has been.

        Raises
        ------
        MaintenanceError
            It is none, or cannot be carried out.
        """
        job = parse_job({"name": secrets.token_hex(8), "kind": kind, "value": value})
        async with self._one_at_a_time:
            answer = await (self._requested(job) if self._folders else self._done_here(job))
        if answer.error:
            raise MaintenanceError(answer.error)
        return answer

    async def _done_here(self, job: Job) -> Answer:
        if job.kind in ("restart", "journal"):
            raise MaintenanceError("this needs an installation (systemd/install.sh --monitor)")
        if self.config is None:
            raise MaintenanceError("there is no settings file; start with --config FILE")
        return await asyncio.to_thread(carry_out, job, self.config, run_command)

    async def _requested(self, job: Job) -> Answer:
        assert self._folders is not None
        requests, answers = self._folders
        beside = requests / f"{REQUEST}.new"
        beside.write_bytes(job.encode())
        beside.replace(requests / REQUEST)
        for _ in range(round(TIMEOUT_S / POLL_S)):
            await asyncio.sleep(POLL_S)
            answer = _read_answer(answers / ANSWER)
            if answer is not None and answer.name == job.name:
                return answer
        raise MaintenanceError("no answer; see: systemctl status latent-resonance-maintenance.path")


def _read_answer(path: Path) -> Answer | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    lines = tuple(content["lines"])
    return Answer(content["name"], content["error"], lines, content["settings"])
