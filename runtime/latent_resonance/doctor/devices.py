"""Camera, face and speaker: probed, or from the status lines of the eye and voice that use them."""

from __future__ import annotations

from latent_resonance.doctor.check import FAIL, OK, WARN, Check, ProbeResult, check_from_result
from latent_resonance.linux import device_access

NO_CAMERA = "connect one, set camera.source, or stop what uses it; until then the score plays"
NO_FACE = "stand 0.5 to 2.5 m from the camera, with light on the face, and try again"
NO_SPEAKER = "connect one, or set output.device (see `latent-resonance devices`)"
IN_USE = "stop the instrument first: sudo systemctl stop latent-resonance.target (start it after)"
NO_STATUS = "no status yet"


def check_camera(result: ProbeResult) -> Check:
    """Whether a camera is connected and free."""
    return check_from_result("camera", _without_remedy(result), WARN, _remedy(result, NO_CAMERA))


def check_face(result: ProbeResult) -> Check:
    """Whether a face in front of the camera is detected."""
    return check_from_result("face", result, WARN, NO_FACE)


def camera_from_status(status: str) -> Check:
    """The camera, from the status line of the running eye."""
    works = status.startswith(("seeing", "closed"))
    detail = f"used by the eye: {status or NO_STATUS}"
    return Check("camera", OK, detail) if works else Check("camera", WARN, detail, NO_CAMERA)


def face_from_status(status: str) -> Check:
    """The face, from the status line of the running voice."""
    if "for a visitor" in status:
        return Check("face", OK, "a visitor is detected")
    return Check("face", WARN, "no visitor at present", NO_FACE)


def check_speaker(result: ProbeResult) -> Check:
    """Whether the configured speaker is connected."""
    return check_from_result("speaker", _without_remedy(result), WARN, _remedy(result, NO_SPEAKER))


def speaker_from_status(status: str) -> Check:
    """The speaker, from the status line of the running voice."""
    works = status != "" and "no speaker" not in status
    detail = f"used by the voice: {status or NO_STATUS}"
    return Check("speaker", OK, detail) if works else Check("speaker", WARN, detail, NO_SPEAKER)


def check_tone(result: ProbeResult, *, in_use: bool) -> Check:
    """Whether a tone was played; if it was audible, only a person can tell."""
    remedy = IN_USE if in_use else NO_SPEAKER
    check = check_from_result("tone", _without_remedy(result), FAIL, remedy)
    if check.verdict == OK:
        remedy = "not audible? check amplifier, cable and volume (alsamixer), then output.device"
        return Check("tone", OK, check.detail, remedy)
    return check


def _remedy(result: ProbeResult, usual: str) -> str:
    """The remedy for a device that may not be opened is another than for one that is missing."""
    return device_access.REMEDY if device_access.REMEDY in result.line else usual


def _without_remedy(result: ProbeResult) -> ProbeResult:
    """Drop what follows the semicolon of an error message; the check has its own remedy."""
    return ProbeResult(result.code, result.line.partition("; ")[0])
