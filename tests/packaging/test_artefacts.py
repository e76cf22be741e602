"""What is deployed is what was tested: the built artefacts alone, in an interpreter that has nothing else."""

from __future__ import annotations

import importlib.util
import re
import struct
import subprocess
from pathlib import Path

import pytest

from ops.deployment import LOCAL_PYTHON, ROOT, Target, build

HANDLERS = {
    "CallbackFunction": "handler",
    "CollectorFunction": "handler",
    "ResponderFunction": "handler",
    "TicketsFunction": "handler",
    "AlarmTicketsFunction": "alarms",
    "SweepFunction": "sweep",
    "ArchiverFunction": "handler",
    "ArchiverStreamFunction": "stream",
    "AuditorFunction": "handler",
    "ReviewerFunction": "review",
}
LAYERS = ("DependenciesLayer", "FrontdeskLayer")
# Lambda's limit for a function and its layers, unzipped.
UNZIPPED_LIMIT_BYTES = 250 * 1024 * 1024
MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}  # e_machine of an ELF file
UNCHECKED_HASH = 0b01  # a .pyc that is never compared with its source: PEP 552
PROGRAM = """
import importlib, sys
sys.path[:0] = sys.argv[1:4]
sys.dont_write_bytecode = True
assert callable(importlib.import_module(sys.argv[4]).lambda_handler), "no such entry"
for name, module in sorted(sys.modules.items()):
    print(name, getattr(module, "__file__", None) or "", sep="\\t")
"""


@pytest.fixture(scope="session")
def target() -> Target:
    return Target.this_machine(LOCAL_PYTHON)


@pytest.fixture(scope="session")
def artefacts(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(target, log=tmp_path_factory.mktemp("build") / "sam.log")


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("function", HANDLERS)
def test_a_handler_needs_only_its_folder_and_the_layers(artefacts: Path, target: Target, function: str) -> None:
    paths = [str(artefacts / function), *(str(artefacts / layer / "python") for layer in LAYERS)]
    done = subprocess.run(
        [target.python, "-I", "-S", "-c", PROGRAM, *paths, HANDLERS[function]],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = dict(line.split("\t") for line in done.stdout.splitlines())
    outside = {name: file for name, file in loaded.items() if file and "site-packages" in file}
    assert outside == {}
    assert loaded["frontdesk"].startswith(paths[2])


@pytest.mark.parametrize("part", [*HANDLERS, *LAYERS])
def test_every_module_has_bytecode_that_is_used_unchecked(artefacts: Path, target: Target, part: str) -> None:
    tag = "cpython-" + target.runtime.removeprefix("python").replace(".", "")
    sources = [path for path in (artefacts / part).rglob("*.py") if path.is_file()]
    assert sources
    for source in sources:
        bytecode = Path(importlib.util.cache_from_source(str(source))).with_name(f"{source.stem}.{tag}.pyc")
        assert bytecode.is_file(), source
        (flags,) = struct.unpack("<I", bytecode.read_bytes()[4:8])
        assert flags == UNCHECKED_HASH, source


@pytest.mark.parametrize("part", [*HANDLERS, *LAYERS])
def test_nothing_tells_where_it_was_built(artefacts: Path, part: str) -> None:
    root = str(ROOT).encode()
    assert [path for path in (artefacts / part).rglob("*.pyc") if root in path.read_bytes()] == []


def test_the_dependencies_are_the_locked_ones_and_no_others(artefacts: Path) -> None:
    lock = (ROOT / "layers/dependencies/requirements.txt").read_text(encoding="utf-8")
    locked = {normalised(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)}
    installed = {}
    for info in (artefacts / "DependenciesLayer/python").glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        installed[normalised(name)] = version
    assert installed == locked


def test_our_layer_holds_our_package_alone(artefacts: Path) -> None:
    assert [path.name for path in (artefacts / "FrontdeskLayer/python").iterdir()] == ["frontdesk"]
    built = {
        path.relative_to(artefacts / "FrontdeskLayer/python") for path in _files(artefacts / "FrontdeskLayer/python")
    }
    written = {path.relative_to(ROOT / "layers/frontdesk") for path in _files(ROOT / "layers/frontdesk/frontdesk")}
    assert built == written


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.mark.parametrize("function", HANDLERS)
def test_a_functions_folder_holds_its_handler_alone(artefacts: Path, function: str) -> None:
    assert [path.name for path in _files(artefacts / function)] == [f"{HANDLERS[function]}.py"]


def test_compiled_parts_are_for_the_processor(artefacts: Path, target: Target) -> None:
    libraries = list((artefacts / "DependenciesLayer").rglob("*.so"))
    assert libraries
    for library in libraries:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack("<H", header[18:20]) == (MACHINES[target.architecture],), library


def test_it_fits_into_lambda(artefacts: Path) -> None:
    layers = sum(path.stat().st_size for layer in LAYERS for path in (artefacts / layer).rglob("*") if path.is_file())
    assert layers < UNZIPPED_LIMIT_BYTES
