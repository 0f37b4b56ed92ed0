"""Bill of materials of this repository, and a check of it for known vulnerabilities.

    .ci/sbom.py write sbom.json
    .ci/sbom.py check sbom.json --database all.zip

`write` turns uv.lock into CycloneDX 1.6 (ECMA-424): every package with its version, package URL,
artifacts, hashes, and what it depends on; what a gallery installs is *required*, the rest (for
training and tests) *optional*. The same lock gives the same bytes. `check` compares it with OSV's
export of PyPI (`all.zip`, https://google.github.io/osv.dev/data/), and needs no network. It exits
with 1 if a package has a known vulnerability, and with 2 if there is nothing to compare with.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

LOCK = Path(__file__).parents[1] / "uv.lock"
PRODUCT = "latent-resonance"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "latent-resonance.sbom")
Json = dict[str, Any]


class SbomError(Exception):
    """There is nothing to write or to compare with; the message says what to do."""


def bill_of_materials(lock: Json) -> Json:
    """CycloneDX of the content of uv.lock."""
    packages = {reference(package): package for package in lock["package"]}
    (product,) = (key for key, package in packages.items() if package["name"] == PRODUCT)
    required = closure(product, packages)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, json.dumps(lock, default=str))}",
        "version": 1,
        "metadata": {"component": component(packages[product], "application")},
        "components": [
            component(package, "library") | {"scope": "required" if key in required else "optional"}
            for key, package in sorted(packages.items())
            if key != product
        ],
        "dependencies": [
            {"ref": key, "dependsOn": sorted(dependencies(package, packages))}
            for key, package in sorted(packages.items())
        ],
    }


def reference(package: Json) -> str:
    """Package URL (https://github.com/package-url/purl-spec)."""
    return f"pkg:pypi/{normalised(package['name'])}@{package.get('version', '0')}"


def normalised(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(package: Json, kind: str) -> Json:
    """One component, with the hashes of its artifacts."""
    artifacts = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", ())]
    return {
        "type": kind,
        "bom-ref": reference(package),
        "name": package["name"],
        "version": package.get("version", "0"),
        "purl": reference(package),
        "externalReferences": [distribution(each) for each in artifacts if "url" in each],
    }


def distribution(artifact: Json) -> Json:
    """One artifact of a component."""
    return {
        "type": "distribution",
        "url": artifact["url"],
        "hashes": [{"alg": "SHA-256", "content": artifact["hash"].removeprefix("sha256:")}],
    }


def dependencies(package: Json, packages: dict[str, Json]) -> set[str]:
    """References of what a package needs itself, its optional parts included."""
    extras = package.get("optional-dependencies", {}).values()
    named = [*package.get("dependencies", ()), *(each for extra in extras for each in extra)]
    return {key for need in named for key in matching(need, packages)}


def matching(need: Json, packages: dict[str, Json]) -> Iterator[str]:
    """The locked packages that a dependency can mean: one, or one for each Python."""
    for key, package in packages.items():
        if package["name"] == need["name"] and need.get("version", package.get("version")) == (
            package.get("version")
        ):
            yield key


def closure(root: str, packages: dict[str, Json]) -> set[str]:
    """Everything that a package needs, directly or not; itself included."""
    found: set[str] = set()
    waiting = {root}
    while waiting:
        found |= waiting
        waiting = {
            key for each in waiting for key in dependencies(packages[each], packages)
        } - found
    return found


def vulnerabilities(bill: Json, records: Iterable[Json]) -> Iterator[str]:
    """A line for each known vulnerability of a component, by OSV's records."""
    installed: dict[str, list[Json]] = {}
    for each in bill["components"]:
        installed.setdefault(normalised(each["name"]), []).append(each)
    for record in records:
        for affected in record.get("affected", ()):
            for each in installed.get(normalised(affected.get("package", {}).get("name", "")), ()):
                if not record.get("withdrawn") and is_affected(each["version"], affected):
                    name = f"{each['name']} {each['version']} ({each['scope']})"
                    yield f"{name}: {record['id']}, {record.get('summary', 'no summary')}"


def is_affected(version: str, affected: Json) -> bool:
    """Whether a version is listed, or within a range (OSV schema, `affected`)."""
    if affected.get("package", {}).get("ecosystem") != "PyPI":
        return False
    ranges = [each for each in affected.get("ranges", ()) if each.get("type") == "ECOSYSTEM"]
    return version in affected.get("versions", ()) or any(
        is_within(version, each.get("events", ())) for each in ranges
    )


def is_within(version: str, events: Iterable[Json]) -> bool:
    """Whether a version lies after an `introduced`, and before the `fixed` that follows it."""
    within = False
    try:
        number = Version(version)
        for event in sorted(events, key=lambda event: Version(next(iter(event.values())))):
            ((kind, bound),) = event.items()
            if kind == "last_affected":
                within = within and number <= Version(bound)
            elif number >= Version(bound):
                within = kind == "introduced"
    except InvalidVersion:
        return False
    return within


def records_of(database: Path) -> Iterator[Json]:
    """Every record of OSV's export.

    Raises
    ------
    SbomError
        There is none.
    """
    try:
        with zipfile.ZipFile(database) as archive:
            names = [name for name in archive.namelist() if name.endswith(".json")]
            yield from (json.loads(archive.read(name)) for name in names)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise SbomError(
            f"{database}: no export of OSV ({error}); download its all.zip for PyPI"
        ) from error


def write(output: Path) -> int:
    """Write the bill of materials of this repository."""
    bill = bill_of_materials(tomllib.loads(LOCK.read_text()))
    output.write_text(json.dumps(bill, indent=1) + "\n")
    print(f"{output}: {len(bill['components'])} components", file=sys.stderr)
    return 0


def check(bill: Path, database: Path) -> int:
    """Print the known vulnerabilities; 1 if there are any."""
    found = sorted(set(vulnerabilities(json.loads(bill.read_text()), records_of(database))))
    print("\n".join(found) or "no known vulnerability")
    return int(bool(found))


def main(arguments: list[str] | None = None) -> int:
    """Parse, and do what is asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write").add_argument("bill", type=Path)
    checking = commands.add_parser("check")
    checking.add_argument("bill", type=Path)
    checking.add_argument("--database", type=Path, required=True, help="OSV's all.zip for PyPI")
    options = parser.parse_args(arguments)
    try:
        return (
            write(options.bill)
            if options.command == "write"
            else check(options.bill, options.database)
        )
    except (SbomError, OSError, ValueError) as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
