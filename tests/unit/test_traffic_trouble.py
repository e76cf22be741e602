"""Trouble is made at its moments, and what could not be made is told and stops nothing."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import httpx
import pytest

from simulators.traffic import trouble
from simulators.traffic.trouble import TROUBLES, make, spread


class Vendor:
    """A vendor's control that keeps what it is told, or is too busy to be told anything."""

    def __init__(self, *, busy: bool = False) -> None:
        self.told: list[tuple[str, Any]] = []
        self._busy = busy

    async def delete(self, path: str) -> None:
        if self._busy:
            raise httpx.ReadTimeout("busy")
        self.told.append((path, "taken back"))

    async def post(self, path: str, document: object = None) -> dict[str, Any]:
        if self._busy:
            raise httpx.ReadTimeout("busy")
        self.told.append((path, document))
        return {}


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the functions that were ended; no process is."""
    found: list[str] = []
    monkeypatch.setattr(trouble, "end_one", lambda _leader, function, _rng: not found.append(function))
    return found


def test_each_vendor_is_told_its_own_troubles_and_one_process_is_ended(ended: list[str]) -> None:
    wecom, fastgpt = Vendor(), Vendor()
    happened = asyncio.run(make(0.3, {"wecom": wecom, "fastgpt": fastgpt}, {"aws": 1}, seed=1))
    told = [document for _, document in wecom.told + fastgpt.told if document != "taken back"]
    assert len(told) + len(ended) == len(happened) == len(TROUBLES)
    assert ended == ["Responder"]
    assert ("/tokens/revoke", {}) in wecom.told
    assert all(path == "/faults" for path, _ in fastgpt.told)
    assert [each.at_s for each in happened] == sorted(each.at_s for each in happened)


def test_a_vendor_that_cannot_be_told_is_noted_and_the_others_go_on(ended: list[str]) -> None:
    wecom = Vendor()
    happened = asyncio.run(make(0.1, {"wecom": wecom, "fastgpt": Vendor(busy=True)}, {"aws": 1}, seed=1))
    assert {each.done for each in happened if each.name.startswith("FastGPT")} == {False}
    assert {each.done for each in happened if "WeCom" in each.name} == {True}


def test_in_half_an_hour_there_is_about_one_a_minute() -> None:
    made = spread(1800)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(made)]
    assert 20 <= len(made) <= 26
    assert all(50 < gap < 80 for gap in gaps)


def test_what_has_not_struck_is_taken_back_before_the_next(ended: list[str]) -> None:
    fastgpt = Vendor()
    asyncio.run(make(0.1, {"wecom": Vendor(), "fastgpt": fastgpt}, {"aws": 1}, seed=1))
    for place, (_, document) in enumerate(fastgpt.told):
        if document != "taken back":
            assert fastgpt.told[place - 1][1] == "taken back"
