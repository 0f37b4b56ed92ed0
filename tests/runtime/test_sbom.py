"""The bill of materials of the repository, and its comparison with known vulnerabilities."""

from __future__ import annotations

import json
import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.support.scripts import load_script

ROOT = Path(__file__).parents[2]


sbom = load_script(".ci/sbom.py")


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    assert sbom.main(["write", str(path)]) == 0
    return dict(json.loads(path.read_text()))


def test_every_locked_package_is_listed_with_its_version_and_hashes(bill: dict[str, Any]) -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    listed = {(each["name"], each["version"]) for each in bill["components"]}
    listed.add(("latent-resonance", bill["metadata"]["component"]["version"]))
    assert listed == {(each["name"], each.get("version", "0")) for each in locked}
    references = [each["bom-ref"] for each in bill["components"]]
    assert len(set(references)) == len(references)
    artifacts = [file for each in bill["components"] for file in each["externalReferences"]]
    assert len(artifacts) > len(references)
    assert all(len(file["hashes"][0]["content"]) == 64 for file in artifacts)


def test_what_a_gallery_installs_is_required_and_training_is_not(bill: dict[str, Any]) -> None:
    scope = {each["name"]: each["scope"] for each in bill["components"]}
    for name in ("numpy", "onnxruntime", "opencv-python-headless", "aiohttp", "pydantic-core"):
        assert scope[name] == "required", name
    for name in ("torch", "pytest", "hypothesis"):
        assert scope[name] == "optional", name


def test_every_dependency_is_a_component(bill: dict[str, Any]) -> None:
    known = {each["bom-ref"] for each in bill["components"]}
    known.add(bill["metadata"]["component"]["bom-ref"])
    for each in bill["dependencies"]:
        assert {each["ref"], *each["dependsOn"]} <= known
    assert {each["ref"] for each in bill["dependencies"]} == known


# What CycloneDX 1.6 requires of the objects in a bill, and allows in them (`additionalProperties`
# is false there). The whole bill, of 181 components and 3,326 artifacts, was also valid against the
# official schema (of cyclonedx-python-lib 11.12.0, by jsonschema-rs 0.61.0, formats included, in
# 0.1 s), which found each of six faults put into it. Neither is installed for this test.
KEYS = {
    "bill": ("bomFormat specVersion", "serialNumber version metadata components dependencies"),
    "metadata": ("", "component"),
    "component": ("type name", "bom-ref version purl scope externalReferences"),
    "reference": ("type url", "hashes"),
    "hash": ("alg content", ""),
    "dependency": ("ref", "dependsOn"),
}
VALUES = {
    "bomFormat": "CycloneDX",
    "specVersion": r"1\.6",
    "serialNumber": "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "type": "application|library|distribution",
    "scope": "required|optional",
    "url": r"[a-z]+:[^\s<>\"{}|\\^`]+",
    "alg": "SHA-256",
    "content": "[0-9a-f]{64}",
    "name": ".+",
    "purl": r"pkg:pypi/[a-z0-9-]+@[^\s]+",
}


def faults(bill: dict[str, Any]) -> list[str]:
    """Where a bill differs from the format."""
    components = [bill["metadata"]["component"], *bill["components"]]
    references = [each for owner in components for each in owner["externalReferences"]]
    objects = [("bill", bill), ("metadata", bill["metadata"])]
    objects += [("component", each) for each in components]
    objects += [("reference", each) for each in references]
    objects += [("hash", each) for owner in references for each in owner["hashes"]]
    objects += [("dependency", each) for each in bill["dependencies"]]
    return [fault for kind, each in objects for fault in faults_of(kind, each)]


def faults_of(kind: str, item: dict[str, Any]) -> list[str]:
    required, optional = (set(keys.split()) for keys in KEYS[kind])
    found = [f"{kind} lacks {key}" for key in required - item.keys()]
    found += [f"{kind} has {key}" for key in item.keys() - required - optional]
    return found + [
        f"{kind}.{key} is {item[key]!r}"
        for key, rule in VALUES.items()
        if key in item and not re.fullmatch(rule, item[key])
    ]


def test_the_bill_has_the_form_of_the_standard(bill: dict[str, Any]) -> None:
    assert faults(bill) == []
    assert type(bill["version"]) is int
    assert bill["version"] >= 1
    for each in bill["dependencies"]:
        assert len(set(each["dependsOn"])) == len(each["dependsOn"])


def test_a_bill_of_another_form_is_noticed(bill: dict[str, Any]) -> None:
    other = json.loads(json.dumps(bill))
    other["components"][0] |= {"type": "libary", "licence": "MIT"}
    del other["components"][1]["name"]
    assert len(faults(other)) == 3


def test_the_same_lock_gives_the_same_bill(bill: dict[str, Any]) -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    assert sbom.bill_of_materials(lock) == bill


def record(name: str, events: list[dict[str, str]], **more: object) -> dict[str, Any]:
    package = {"ecosystem": "PyPI", "name": name}
    ranges = [{"type": "ECOSYSTEM", "events": events}]
    affected = {"package": package, "ranges": ranges}
    return {"id": f"TEST-{name}", "summary": "a fault", "affected": [affected], **more}


# Out of order, as records may be.
TWICE = [{"introduced": "3.0"}, {"fixed": "4.0"}, {"introduced": "1.0"}, {"fixed": "2.0"}]


@pytest.mark.parametrize(
    ("version", "events", "expected"),
    [
        ("1.5", [{"introduced": "0"}, {"fixed": "2.0"}], True),
        ("2.0", [{"introduced": "0"}, {"fixed": "2.0"}], False),
        ("10.0", [{"introduced": "9.0"}], True),  # compared as numbers
        ("1.0", [{"introduced": "2.0"}], False),
        ("2.0", [{"introduced": "0"}, {"last_affected": "2.0"}], True),
        ("2.1", [{"introduced": "0"}, {"last_affected": "2.0"}], False),
        ("3.5", TWICE, True),
        ("2.5", TWICE, False),
    ],
)
def test_a_version_is_compared_with_the_ranges(
    version: str, events: list[dict[str, str]], expected: bool
) -> None:
    assert sbom.is_within(version, events) == expected


def database(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for each in records:
            archive.writestr(f"{each['id']}.json", json.dumps(each))
    return path


def test_a_known_vulnerability_is_named_and_fails_the_check(
    tmp_path: Path, bill: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sbom.json").write_text(json.dumps(bill))
    all_versions = [{"introduced": "0"}]
    records = database(
        tmp_path,
        record("AIOHTTP", all_versions),
        record("numpy", all_versions, withdrawn="2026-01-01T00:00:00Z"),
        record("not-installed", all_versions),
    )
    assert sbom.main(["check", str(tmp_path / "sbom.json"), "--database", str(records)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("aiohttp ")
    assert line.endswith("(required): TEST-AIOHTTP, a fault")


def test_without_a_vulnerability_or_a_database_it_says_so(
    tmp_path: Path, bill: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sbom.json").write_text(json.dumps(bill))
    check = ["check", str(tmp_path / "sbom.json"), "--database"]
    assert sbom.main([*check, str(database(tmp_path))]) == 0
    assert capsys.readouterr().out == "no known vulnerability\n"
    assert sbom.main([*check, str(tmp_path / "absent.zip")]) == 2
    assert "download its all.zip" in capsys.readouterr().err
