"""What each function must not load: its import time is a customer's waiting time.

Every check runs in a fresh interpreter, because in this one everything is loaded already.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "frontdesk"
BOOTSTRAP = PACKAGE / "frontdesk" / "bootstrap.py"
LIMIT_S = 60
NOT_IN_ANY_FUNCTION = {
    *("moto", "pytest", "hypothesis", "simulators", "starlette", "uvicorn", "httpx", "wechatpy", "cfnlint"),
    *("aws_xray_sdk", "http.server", "socketserver", "wsgiref", "xmlrpc", "unittest", "tkinter", "asyncio"),
}
RULES = {"regex", "yaml", "ahocorasick_rs"}
ABSENT = {
    "callback.handler": {
        *("boto3", "botocore.auth", "botocore.client", "botocore.session", "botocore.loaders", "s3transfer"),
        *("requests", "pydantic", "gmssl", "markdown_it", *RULES),
        *("frontdesk.fastgpt", "frontdesk.conversation.answering", "frontdesk.storage.aws"),
    },
    "responder.handler": {"gmssl", "frontdesk.conversation.reception", "frontdesk.conversation.archiving"},
    "archiver.handler": {
        *("requests", "pydantic", "gmssl", "markdown_it", "cryptography", "defusedxml", *RULES),
        *("frontdesk.fastgpt", "frontdesk.channels", "frontdesk.conversation.answering"),
    },
    "auditor.handler": {
        *("requests", "pydantic", "markdown_it", "defusedxml", *RULES),
        *("frontdesk.fastgpt", "frontdesk.channels", "frontdesk.conversation.answering"),
    },
    "auditor.review": {
        *("requests", "pydantic", "gmssl", "markdown_it", "defusedxml"),
        *("frontdesk.fastgpt", "frontdesk.channels", "frontdesk.conversation.answering"),
    },
}
ABSENT["doctor.handler"] = {
    *("pydantic", "gmssl", "markdown_it", "boto3", *RULES),
    *("frontdesk.conversation", "frontdesk.storage.aws"),
}
ABSENT["archiver.stream"] = ABSENT["archiver.handler"]
ABSENT["release.handler"] = {
    *("requests", "pydantic", "gmssl", "markdown_it", "defusedxml", *RULES),
    *("frontdesk.fastgpt", "frontdesk.conversation"),
}
# The functions of the composition that each of them runs.
BUILDERS = {
    "callback.handler": {"reception"},
    "responder.handler": {"responder", "_vault", "_keyring", "_customer_keys", "_rules"},
    "archiver.handler": {"archiver"},
    "archiver.stream": {"rescuer"},
    "auditor.handler": {"auditor", "_vault"},
    "auditor.review": {"reviewer", "_vault", "_keyring", "_customer_keys", "_rules"},
    "doctor.handler": {"doctor", "_vault", "_endpoints"},
    "release.handler": {"releases", "_vault"},
}


def imports_of(builders: set[str]) -> list[str]:
    """Return the import statements inside these functions of the composition."""
    functions = [
        node
        for node in ast.parse(BOOTSTRAP.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name in builders
    ]
    assert {function.name for function in functions} == builders
    return [
        ast.unparse(node)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def loaded(*statements: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has after these statements."""
    program = "\n".join([*statements, "import sys", "print('\\n'.join(sys.modules))"])
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{PACKAGE}{os.pathsep}{ROOT}",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines())


@pytest.mark.parametrize("function", ABSENT)
def test_a_function_loads_nothing_that_it_does_not_use(function: str) -> None:
    modules = loaded(f"import functions.{function}", *imports_of(BUILDERS[function]))
    assert f"functions.{function}" in modules
    assert sorted(modules & (ABSENT[function] | NOT_IN_ANY_FUNCTION)) == []


@pytest.mark.parametrize("function", ABSENT)
def test_a_function_builds_nothing_while_it_is_merely_imported(function: str) -> None:
    modules = loaded(f"import functions.{function}")
    assert sorted({"boto3", "requests", "pydantic", "cryptography", "frontdesk.settings"} & modules) == []


@pytest.mark.parametrize("name", ["messages", "errors", "records", "settings"])
def test_the_words_everybody_speaks_load_the_standard_library_only(name: str) -> None:
    modules = loaded(f"import frontdesk.{name}") - loaded("")
    foreign = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names)
    assert foreign == {"frontdesk"}
