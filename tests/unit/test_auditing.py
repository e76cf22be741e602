"""The export of the audit, whatever breaks it off, and the proof that nothing of it was touched."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation import auditing
from frontdesk.conversation.auditing import Auditing, Finding, Tally
from frontdesk.conversation.manifests import Manifest
from frontdesk.errors import ConflictError, TransientError
from frontdesk.protection import chain
from frontdesk.protection.signing import SigningKey, verify
from frontdesk.records import AuditRecord, Happening
from ops.cli.verifying import Verification
from tests.fakes.audit import InMemoryAuditRecords, InMemoryAuditStore
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, Crashing

if TYPE_CHECKING:
    from collections.abc import Callable

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (f"2026-11-{day}" for day in (16, 17, 18, 19, 20))
A, B, C = ("a" * 32, "b" * 32, "c" * 32)
DAY_S = 86_400


class QuickKey:
    """Signs with a sum that anybody can make: these tests are not about SM2, which takes its time."""

    def __init__(self, public_key: str) -> None:
        self.public_key = public_key

    def sign(self, data: bytes) -> str:
        return chain.sm3(self.public_key.encode() + data)


def quick_verify(public_key: str, data: bytes, signature: str) -> bool:
    return signature == QuickKey(public_key).sign(data)


KEY, ANOTHER_KEY = QuickKey("04aa"), QuickKey("04bb")


def at(day: str, *, hour: int = 2) -> float:
    """Return the epoch seconds of an hour of ``day`` (UTC)."""
    return (datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(hours=hour)).timestamp()


def day_after(day: str, days: int) -> str:
    return (datetime.fromisoformat(day) + timedelta(days=days)).date().isoformat()


def happening(day: str = MONDAY, **differently: Any) -> Happening:
    values = {"kind": "generated", "actor": "fastgpt:app@host", "at_ms": int(at(day, hour=9) * 1000), "about": "q1"}
    return Happening(**{**values, **differently})


class House:
    """The table, the export and the clock, around one or more runs of the auditor."""

    def __init__(self, now: str = TUESDAY, *, key: QuickKey | SigningKey = KEY) -> None:
        self.key = key
        self.clock = FakeClock(at(now))
        self.records = InMemoryAuditRecords()
        self.store = InMemoryAuditStore()

    def said(self, conversation: str, times: int = 1, *, day: str = MONDAY) -> None:
        self.records.add(conversation, *[happening(day) for _ in range(times)], day=day)

    def auditing(self, crashing: Crashing | None = None) -> Auditing:
        around = (crashing or Crashing(10**9)).around
        return Auditing(
            records=self.records, store=around(self.store), chain=chain, signer=around(self.key), clock=self.clock
        )

    def export(
        self, *, on: str = "", crashing: Crashing | None = None, time_left: Callable[[], float] = lambda: 900.0
    ) -> Tally:
        if on:
            self.clock.now = at(on)
        return self.auditing(crashing).export(time_left=time_left)

    def findings(
        self,
        *,
        keys: tuple[str, ...] = (KEY.public_key,),
        verify: Callable[[str, bytes, str], bool] = quick_verify,
        with_table: bool = True,
    ) -> list[Finding]:
        verification = Verification(
            store=self.store,
            chain=chain,
            verify=verify,
            public_keys=keys,
            clock=self.clock,
            records=self.records if with_table else None,
        )
        return list(verification.findings())

    def manifests(self) -> list[Manifest]:
        bodies = [body for name, body in self.store.objects.items() if name.endswith(".json")]
        return sorted(map(Manifest.read, bodies), key=lambda manifest: manifest.number)

    def exported(self) -> list[AuditRecord]:
        """Return every record that a manifest names, in the order of the parts."""
        return [
            chain.from_line(line)
            for manifest in self.manifests()
            for part in manifest.parts
            for line in self.store.objects[part.name].splitlines()
        ]

    def part_of(self, day: str) -> str:
        (part,) = next(each for each in self.manifests() if each.day == day).parts
        return part.name

    def sign_anew(self, name: str, key: QuickKey = KEY) -> None:
        signature = {"scheme": "SM2-SM3", "public_key": key.public_key, "signature": key.sign(self.store.objects[name])}
        self.store.objects[f"{name}.sig"] = json.dumps(signature).encode()


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def three_days() -> House:
    """Return a house with Monday to Wednesday exported: A each day, B on Monday, C on Wednesday."""
    house = House()
    for day, following in ((MONDAY, TUESDAY), (TUESDAY, WEDNESDAY), (WEDNESDAY, THURSDAY)):
        house.said(A, 2, day=day)
        if day == MONDAY:
            house.said(B, 1, day=day)
        if day == WEDNESDAY:
            house.said(C, 3, day=day)
        house.export(on=following)
    return house


# -- the export ------------------------------------------------------------------------------------------------------


def test_a_finished_day_is_exported_whole_and_signed(house: House):
    house.said(A, 2)
    house.said(B, 1)

    assert house.export() == Tally(days=1, records=3)

    (manifest,) = house.manifests()
    assert (manifest.number, manifest.day, manifest.exported_at) == (1, MONDAY, int(at(TUESDAY)))
    assert manifest.previous == chain.sm3(b"frontdesk audit manifests")
    assert sorted((each.conversation, each.first, each.last) for each in manifest.stretches) == [(A, 1, 2), (B, 1, 1)]
    assert sorted(house.exported(), key=lambda record: (record.conversation, record.seq)) == sorted(
        house.records.kept.values(), key=lambda record: (record.conversation, record.seq)
    )
    signature = json.loads(house.store.objects[f"{manifest.name}.sig"])
    assert signature["scheme"] == "SM2-SM3"
    assert quick_verify(signature["public_key"], house.store.objects[manifest.name], signature["signature"])
    assert house.findings() == []


def test_names_and_the_manifest_have_the_form_that_is_documented(house: House):
    house.said(A)
    house.export()

    (manifest,) = house.manifests()
    (part,) = manifest.parts
    body = house.store.objects[part.name]
    assert part.name == f"audit/dt={MONDAY}/part-03-{chain.sm3(body)[:16]}.jsonl"
    assert sorted(house.store.objects) == [
        f"audit/dt={MONDAY}/manifest-1.json",
        f"audit/dt={MONDAY}/manifest-1.json.sig",
        part.name,
    ]
    record = house.records.kept[A, 1]
    assert json.loads(house.store.objects[manifest.name]) == {
        "schema": "frontdesk.audit/1",
        "number": 1,
        "day": MONDAY,
        "exported_at": int(at(TUESDAY)),
        "previous": manifest.previous,
        "records": 1,
        "parts": [{"name": part.name, "sm3": chain.sm3(body), "records": 1}],
        "conversations": [
            {
                "conversation": A,
                "first": 1,
                "last": 1,
                "count": 1,
                "previous": record.previous,
                "hash": record.hash,
                "since": "",
            }
        ],
    }


def test_a_day_is_not_finished_before_an_hour_has_passed(house: House):
    house.said(A)
    house.export(on=TUESDAY)
    house.said(A, day=TUESDAY)
    house.clock.now = at(WEDNESDAY, hour=1) - 1
    early = house.export()
    house.clock.now = at(WEDNESDAY, hour=1)

    assert early == Tally()
    assert house.export() == Tally(days=1, records=1)


def test_a_day_that_was_exported_is_not_exported_again(house: House):
    house.said(A)
    house.export()
    before = dict(house.store.objects)

    assert house.export() == Tally()
    assert house.store.objects == before


def test_days_without_a_record_have_a_manifest_too(house: House):
    house.said(A)
    house.export()
    house.export(on=FRIDAY)

    assert [(manifest.day, len(manifest.parts)) for manifest in house.manifests()] == [
        (MONDAY, 1),
        (TUESDAY, 0),
        (WEDNESDAY, 0),
        (THURSDAY, 0),
    ]
    assert house.findings() == []


def test_the_very_first_export_begins_with_yesterday_when_there_is_nothing(house: House):
    assert house.export() == Tally(days=1)
    assert [manifest.day for manifest in house.manifests()] == [MONDAY]


@pytest.mark.parametrize(("back", "days"), [(40, 41), (41, 1), (3, 4)])
def test_the_very_first_export_begins_with_the_oldest_record_of_forty_days(house: House, back: int, days: int):
    house.said(A, day=day_after(MONDAY, -back))

    assert house.export().days == days
    assert house.findings() == []


def test_however_long_nothing_was_exported_nothing_is_left_out(house: House):
    house.said(A)
    house.export()
    late = day_after(MONDAY, 70)
    house.said(A, day=day_after(MONDAY, 5))

    assert house.export(on=late) == Tally(days=69, records=1)
    assert house.findings() == []


def test_manifests_name_each_other(three_days: House):
    one, two, three = three_days.manifests()

    assert two.previous == chain.sm3(one.body())
    assert three.previous == chain.sm3(two.body())
    assert three_days.findings() == []


@pytest.mark.parametrize(("on", "records"), [(WEDNESDAY, 2), (THURSDAY, 2), (day_after(MONDAY, 4), 0)])
def test_what_came_late_is_exported_in_the_days_after(house: House, on: str, records: int):
    house.said(A)
    house.export()
    house.said(A, day=MONDAY)
    house.said(B, day=MONDAY)

    assert house.export(on=on).records == records
    late = [each for each in house.manifests() if each.day == MONDAY][1:]
    assert sum(part.records for manifest in late for part in manifest.parts) == records


def test_what_came_late_leaves_the_audit_whole(house: House):
    house.said(A, 2, day=MONDAY)
    house.export(on=TUESDAY)
    house.said(A, 2, day=TUESDAY)
    house.said(A, 1, day=MONDAY)  # a machine whose clock is behind
    house.said(A, 1, day=TUESDAY)
    house.export(on=WEDNESDAY)

    assert [(each.day, len(each.stretches)) for each in house.manifests()] == [(MONDAY, 1), (MONDAY, 1), (TUESDAY, 2)]
    assert house.findings() == []


def test_a_long_day_is_cut_into_parts(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(auditing, "_PART_RECORDS", 3)
    house.said(A, 7)

    house.export()

    (manifest,) = house.manifests()
    assert [part.records for part in manifest.parts] == [3, 3, 1]
    assert [record.seq for record in house.exported()] == list(range(1, 8))
    assert house.findings() == []


def test_a_part_is_not_too_long_either(house: House, monkeypatch: pytest.MonkeyPatch):
    house.said(A, 5)
    line = len(chain.to_line(house.records.kept[A, 1])) + 1
    for limit, sizes in ((2 * line, [2, 2, 1]), (2 * line - 1, [1] * 5), (1, [1] * 5)):
        monkeypatch.setattr(auditing, "_PART_BYTES", limit)
        house.store = InMemoryAuditStore()
        house.export()
        assert [part.records for part in house.manifests()[0].parts] == sizes
        assert house.findings() == []


@pytest.mark.parametrize("conversation", [A, B])
def test_conversations_of_every_shard_are_exported(house: House, conversation: str):
    house.records.shards = 16
    house.said(conversation)

    assert house.export().records == 1


def test_when_time_is_short_the_next_run_goes_on(house: House):
    house.said(A)
    house.said(A, day=TUESDAY)
    house.clock.now = at(WEDNESDAY)
    left = iter([900.0] * 4 + [59.9] * 4)

    first = house.export(time_left=lambda: next(left))
    second = house.export()

    assert first == Tally(days=1, records=1, unfinished=True)
    assert second == Tally(days=1, records=1)
    assert house.findings() == []


@pytest.mark.parametrize("end", ["manifest-1.json", ".jsonl"])
def test_two_exports_at_the_same_time_do_not_both_count(house: House, end: str):
    house.said(A)

    class Overtaken(InMemoryAuditStore):
        def put(self, name: str, body: bytes) -> bool:
            if name.endswith(end):
                super().put(name, body + b" ")
            return super().put(name, body)

    house.store = Overtaken()

    with pytest.raises(ConflictError) as caught:
        house.export()
    assert caught.value.code == "audit_overtaken"


def test_a_manifest_whose_answer_was_lost_is_known_again(house: House):
    house.said(A)

    class Repeating(InMemoryAuditStore):
        def put(self, name: str, body: bytes) -> bool:
            super().put(name, body)
            return super().put(name, body)

    house.store = Repeating()

    assert house.export() == Tally(days=1, records=1)
    assert house.findings() == []


def test_a_table_that_is_down_fails_the_run(house: House, monkeypatch: pytest.MonkeyPatch):
    house.said(A)
    house.export()

    def down(day: str, shard: int) -> Any:
        raise TransientError("throttled")

    monkeypatch.setattr(house.records, "of_day", down)
    with pytest.raises(TransientError):
        house.export(on=WEDNESDAY)


def test_a_day_is_signed_with_sm2():
    key = SigningKey("1" * 64)
    house = House(key=key)
    house.said(A)
    house.export()

    assert house.findings(keys=(key.public_key,), verify=verify) == []
    name = house.manifests()[0].name
    house.sign_anew(name, QuickKey(key.public_key))
    assert house.findings(keys=(key.public_key,), verify=verify) == [Finding("signature_wrong", MONDAY, f"{name}.sig")]


# -- crashes ---------------------------------------------------------------------------------------------------------


def crash_sites() -> int:
    """Return how many calls of the store and the signer an export of these days makes."""
    house = busy()
    calls = Crashing(10**9)
    house.export(crashing=calls)
    return 10**9 - calls._left


def busy() -> House:
    house = House(now=THURSDAY)
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        house.said(A, 2, day=day)
        house.said(B, 1, day=day)
    return house


def content(house: House) -> dict[str, Any]:
    """Return the export without what differs from signature to signature and with the time."""
    return {
        name: {**json.loads(body), "exported_at": 0, "previous": ""} if name.endswith(".json") else body
        for name, body in house.store.objects.items()
        if not name.endswith(".sig")
    }


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("nth", range(1, crash_sites() + 1))
def test_an_export_that_was_broken_off_anywhere_ends_the_same(nth: int, *, before: bool):
    whole = busy()
    whole.export()
    house = busy()

    with pytest.raises(Crash):
        house.export(crashing=Crashing(nth, before=before))
    house.clock.advance(600)
    house.export()

    assert content(house) == content(whole)
    assert len(house.exported()) == 9
    assert house.findings() == []


def test_a_manifest_that_was_left_unsigned_is_signed_if_it_is_true(three_days: House):
    name = three_days.manifests()[1].name
    del three_days.store.objects[f"{name}.sig"]

    assert three_days.export() == Tally()
    assert three_days.findings() == []


def rewritten(manifest: Manifest, **differently: Any) -> bytes:
    return replace(manifest, **differently).body()


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: b"{}",
        lambda manifest: rewritten(manifest, number=2),
        lambda manifest: rewritten(manifest, day=TUESDAY),
        lambda manifest: rewritten(manifest, previous="0" * 64),
        lambda manifest: rewritten(manifest, parts=()),
        lambda manifest: rewritten(manifest, parts=(replace(manifest.parts[0], sm3="0" * 64),)),
        lambda manifest: rewritten(manifest, parts=(replace(manifest.parts[0], name="audit/nothing"),)),
        lambda manifest: rewritten(manifest, parts=(replace(manifest.parts[0], records=9),)),
        lambda manifest: rewritten(manifest, stretches=()),
        lambda manifest: rewritten(manifest, stretches=(replace(manifest.stretches[0], hash="0" * 64),)),
    ],
)
def test_a_forged_manifest_is_not_signed(
    house: House, forge: Callable[[Manifest], bytes], caplog: pytest.LogCaptureFixture
):
    house.said(A)
    house.export()
    (manifest,) = house.manifests()
    house.store.objects[manifest.name] = forge(manifest)
    del house.store.objects[f"{manifest.name}.sig"]
    house.clock.now = at(day_after(MONDAY, 30))

    assert house.export().flaws == 1

    assert f"{manifest.name}.sig" not in house.store.objects
    assert "signature_missing" in {finding.what for finding in house.findings()}
    assert [record.message for record in caplog.records] == ["audit manifest broken"]


def test_a_manifest_of_records_that_the_table_never_had_is_not_signed(house: House):
    house.said(A)
    house.export()
    (manifest,) = house.manifests()
    del house.store.objects[f"{manifest.name}.sig"]
    house.records.kept[A, 1] = replace(house.records.kept[A, 1], actor="operator:x")

    assert house.export().flaws == 1
    assert f"{manifest.name}.sig" not in house.store.objects


def test_a_day_whose_manifest_was_altered_is_not_exported_over(house: House, caplog: pytest.LogCaptureFixture):
    house.said(A)
    house.export()
    (manifest,) = house.manifests()
    house.store.objects[manifest.name] = b"{}"
    house.said(B, day=TUESDAY)

    assert house.export(on=WEDNESDAY) == Tally(days=1, records=1, flaws=1)
    assert [record.message for record in caplog.records] == ["audit manifest broken"]


# -- broken chains are exported as they are, and told of -------------------------------------------------------------


@pytest.mark.parametrize(
    ("tamper", "seq", "what"),
    [
        (lambda kept: kept.update({(A, 2): replace(kept[A, 2], actor="x")}), 2, "record_altered"),
        (lambda kept: kept.pop((A, 2)), 2, "record_removed"),
        (lambda kept: kept.pop((A, 1)), 1, "record_removed"),
        (
            lambda kept: kept.update({(A, 0): chain.link(A, 0, "", happening(), sealed="", day=MONDAY)}),
            0,
            "record_inserted",
        ),
    ],
)
def test_a_broken_chain_is_counted_logged_and_exported(
    house: House, caplog: pytest.LogCaptureFixture, tamper: Callable[[Any], None], seq: int, what: str
):
    house.said(A, 3)
    house.said(B, 1)
    tamper(house.records.kept)

    tally = house.export()

    assert (tally.days, tally.records) == (1, len(house.records.kept))
    assert tally.flaws >= 1
    told = {(each.conversation, each.seq, each.flaw, each.day) for each in caplog.records}  # type: ignore[attr-defined]
    assert (A, seq, what, MONDAY) in told
    assert {record.message for record in caplog.records} == {"audit chain broken"}
    assert {conversation for conversation, *_ in told} == {A}
    assert house.findings() != []


def test_a_chain_is_checked_from_the_day_before_on(house: House, caplog: pytest.LogCaptureFixture):
    house.said(A, 2)
    house.export()
    house.said(A, 1, day=TUESDAY)
    forged = replace(house.records.kept[A, 3], previous="0" * 64)
    house.records.kept[A, 3] = replace(forged, hash=chain.hash_of(forged))

    assert house.export(on=WEDNESDAY).flaws == 1
    assert [(each.conversation, each.seq) for each in caplog.records] == [(A, 3)]  # type: ignore[attr-defined]
    assert Finding("record_altered", TUESDAY, conversation=A, seq=3) in house.findings()


def test_a_record_whose_predecessor_was_removed_before_its_export_is_told_of_for_ever(house: House):
    house.said(A, 2)
    house.export()
    house.said(A, 2, day=TUESDAY)
    del house.records.kept[A, 3]
    house.export(on=WEDNESDAY)

    assert Finding("record_removed", TUESDAY, conversation=A, seq=3) in house.findings()


def test_a_predecessor_that_reached_its_age_is_not_missed(house: House):
    house.said(A)
    house.records.add(A, happening(TUESDAY, details={"resumes": MONDAY}), day=TUESDAY)
    del house.records.kept[A, 1]

    assert house.export(on=WEDNESDAY) == Tally(days=1, records=1)
    assert house.manifests()[0].stretches[0].since == MONDAY
    assert house.findings() == []


# -- the proof -------------------------------------------------------------------------------------------------------


def test_an_export_is_proved_without_the_table_and_without_any_secret(three_days: House):
    three_days.records.kept.clear()

    assert three_days.findings(with_table=False) == []


def test_nothing_exported_is_nothing_proved(house: House):
    assert house.findings() == [Finding("manifest_missing")]


def change(house: House, day: str, conversation: str, seq: int, **differently: Any) -> None:
    """Change a record in the export, as somebody who could write there would."""
    for manifest in house.manifests():
        for part in manifest.parts:
            lines = house.store.objects[part.name].splitlines()
            records = [chain.from_line(line) for line in lines]
            for index, record in enumerate(records):
                if (record.day, record.conversation, record.seq) == (day, conversation, seq):
                    lines[index] = chain.to_line(replace(record, **differently))
                    house.store.objects[part.name] = b"\n".join(lines) + b"\n"
                    return
    raise LookupError


def found(house: House, *, with_table: bool = False) -> set[tuple[str, str, str, int]]:
    return {
        (each.what, each.day, each.conversation, each.seq)
        for each in house.findings(with_table=with_table)
        if each.what.startswith("record")
    }


@pytest.mark.parametrize("name", ["kind", "actor", "about", "sealed", "previous", "hash"])
def test_an_altered_record_is_named(three_days: House, name: str):
    change(three_days, TUESDAY, A, 3, **{name: "0" * 64})

    assert found(three_days) == {("record_altered", TUESDAY, A, 3)}
    assert {each.what for each in three_days.findings()} == {"part_altered", "record_altered", "record_differs"}


def test_a_record_that_was_altered_and_hashed_anew_is_named(three_days: House):
    record = replace(three_days.records.kept[A, 3], kind="filtered")
    change(three_days, TUESDAY, A, 3, kind="filtered", hash=chain.hash_of(record))

    assert found(three_days) == {("record_altered", TUESDAY, A, 3)}


def lines_of(house: House, day: str, edit: Callable[[list[bytes]], Any]) -> None:
    """Edit the lines of the part of A, which is alone in its shard, of one day."""
    for manifest in house.manifests():
        for part in manifest.parts:
            lines = house.store.objects[part.name].splitlines()
            if manifest.day == day and A.encode() in lines[0]:
                edit(lines)
                house.store.objects[part.name] = b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize("seq", [5, 6])
def test_a_removed_record_is_named(three_days: House, seq: int):
    line = chain.to_line(three_days.records.kept[A, seq])
    lines_of(three_days, WEDNESDAY, lambda lines: lines.remove(line))

    assert found(three_days) == {("record_removed", WEDNESDAY, A, seq)}


def test_an_inserted_record_is_named(three_days: House):
    last = three_days.records.kept[A, 6]
    more = chain.link(A, 7, last.hash, happening(), sealed="", day=WEDNESDAY)
    stranger = chain.link("d" * 32, 1, chain.genesis("d" * 32), happening(), sealed="", day=WEDNESDAY)
    lines_of(three_days, WEDNESDAY, lambda lines: lines.extend([chain.to_line(more), chain.to_line(stranger)]))

    assert found(three_days) == {
        ("record_inserted", WEDNESDAY, A, 7),
        ("record_inserted", WEDNESDAY, "d" * 32, 1),
    }


def test_reordered_records_are_named(three_days: House):
    one, two = (chain.to_line(three_days.records.kept[A, seq]) for seq in (5, 6))

    def exchange(lines: list[bytes]) -> None:
        first, second = lines.index(one), lines.index(two)
        lines[first], lines[second] = two, one

    lines_of(three_days, WEDNESDAY, exchange)

    assert found(three_days) == {("record_reordered", WEDNESDAY, A, 5), ("record_reordered", WEDNESDAY, A, 6)}


def test_a_line_that_nobody_can_read_is_a_record_that_is_missing(three_days: House):
    def spoil(lines: list[bytes]) -> None:
        lines[lines.index(chain.to_line(three_days.records.kept[A, 5]))] = b"spoilt"

    lines_of(three_days, WEDNESDAY, spoil)

    assert found(three_days) == {("record_removed", WEDNESDAY, A, 5)}


def test_a_part_that_is_gone_is_named_with_its_records(three_days: House):
    name = three_days.part_of(TUESDAY)
    del three_days.store.objects[name]

    assert three_days.findings(with_table=False) == [
        Finding("part_missing", TUESDAY, name),
        Finding("record_removed", TUESDAY, conversation=A, seq=3, count=2),
    ]


def test_a_manifest_that_was_altered_is_named(three_days: House):
    manifest = three_days.manifests()[1]
    three_days.store.objects[manifest.name] = replace(manifest, exported_at=1).body()

    named = {(each.what, each.object) for each in three_days.findings()}
    assert named == {
        ("signature_wrong", f"{manifest.name}.sig"),
        ("manifest_unlinked", three_days.manifests()[2].name),
    }


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"not json", b"[" * 100_000])
def test_a_manifest_that_cannot_be_read_is_named(three_days: House, body: bytes):
    name = three_days.manifests()[2].name
    three_days.store.objects[name] = body

    assert three_days.findings(with_table=False) == [
        Finding("signature_wrong", WEDNESDAY, f"{name}.sig"),
        Finding("manifest_altered", WEDNESDAY, name),
    ]


@pytest.mark.parametrize(
    "body",
    [
        lambda body: body.replace(b'"number":1', b'"number":1 '),
        lambda body: body.replace(b'"count":1', b'"count":2'),
        lambda body: body.replace(b'"records":1,"sch', b'"records":2,"sch'),
        lambda body: body.replace(b"audit/1", b"audit/2"),
        lambda body: body.replace(b'"parts":[', b'"more":1,"parts":['),
        lambda body: body.replace(b'"conversations":[', b'"conversations":[1,'),
    ],
)
def test_what_is_not_exactly_a_manifest_is_not_read(house: House, body: Callable[[bytes], bytes]):
    house.said(A)
    house.export()
    (manifest,) = house.manifests()
    assert body(manifest.body()) != manifest.body()

    with pytest.raises(ValueError, match="not a manifest"):
        Manifest.read(body(manifest.body()))


def test_a_manifest_under_another_name_is_named(three_days: House):
    two, three = three_days.manifests()[1:]
    three_days.store.objects[two.name] = three.body()
    three_days.sign_anew(two.name)

    assert ("manifest_altered", two.name) in {(each.what, each.object) for each in three_days.findings()}


def test_a_signature_of_another_key_is_none(three_days: House):
    name = three_days.manifests()[0].name
    three_days.sign_anew(name, ANOTHER_KEY)

    assert three_days.findings() == [Finding("signature_wrong", MONDAY, f"{name}.sig")]


def test_after_a_change_of_keys_both_are_trusted(three_days: House):
    three_days.sign_anew(three_days.manifests()[2].name, ANOTHER_KEY)

    assert three_days.findings(keys=(KEY.public_key, ANOTHER_KEY.public_key)) == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"x", b"[" * 100_000, b'{"public_key":{},"signature":1}'])
def test_a_signature_that_cannot_be_read_is_none(three_days: House, body: bytes):
    name = f"{three_days.manifests()[0].name}.sig"
    three_days.store.objects[name] = body

    assert three_days.findings() == [Finding("signature_wrong", MONDAY, name)]


def test_a_missing_signature_is_named(three_days: House):
    name = three_days.manifests()[0].name
    del three_days.store.objects[f"{name}.sig"]

    assert three_days.findings() == [Finding("signature_missing", MONDAY, name)]


def test_a_removed_day_is_named_and_so_are_its_records(three_days: House):
    for name in list(three_days.store.objects):
        if f"dt={TUESDAY}" in name:
            del three_days.store.objects[name]

    assert three_days.findings(with_table=False) == [
        Finding("manifest_missing", WEDNESDAY, seq=2),
        Finding("day_missing", TUESDAY),
        Finding("record_removed", WEDNESDAY, conversation=A, seq=3, count=2),
    ]


def test_a_removed_first_day_is_named(three_days: House):
    for name in list(three_days.store.objects):
        if f"dt={MONDAY}" in name:
            del three_days.store.objects[name]

    assert Finding("manifest_missing", TUESDAY, seq=1) in three_days.findings()


def test_a_removed_last_day_is_named(three_days: House):
    for name in list(three_days.store.objects):
        if f"dt={WEDNESDAY}" in name:
            del three_days.store.objects[name]
    three_days.clock.now = at(THURSDAY, hour=3) - 1
    before = three_days.findings()
    three_days.clock.now += 1

    assert before == []
    assert three_days.findings() == [Finding("day_missing", WEDNESDAY)]


def test_an_export_of_one_day_is_expected_to_go_on(house: House):
    house.said(A)
    house.export()
    house.clock.now = at(FRIDAY, hour=3)

    assert [each.day for each in house.findings()] == [TUESDAY, WEDNESDAY, THURSDAY]


def test_a_second_manifest_of_one_number_is_named(three_days: House):
    name = f"audit/dt={FRIDAY}/manifest-2.json"
    three_days.store.objects[name] = b"{}"

    assert three_days.findings() == [Finding("manifest_inserted", object=name)]


def test_what_no_manifest_names_is_no_part_of_the_audit(three_days: House):
    three_days.store.objects[f"audit/dt={MONDAY}/part-00-0000000000000000.jsonl"] = b"left by a run that crashed"

    assert three_days.findings() == []


def test_a_record_that_a_manifest_puts_on_another_day_is_named(house: House):
    house.said(A)
    house.records.of_day = lambda _, shard: iter(house.records.kept.values() if shard == 0 else ())  # type: ignore[method-assign]
    house.export(on=WEDNESDAY)

    assert ("record_altered", TUESDAY, A, 1) in found(house)


# -- the program in the documentation --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def documented_program() -> str:
    """Return the program of docs/audit.md, which shares no code with ours."""
    if "sm3" not in hashlib.algorithms_available:
        pytest.skip("this Python's OpenSSL has no SM3: the documented program did not run")
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(program)


def printed(program: str, house: House, folder: Path) -> str:
    for name, body in house.store.objects.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    command = [sys.executable, "-c", program, str(folder), house.key.public_key]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def signed_house() -> House:
    house = House(key=SigningKey("1" * 64))
    for day, following in ((MONDAY, TUESDAY), (TUESDAY, WEDNESDAY)):
        house.said(A, 3, day=day)
        house.records.add(B, happening(day, details={"规则": "“价格”\n\u2028", "a": "\x7f"}), day=day)
        house.export(on=following)
    return house


def test_the_documented_program_finds_nothing_in_what_is_whole(documented_program: str, tmp_path: Path):
    assert printed(documented_program, signed_house(), tmp_path) == ""


def test_the_documented_program_finds_what_was_done(documented_program: str, tmp_path: Path):
    house = signed_house()
    change(house, TUESDAY, A, 5, actor="operator:x")
    name = house.manifests()[0].name
    house.store.objects[name] = house.store.objects[name].replace(MONDAY.encode(), FRIDAY.encode())

    told = printed(documented_program, house, tmp_path)

    assert f"{A} 5 was altered" in told
    assert "manifest-1.json is not signed with this key" in told
    assert "manifest-2.json does not follow the one before it" in told


# -- age -------------------------------------------------------------------------------------------------------------


def long_ago(house: House) -> None:
    """Let Monday's export reach its age: its objects are gone, and its records from the table later."""
    for name in list(house.store.objects):
        if f"dt={MONDAY}" in name:
            del house.store.objects[name]


