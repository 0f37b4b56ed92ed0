"""The settings file: valid and invalid content, and its error messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotated_types import Ge, Le
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from latent_resonance.config.settings import (
    DEFAULTS,
    Settings,
    SettingsError,
    load_settings,
    socket_path_of,
)
from latent_resonance.config.validation import leaf_fields

KEYS = dict(leaf_fields(Settings))
NUMBERS = {key: field for key, field in KEYS.items() if field.annotation in (int, float)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def messages(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return caught.value.messages


def bounds(field: FieldInfo) -> tuple[float, float]:
    low = next(m.ge for m in field.metadata if isinstance(m, Ge))
    high = next(m.le for m in field.metadata if isinstance(m, Le))
    return low, high


def nested(key: str, value: object) -> str:
    """`a.b: 1` as YAML's flow style: `{a: {b: 1}}`."""
    *sections, name = key.split(".")
    text = f"{name}: {value}"
    for section in reversed(sections):
        text = f"{section}: {{{text}}}"
    return text


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n", "camera:\n", "{}"])
def test_an_empty_file_gives_the_defaults(file: Path, content: str) -> None:
    file.write_text(content)
    assert load_settings(file) == Settings() == load_settings(None)


def test_the_commented_file_holds_every_default() -> None:
    assert load_settings(DEFAULTS) == Settings()


@pytest.mark.parametrize("key", KEYS)
def test_the_commented_file_explains_every_key(key: str) -> None:
    lines = [line.strip() for line in DEFAULTS.read_text().splitlines()]
    name = key.rpartition(".")[2]
    explained = [line for line in lines if line.startswith(f"{name}:")]
    assert any(line.endswith(f"# {KEYS[key].description}") for line in explained)


def test_a_blank_key_takes_its_default(file: Path) -> None:
    file.write_text("camera:\n  width:\noutput:\n  device:\n")
    assert load_settings(file) == Settings()


def test_a_file_changes_what_it_names_and_nothing_else(file: Path) -> None:
    file.write_text("controls: {band_pass: {shape: 2}}\ncamera: {source: 2}")
    settings = load_settings(file)
    assert settings.controls.band_pass.shape == 2.0
    assert settings.controls.band_pass.output == Settings().controls.band_pass.output
    assert settings.camera.source == 2
    assert (
        settings.model_copy(update={"controls": Settings().controls, "camera": Settings().camera})
        == Settings()
    )


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().pack = "other"  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize("key", NUMBERS)
def test_every_number_is_valid_at_its_bounds_and_invalid_beyond(file: Path, key: str) -> None:
    for bound, beyond in zip(bounds(NUMBERS[key]), (-1, 1), strict=True):
        file.write_text(nested(key, bound))
        load_settings(file)
        file.write_text(nested(key, bound + beyond))
        (message,) = messages(file)
        rule = "at least" if beyond < 0 else "at most"
        assert f"{key}: {bound + beyond} should be {rule} {bound:g};" in message


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "true", "text", "'1'", "[1]", "{a: 1}"])
def test_every_number_must_be_finite(file: Path, key: str, value: str) -> None:
    file.write_text(nested(key, value))
    (message,) = messages(file)
    assert f"{key}: " in message
    assert "number" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("camera: {widht: 1}", "camera.widht: unknown key; did you mean camera.width?"),
        ("socketpath: x", "socketpath: unknown key; did you mean socket_path?"),
        ("look_ahead: 3", "look_ahead: unknown key; did you mean phase.look_ahead?"),
        ("contrls: {}", "contrls: unknown key; did you mean controls?"),
        ("output.volume_db: 1", "unknown key; write it as `output: {volume_db: …}`"),
        ("eye.one_euro.beta: 1", "unknown key; write it as `eye: {one_euro: {beta: …}}`"),
        ("phase: {xyzzy: 1}", "phase.xyzzy: unknown key; the keys are phase.look_ahead, "),
        ("pack: 3", "pack: 3 should be text"),
        ("pack: ''", "pack: '' "),
        ("eye: [1]", "eye: [1] should be a section"),
        ("eye: {allow_network: 'yes'}", "eye.allow_network: 'yes' should be true or false"),
        ("camera: {source: true}", "camera.source: True should be a number or text"),
        ("camera: {source: -1}", "camera.source: -1 should be a number or text"),
        ("inference: {providers: []}", "should be names that end with ExecutionProvider"),
        ("inference: {providers: [gpu]}", "should be names that end with ExecutionProvider"),
        ("inference: {providers: [CudaExecutionProvider]}", "did you mean CUDAExecutionProvider?"),
        ("controls: {noise: {input: [1, 1]}}", "controls.noise.input: [1, 1] should increase"),
        ("controls: {noise: {input: [0, .nan]}}", "controls.noise.input.1: nan should be a finite"),
        ("controls: {noise: {output: [0, 2]}}", "controls.noise.output.1: 2 should be at most 1"),
        ("controls: {band_pass: {output: [0, 900]}}", "output.0: 0 should be at least 20"),
        ("controls: {band_pass: {output: [350]}}", "controls.band_pass.output.1: is missing"),
        ("controls: {band_pass: {output: 350}}", "controls.band_pass.output: 350 should be a list"),
        (f"socket_path: /{'x' * 120}", "should be at most 107 bytes"),
        ("output: {channels: quad}", "output.channels: 'quad' should be auto, mono, stereo or a"),
        ("output: {channels: 9}", "output.channels: 9 should be auto, mono, stereo or a whole"),
        ("output: {channels: true}", "output.channels: True should be auto, mono, stereo or a"),
        ("output: {routing: 1}", "output.routing: 1 should be a list"),
        ("output: {routing: [left]}", "output.routing.0: 'left' should be a section"),
        ("output: {routing: [{plays: left}]}", "should be a channel from 1 to 8, mix, sub or none"),
        ("output: {routing: [{gain_db: -3}]}", "output.routing.0.plays: is missing"),
        ("output: {routing: [{plays: 1, gain_db: 1}]}", "gain_db: 1 should be at most 0"),
        ("output: {routing: [{plays: 1, delay_ms: 501}]}", "delay_ms: 501 should be at most 500"),
        ("output: {routing: [{plays: none}]}", "at least one channel of the device play something"),
        (
            f"output: {{routing: [{', '.join(['{plays: 1}'] * 9)}]}}",
            "should have at most 8 entries",
        ),
        (
            "output: {channels: stereo, routing: [{plays: 3}]}",
            "should name channels up to 2, as output.channels is stereo",
        ),
    ],
)
def test_an_invalid_value_is_reported_with_its_key_and_rule(
    file: Path, content: str, expected: str
) -> None:
    file.write_text(content)
    (message,) = messages(file)
    assert message.startswith(f"{file}: ")
    assert expected in message


