"""A little load on the deployed stack: many customers at once, duplicates and media among it, and nothing gets lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from simulators.traffic.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    import pytest

    from ops.local.stack import LocalStack
    from tests.e2e.driver import Wecom

TRAFFIC = ("--rate", "2", "--seconds", "12", "--customers", "20", "--burst", "6", "--burst-every", "6")


def test_what_many_customers_write_at_once_is_answered_once_and_in_order(
    stack: LocalStack,
    wecom: Wecom,
    fastgpt: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # The local AWS speaks TLS here, with a certificate of its own.
    monkeypatch.setenv("SSL_CERT_FILE", str(stack.aws.ca_bundle))
    written = tmp_path / "report.json"
    options = ["--local", str(stack.options.folder), "--duplicates", "0.2", "--media", "0.1", "--json", str(written)]
    status = main([*options, *TRAFFIC])
    report = json.loads(written.read_text(encoding="utf-8"))
    assert (report["lost"], report["doubled"], report["out_of_order"]) == ([], [], []), report["summary"]
    assert status == 0, report["summary"]
    assert len(report["answer_ms"]) > 20
    assert report["memory"]["functions"]
