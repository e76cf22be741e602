"""The hash chain of the audit: its fixed form, and single faults by name. Every other fault is in tests/property."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from frontdesk.protection import chain
from frontdesk.protection.chain import Flaw, canonical, check, from_line, genesis, hash_of, link, sm3, to_line
from frontdesk.records import AuditRecord, Happening
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, MESSAGE_ID, NOW_MS

DAY = "2026-09-21"


def happening(n: int = 1) -> Happening:
    return Happening(
        kind="generated",
        actor="fastgpt:app@ai.example.com",
        at_ms=NOW_MS + n,
        about=MESSAGE_ID,
        details={"n": str(n), "规则": "价格"},
    )


def a_chain(length: int, conversation: str = CONVERSATION) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    previous = genesis(conversation)
    for seq in range(1, length + 1):
        records.append(link(conversation, seq, previous, happening(seq), sealed=f"s1.c.{seq}", day=DAY))
        previous = records[-1].hash
    return records


def rehashed(record: AuditRecord, **differently: object) -> AuditRecord:
    changed = replace(record, **differently)  # type: ignore[arg-type]
    return replace(changed, hash=hash_of(changed))


def end_of(records: list[AuditRecord]) -> tuple[int, str]:
    return records[-1].seq, records[-1].hash


# -- the form --------------------------------------------------------------------------------------------------------


def test_sm3_gives_the_digests_of_the_standard():
    # GB/T 32905-2016, annex A
    assert sm3(b"abc") == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert sm3(b"abcd" * 16) == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_a_record_is_linked_in_a_form_that_never_changes():
    record = a_chain(1)[0]

    assert canonical(record).decode() == (
        '{"about":"7011223344556677889","actor":"fastgpt:app@ai.example.com","at_ms":1790000000001,'
        '"conversation":"5f0c2a9be1d34786a1b2c3d4e5f60718","day":"2026-09-21","details":{"n":"1","规则":"价格"},'
        '"kind":"generated","previous":"f541bef1396ab8b32fec5a95e1f92584db1f8995754e4c5a88278ab222f2b04e",'
        '"sealed":"s1.c.1","seq":1}'
    )
    assert record.hash == "29f80f97f1e484ebaaea6232b721895f0827b698e2286cdab745c8d6fb6f3026"
    assert record.previous == genesis(CONVERSATION) == sm3(f"frontdesk audit\n{CONVERSATION}".encode())


def test_openssl_gives_the_same_hash_for_a_record():
    record = a_chain(2)[1]

    result = subprocess.run(["openssl", "dgst", "-sm3", "-r"], input=canonical(record), capture_output=True, check=True)

    assert result.stdout.decode().split()[0] == record.hash


def test_a_line_of_the_export_is_the_canonical_form_with_the_hash():
    record = a_chain(1)[0]

    assert json.loads(to_line(record)) == json.loads(canonical(record)) | {"hash": record.hash}
    assert from_line(to_line(record)) == record


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"not json",
        b"\xff",
        b"[" * 100_000,
        to_line(a_chain(1)[0]).replace(b'"seq":1', b'"seq":"1"'),
        to_line(a_chain(1)[0]).replace(b'"seq":1', b'"seq":true'),
        to_line(a_chain(1)[0]).replace(b'"seq":1', b'"seq":1,"more":1'),
        to_line(a_chain(1)[0]).replace(b'"n":"1"', b'"n":1'),
        to_line(a_chain(1)[0]).replace(b'"seq":1', b'"seq": 1'),
        to_line(a_chain(1)[0]).replace(b'"seq":1', b'"seq":1,"seq":1'),
        to_line(a_chain(1)[0]) + b"\n",
    ],
    ids=lambda line: line[-40:].decode(errors="replace"),
)
def test_what_is_not_exactly_a_line_of_the_export_is_refused(line: bytes):
    with pytest.raises(ValueError, match="not"):
        from_line(line)


# -- the check -------------------------------------------------------------------------------------------------------


def test_a_whole_chain_has_no_flaw():
    records = a_chain(5)

    assert check(CONVERSATION, records) == []
    assert check(CONVERSATION, records, end=end_of(records)) == []
    assert check(CONVERSATION, []) == []


def test_a_stretch_is_checked_from_the_place_it_follows():
    records = a_chain(5)

    assert check(CONVERSATION, records[2:], after=end_of(records[:2])) == []
    assert check(CONVERSATION, records[2:], after=(2, genesis("x"))) == [Flaw(CONVERSATION, 3, "altered")]


def test_a_stretch_in_which_all_is_missing_is_found_by_its_end():
    records = a_chain(5)

    assert check(CONVERSATION, [], after=end_of(records[:2]), end=end_of(records)) == [
        Flaw(CONVERSATION, 3, "removed", 3)
    ]


def test_a_changed_record_is_altered():
    records = a_chain(5)
    records[2] = replace(records[2], actor="operator:x")

    assert check(CONVERSATION, records) == [Flaw(CONVERSATION, 3, "altered")]


def test_a_record_that_was_changed_and_hashed_anew_is_altered():
    records = a_chain(5)
    records[2] = rehashed(records[2], actor="operator:x")

    assert check(CONVERSATION, records) == [Flaw(CONVERSATION, 3, "altered")]


def test_a_record_that_was_linked_to_another_and_hashed_anew_is_altered():
    records = a_chain(5)
    records[2] = rehashed(records[2], previous="0" * 64)

    assert check(CONVERSATION, records, end=end_of(records)) == [Flaw(CONVERSATION, 3, "altered")]


def test_a_last_record_that_was_hashed_anew_is_found_by_the_end():
    records = a_chain(5)
    end = end_of(records)
    records[4] = rehashed(records[4], kind="filtered")

    assert check(CONVERSATION, records) == []
    assert check(CONVERSATION, records, end=end) == [Flaw(CONVERSATION, 5, "altered")]


def test_a_chain_that_was_hashed_anew_from_one_record_on_does_not_lead_to_the_end():
    records = a_chain(5)
    forged = a_chain(5)
    previous = forged[1].hash
    for index in (2, 3, 4):
        forged[index] = rehashed(forged[index], previous=previous, kind="filtered")
        previous = forged[index].hash

    assert check(CONVERSATION, forged, end=end_of(records)) == [Flaw(CONVERSATION, 5, "altered")]


def test_records_that_are_missing_in_a_row_are_one_flaw():
    records = a_chain(9)

    assert check(CONVERSATION, records[:2] + records[5:]) == [Flaw(CONVERSATION, 3, "removed", 3)]


def test_a_record_whose_number_was_raised_by_a_billion_is_one_flaw_and_found_at_its_place():
    records = a_chain(5)
    records[2] = replace(records[2], seq=10**9)

    assert check(CONVERSATION, records, end=end_of(records)) == [Flaw(CONVERSATION, 3, "altered")]


def test_a_whole_record_of_another_conversation_is_inserted():
    records = a_chain(5)
    stranger = a_chain(3, ANOTHER_CONVERSATION)[2]

    assert check(CONVERSATION, [*records[:3], stranger, *records[3:]]) == [Flaw(CONVERSATION, 3, "inserted")]


def test_records_after_the_end_and_before_the_beginning_are_inserted():
    records = a_chain(5)

    assert check(CONVERSATION, records, after=end_of(records[:1]), end=end_of(records[:4])) == [
        Flaw(CONVERSATION, 1, "inserted"),
        Flaw(CONVERSATION, 5, "inserted"),
    ]


def test_a_record_that_stands_twice_is_inserted_once():
    records = a_chain(3)

    assert check(CONVERSATION, [*records, records[1]]) == [Flaw(CONVERSATION, 2, "inserted")]


def test_exchanged_records_are_reordered():
    a, b, c, d = a_chain(4)

    assert check(CONVERSATION, [a, c, b, d]) == [Flaw(CONVERSATION, 2, "reordered"), Flaw(CONVERSATION, 3, "reordered")]


def test_several_faults_are_all_named():
    records = a_chain(9)
    records[7] = replace(records[7], sealed="s1.c.0")
    del records[4]

    assert check(CONVERSATION, records, end=end_of(records)) == [
        Flaw(CONVERSATION, 5, "removed"),
        Flaw(CONVERSATION, 8, "altered"),
    ]


def test_a_place_is_a_number_and_a_hash():
    assert chain.Place(3, "aa") == (3, "aa")
