"""Camera, face and speaker: tried out, or asked of the eye and the voice that hold them."""

from __future__ import annotations

from latent_resonance.doctor.check import FAIL, OK, WARN, Check, ProbeResult, check_from_result

NO_CAMERA = "plug one in, set camera.source, or stop what holds it; until then the score plays"
NO_FACE = "stand before it, half a metre to two metres away, with light on the face, and try again"
NO_SPEAKER = "connect one, or set output.device (see `latent-resonance devices`)"
HELD = "stop what plays first: sudo systemctl stop latent-resonance.target (and start it after)"


def check_camera(found: ProbeResult) -> Check:
    """A camera is there and free."""
    return check_from_result("camera", _without_advice(found), WARN, NO_CAMERA)


def check_face(found: ProbeResult) -> Check:
    """Somebody before the camera can be seen."""
    return check_from_result("face", found, WARN, NO_FACE)


def camera_of_eye(status: str) -> Check:
    """What the eye says that runs now, and has the camera."""
    well = status.startswith(("seeing", "closed"))
    detail = f"the eye has it: {status or 'it has not said anything yet'}"
    return Check("camera", OK, detail) if well else Check("camera", WARN, detail, NO_CAMERA)


def face_of_voice(status: str) -> Check:
    """Whether the voice that runs now is told of a visitor."""
    if "for a visitor" in status:
        return Check("face", OK, "a visitor is seen")
    return Check("face", WARN, "nobody is seen at present", NO_FACE)


def check_speaker(found: ProbeResult) -> Check:
    """A speaker is there."""
    return check_from_result("speaker", _without_advice(found), WARN, NO_SPEAKER)


def speaker_of_voice(status: str) -> Check:
    """What the voice says that runs now, and has the speaker."""
    heard = status != "" and "unheard" not in status
    detail = f"the voice has it: {status or 'it has not said anything yet'}"
    return Check("speaker", OK, detail) if heard else Check("speaker", WARN, detail, NO_SPEAKER)


def reference_tone(found: ProbeResult, *, held: bool) -> Check:
    """A tone was played; whether it was heard only a person can say."""
    check = check_from_result("tone", _without_advice(found), FAIL, HELD if held else NO_SPEAKER)
    if check.verdict == OK:
        remedy = "not heard? look at amplifier, cable and volume (alsamixer), then output.device"
        return Check("tone", OK, check.detail, remedy)
    return check


def _without_advice(found: ProbeResult) -> ProbeResult:
    """An error's line is "what is wrong; what to do", and the doctor knows more of the latter."""
    return ProbeResult(found.code, found.line.partition("; ")[0])
