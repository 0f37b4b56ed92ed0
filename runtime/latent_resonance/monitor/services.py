"""What the handlers of the monitor's requests share."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from latent_resonance.monitor.addresses import Proxies
from latent_resonance.monitor.auth import Authenticator
from latent_resonance.monitor.broadcast import Broadcaster
from latent_resonance.monitor.maintenance import Maintenance
from latent_resonance.monitor.metrics import Metrics
from latent_resonance.monitor.quota import Quota
from latent_resonance.monitor.refusals import Refusals
from latent_resonance.monitor.takes import Takes
from latent_resonance.monitor.teaching import Teaching
from latent_resonance.monitor.voice_client import VoiceClient


@dataclass
class Services:
    """What the request handlers use.

    Attributes
    ----------
    names : host names of this machine
    pages : bounds the open pages
    max_hz : top of the frequency axis of the live spectrogram
    proxies : reverse proxies that are believed
    refusals : counts what is refused
    wall_language : of the live spectrogram's page; None is the browser's
    wall_palette : of the live spectrogram; None is the one last chosen in that browser
    maintenance : what the staff may do to the machine
    takes : recordings of the sound
    """

    broadcaster: Broadcaster
    voice: VoiceClient
    authenticator: Authenticator
    teaching: Teaching
    takes: Takes
    metrics: Metrics
    names: frozenset[str]
    pages: Quota
    max_hz: float
    proxies: Proxies = field(default_factory=Proxies)
    refusals: Refusals = field(default_factory=Refusals)
    wall_language: str | None = None
    wall_palette: str | None = None
    maintenance: Maintenance = field(default_factory=Maintenance)

    def client(self, request: web.BaseRequest) -> str:
        """Address of the client, behind a trusted proxy too."""
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        return self.proxies.client(request.remote or "", forwarded_for)
