"""The bill of materials tells what the built layer holds: each distribution, its locked version, its licence."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ops.deployment import LOCAL_PYTHON, ROOT, Target, build
from ops.scan.outcome import SCANNERS

if TYPE_CHECKING:
    from pathlib import Path


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def made(layer: Path, file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(SCANNERS / "python"), "-m", "ops.sbom", str(layer), str(file)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = tmp_path_factory.mktemp("build") / "sam.log"
    return build(Target.this_machine(LOCAL_PYTHON), log=log) / "DependenciesLayer" / "python"


@pytest.fixture(scope="module")
def bill(layer: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    assert SCANNERS.is_dir(), "run `make scan` once: it installs what writes the bill"
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    done = made(layer, file)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def test_it_is_of_the_format_and_version_it_says(bill: dict[str, Any]) -> None:
    """The library checks it against the format's schema before it is written."""
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "frontdesk"


def test_everything_in_the_layer_is_in_it_with_the_locked_version(bill: dict[str, Any], layer: Path) -> None:
    lock = (ROOT / "layers/dependencies/requirements.txt").read_text(encoding="utf-8")
    locked = {normalised(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)}
    listed = {normalised(each["name"]): each["version"] for each in bill["components"]}
    assert listed == locked
    assert len(list(layer.glob("*.dist-info"))) == len(listed)


def test_each_has_an_address_by_which_others_know_it(bill: dict[str, Any]) -> None:
    for each in bill["components"]:
        assert each["purl"] == f"pkg:pypi/{normalised(each['name'])}@{each['version']}"


def test_each_has_its_licence(bill: dict[str, Any]) -> None:
    for each in bill["components"]:
        assert each["licenses"], each["name"]
        for licence in each["licenses"]:
            text = licence.get("expression") or licence["license"].get("id") or licence["license"]["name"]
            assert text.strip(), each["name"]
            assert not re.search(r"\bA?GPL|Affero|SSPL|Commons Clause", text), each["name"]


def test_a_folder_that_is_no_layer_has_no_bill(tmp_path: Path) -> None:
    done = made(tmp_path, tmp_path / "sbom.json")
    assert done.returncode == 1
    assert "nothing is installed" in done.stderr
    assert not (tmp_path / "sbom.json").exists()