def test_exports_that_reached_their_age_are_not_missed(three_days: House):
    three_days.export(on=day_after(MONDAY, 185))
    long_ago(three_days)

    assert three_days.findings(with_table=False) == []


def test_a_conversation_whose_beginning_should_be_there_is_told_of(house: House):
    house.said(B)
    house.export()
    house.said(A, 3, day=TUESDAY)
    for seq in (1, 2):
        del house.records.kept[A, seq]
    house.export(on=WEDNESDAY)

    assert Finding("record_removed", TUESDAY, conversation=A, seq=2) in house.findings()


def test_a_chain_that_began_anew_after_the_table_forgot_it_is_whole(house: House):
    house.said(A, 3)
    house.export()
    house.records.kept.clear()
    later = day_after(MONDAY, 211)
    house.said(A, 2, day=later)
    house.export(on=day_after(later, 1))

    assert house.findings() == []


def test_a_chain_that_began_anew_too_early_is_named(house: House):
    house.said(A, 3)
    house.export()
    house.records.kept.clear()
    house.said(A, 2, day=day_after(MONDAY, 100))
    house.export(on=day_after(MONDAY, 101))

    (inserted,) = [each for each in house.findings(with_table=False) if each.what == "record_inserted"]
    assert (inserted.conversation, inserted.seq, inserted.count) == (A, 1, 3)


