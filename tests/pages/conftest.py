"""A browser, and a monitor in this process whose pages it opens: one of each for a file of tests.

Not for the whole session: while Playwright runs, no other test of the process can run an event
loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import write_pack
from tests.support.gallery_process import launch_browser, skip_without_browser
from tests.support.monitor_pages import MonitorPages, monitor_pages


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    skip_without_browser()
    with launch_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitorPages]:
    folder = tmp_path_factory.mktemp("monitor")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(folder / "state"))
        environment.setenv("LATENT_RESONANCE_MODELS", str(folder))
        (folder / "cello").mkdir()
        write_pack(folder / "cello", name="cello")
        with monitor_pages(folder, chromium) as running:
            yield running