def test_the_remedy_names_meaning_unit_and_default(file: Path) -> None:
    file.write_text("output: {latency_s: 9}")
    (message,) = messages(file)
    assert message.endswith(
        "seconds of latency requested from PortAudio, 0.002 to 1; leave it out for 0.02"
    )


def test_all_faults_are_reported_at_once(file: Path) -> None:
    file.write_text("pack: 3\ncamera: {width: 0, hight: 3}\nloop: {morph_s: -1}\nnonsense: 1\n")
    text = "\n".join(messages(file))
    for key in ("pack: 3", "camera.width: 0", "camera.hight", "loop.morph_s: -1", "nonsense"):
        assert key in text
    assert len(text.splitlines()) == 5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- a\n- b\n", "holds a list"),
        (b"cello", "holds a single value ('cello')"),
        (b"camera:\n\twidth: 3\n", "line 2: indented with a tab"),
        (b"a" * 10_000_000, "10000000 bytes, at most 262144 are read"),
        (b"pack: a\npack: b\n", "line 2: 'pack' is already set in line 1"),
        (b"camera: {width: 640, width: 320}", "'width' is already set"),
        (b"pack: &a x\nsocket_path: *a\n", "line 2: an alias"),
        (b"a: " + b"[" * 100_000, "nested more than 8 levels"),
        (b"camera: {width: 1", "not YAML"),
        (b"pack: !!python/object/apply:os.getcwd []", "line 1: a tag (!!python/object"),
        (b"packs: !!set {a, b}", "line 1: a tag (!!set)"),
        (b"output: !!map [1]", "line 1: a tag (!!map)"),
        (b"pack: 2024-13-45", "line 1: '2024-13-45' is no timestamp"),
        (b"? [a]\n: 3\n", "line 1: a list or section as a key"),
        (b"pack: {{ name }}\n", "line 1: a list or section as a key"),
        (b"pack: 'a\n\nquality: low\n", "a quotation mark in line 1 is not closed"),
        (b"pack: a\npacks: [a,\nquality: low\n", "a bracket that is opened in line 2"),
        (b'pack: "C:\\music"\n', "a backslash is written"),
        (b"pack: \xe2\x80\x9ccello\xe2\x80\x9d\n", "is no quotation mark to YAML"),
        (b"a: 1\npack: a\xe2\x80\xa8b: c\n", "line 2: column 8: U+2028"),
        (b"a: 1\n---\nb: 2\n", "not YAML"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"pack: \x00", "line 1: column 7: U+0000"),
    ],
)
def test_a_file_that_is_not_a_settings_file_is_reported_in_one_line(
    file: Path, content: bytes, expected: str
) -> None:
    file.write_bytes(content)
    (message,) = messages(file)
    assert expected in message
    assert message.count("\n") == 0
    assert len(message) < len(str(file)) + 200


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_encodings_of_text_editors_are_read(file: Path, encoding: str) -> None:
    file.write_bytes("pack: voices\r\noutput:\r\n  volume_db: -3\r\n".encode(encoding))
    settings = load_settings(file)
    assert (settings.pack, settings.output.volume_db) == ("voices", -3.0)