# -- the table -------------------------------------------------------------------------------------------------------


def test_a_record_that_was_altered_in_the_table_is_named(three_days: House):
    three_days.records.kept[A, 2] = replace(three_days.records.kept[A, 2], sealed="s1.c.other")

    assert three_days.findings() == [Finding("record_differs", MONDAY, conversation=A, seq=2)]
    assert three_days.findings(with_table=False) == []


def test_a_chain_that_goes_on_from_a_forged_record_is_named(house: House):
    house.said(A, 2)
    house.export()
    forged = replace(house.records.kept[A, 2], kind="filtered")
    house.records.kept[A, 2] = replace(forged, hash=chain.hash_of(forged))
    house.said(A, day=TUESDAY)

    assert house.export(on=WEDNESDAY).flaws == 0  # to the table alone the chain is whole
    assert house.findings() == [
        Finding("record_altered", TUESDAY, conversation=A, seq=3),
        Finding("record_differs", MONDAY, conversation=A, seq=2),
    ]


def test_a_record_that_is_gone_from_the_table_before_its_time_is_named(three_days: House):
    del three_days.records.kept[A, 2]

    assert three_days.findings() == [Finding("record_lost", MONDAY, conversation=A, seq=2)]


def test_a_record_that_is_gone_from_the_table_at_its_time_is_not_missed(house: House):
    house.said(A)
    house.export()
    house.records.kept.clear()
    house.clock.now = at(MONDAY, hour=9) + 210 * DAY_S - 1
    early = [each for each in house.findings() if each.what.startswith("record")]
    house.clock.now += 1

    assert early == [Finding("record_lost", MONDAY, conversation=A, seq=1)]
    assert [each for each in house.findings() if each.what.startswith("record")] == []


def test_a_record_that_came_too_late_for_every_export_is_named(three_days: House):
    three_days.said(B, day=MONDAY)
    soon = three_days.findings()
    three_days.clock.now = at(day_after(MONDAY, 5))

    assert soon == []
    assert Finding("record_unexported", MONDAY, conversation=B, seq=2) in three_days.findings()
