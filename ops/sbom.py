"""Writes the bill of materials of a built layer: CycloneDX 1.6, JSON.

`python -m ops.sbom LAYER FILE` runs in the environment of the scanners, and reads what is in the folder `LAYER`, not
what a lock says should be there.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedx.exception import MissingOptionalDependencyException
from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyclonedx.model.license import License

ROOT = Path(__file__).resolve().parent.parent


class SbomError(Exception):
    """The folder is no layer, or the bill would not be one; the message says which."""


def bill_of(layer: Path) -> str:
    """Return the bill of what is installed in ``layer``. Raises `SbomError`."""
    found = sorted(distributions(path=[str(layer)]), key=lambda each: _name(each.name))
    if not found:
        raise SbomError(f"nothing is installed in {layer}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    whole = Component(name=project["name"], version=project["version"], type=ComponentType.APPLICATION)
    bill = Bom(components=[_component(each) for each in found])
    bill.metadata.component = whole
    bill.register_dependency(whole, bill.components)
    text: str = JsonV1Dot6(bill).output_as_string(indent=2)
    try:
        wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    except MissingOptionalDependencyException as exc:
        raise SbomError(f"the bill cannot be checked: {exc}") from exc
    if wrong:
        raise SbomError(f"the bill is none: {wrong}")
    return text


def _component(found: Distribution) -> Component:
    name = _name(found.name)
    return Component(
        type=ComponentType.LIBRARY,
        name=found.name,
        version=found.version,
        bom_ref=f"{name}=={found.version}",
        purl=PackageURL("pypi", name=name, version=found.version),
        licenses=_licences(found),
    )


def _licences(found: Distribution) -> Iterable[License]:
    """Return the licence that the distribution states: as an expression, or else by classifiers, or else in words."""
    meta = found.metadata
    classified = [each.rpartition(" :: ")[2] for each in meta.get_all("Classifier", []) if each.startswith("License ")]
    stated = [meta["License-Expression"]] if meta["License-Expression"] else classified or [meta["License"] or ""]
    factory = LicenseFactory()
    return [factory.make_from_string(each.splitlines()[0]) for each in stated if each.strip()]


def _name(name: str) -> str:
    """Return the name as indexes compare it (PyPA specification "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(arguments: list[str]) -> int:
    """Write the bill of the layer to the file, both in ``arguments``; return the exit status."""
    if len(arguments) != len(("LAYER", "FILE")):
        print("usage: python -m ops.sbom LAYER FILE", file=sys.stderr)
        return 2
    layer, file = map(Path, arguments)
    try:
        text = bill_of(layer)
    except SbomError as exc:
        print(exc, file=sys.stderr)
        return 1
    file.write_text(text + "\n", encoding="utf-8")
    print(f"Written: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