@pytest.mark.parametrize(
    ("text", "value"), [("-3e0", -3.0), ("-.5", -0.5), ("1E+1", 10.0), ("5.", 5.0), ("+2", 2.0)]
)
def test_numbers_are_read_as_in_yaml_1_2(file: Path, text: str, value: float) -> None:
    file.write_text(f"output: {{volume_db: {text}}}")
    assert load_settings(file).output.volume_db == value


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("monitor: {port: 1:30}", "monitor.port: '1:30' should be a whole number"),
        ("hours: {daily: [10:00, 18:00]}", "['10:00', '18:00'] should be hours"),
        ("output: {volume_db: '-3,5'}", "should be a number: write -3.5;"),
        ("output: {volume_db: \u22123 dB}", "should be a number: write -3;"),
        ("output: {volume_db: \uff13}", "should be a number: write 3;"),
        ("pack: 2024-01-01", "pack: 2024-01-01 should be text"),
        ("on: 1", "on: unknown key; the keys are pack, packs"),
        ("output: {5: 1}", "output.5: unknown key; the keys are output.device"),
        ("2024-01-01: 1", "2024-01-01: unknown key"),
        ("p\u0430ck: cello", "(it has U+0430 CYRILLIC SMALL LETTER A); did you mean pack?"),
        ('"pa\u200bck": cello', "'pa\\u200bck': unknown key (it has U+200B"),
        ('"a\\nb": 1', "'a\\nb': unknown key"),
        ("output: {<<: {volume_db: -3}}", "output.<<: unknown key"),
    ],
)
def test_a_key_and_a_value_are_shown_as_they_are_written(
    file: Path, content: str, expected: str
) -> None:
    file.write_text(content)
    (message,) = messages(file)
    assert expected in message
    assert "\n" not in message


def test_thousands_of_faults_are_reported_in_a_few_lines(file: Path) -> None:
    file.write_text("".join(f"k{number}: 1\n" for number in range(5000)))
    found = messages(file)
    assert len(found) == 21
    assert "4980 more faults" in found[-1]
    assert max(map(len, found)) < len(str(file)) + 200


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    assert "no such file" in messages(tmp_path / "none.yaml")[0]
    assert "is not a file" in messages(tmp_path)[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([*KEYS, *Settings.model_fields]), JSON, min_size=1))
def test_any_content_gives_settings_or_messages(content: dict[str, object]) -> None:
    from latent_resonance.config.validation import error_messages

    tree: dict[str, object] = {}
    for key, value in content.items():
        *sections, name = key.split(".")
        here = tree
        for section in sections:
            inner = here.setdefault(section, {})
            if not isinstance(inner, dict):
                break
            here = inner
        here[name] = value
    try:
        Settings.model_validate(tree)
    except ValidationError as error:
        found = error_messages(error, Settings)
        assert found
        assert all(sentence.split(":")[0] for sentence in found)


def test_socket_path_in_the_settings_has_precedence(file: Path) -> None:
    file.write_text("socket_path: /run/x/face.sock")
    assert socket_path_of(load_settings(file)) == Path("/run/x/face.sock")


def test_a_user_session_uses_its_runtime_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_path_of(Settings()) == tmp_path / "latent-resonance" / "face.sock"


def test_a_unit_uses_its_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/latent-resonance")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_path_of(Settings()) == Path("/run/latent-resonance/face.sock")


def test_without_a_session_the_socket_path_is_the_same_for_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert socket_path_of(Settings()) == socket_path_of(Settings())
    assert "latent-resonance" in str(socket_path_of(Settings()))
