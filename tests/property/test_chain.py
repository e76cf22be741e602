"""No change of a chain stays unseen, and the right record is named."""

from __future__ import annotations

import string
from dataclasses import fields, replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from frontdesk.protection.chain import Flaw, check, from_line, genesis, hash_of, link, to_line
from frontdesk.records import AuditRecord, Happening
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
happenings = st.builds(
    Happening,
    kind=st.sampled_from(["generated", "filtered", "unmasked", "handoff"]),
    actor=texts,
    at_ms=st.integers(0, 2**53),
    about=texts,
    details=st.dictionaries(texts, texts, max_size=3),
)
days = st.dates().map(str)


@st.composite
def chains(draw: st.DrawFn, *, conversation: str = CONVERSATION, min_size: int = 1) -> list[AuditRecord]:
    """Return a chain without a flaw, of any happenings."""
    records: list[AuditRecord] = []
    previous = genesis(conversation)
    for seq, each in enumerate(draw(st.lists(happenings, min_size=min_size, max_size=7)), start=1):
        sealed = draw(st.text(string.ascii_letters, max_size=8))
        records.append(link(conversation, seq, previous, each, sealed=sealed, day=draw(days)))
        previous = records[-1].hash
    return records


def end_of(records: list[AuditRecord]) -> tuple[int, str]:
    return records[-1].seq, records[-1].hash


@given(chains())
def test_what_was_linked_has_no_flaw_and_survives_the_export(records: list[AuditRecord]) -> None:
    exported = [from_line(to_line(record)) for record in records]

    assert exported == records
    assert check(CONVERSATION, exported, end=end_of(records)) == []


@given(chains(), st.data())
def test_a_change_of_any_field_is_found_at_its_record(records: list[AuditRecord], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(AuditRecord)]))
    old: Any = getattr(records[index], name)
    kinds: dict[type, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**53), 2**53),
        dict: st.dictionaries(texts, texts, max_size=3),
        str: texts | st.sampled_from([str(getattr(each, name)) for each in records] + [ANOTHER_CONVERSATION]),
    }
    new = data.draw(kinds[type(old)])
    assume(new != old)
    changed = [*records]
    changed[index] = replace(records[index], **{name: new})

    assert check(CONVERSATION, changed, end=end_of(records)) == [Flaw(CONVERSATION, index + 1, "altered")]


@given(chains(), st.data())
def test_a_change_that_was_hashed_anew_is_found_at_its_record(records: list[AuditRecord], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    name = data.draw(st.sampled_from(["day", "kind", "actor", "about", "sealed", "previous"]))
    new = data.draw(texts)
    assume(new != getattr(records[index], name))
    forged = replace(records[index], **{name: new})
    changed = [*records]
    changed[index] = replace(forged, hash=hash_of(forged))

    assert check(CONVERSATION, changed, end=end_of(records)) == [Flaw(CONVERSATION, index + 1, "altered")]


@given(chains(), st.data())
def test_a_removed_record_is_named_the_last_one_too(records: list[AuditRecord], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    left = records[:index] + records[index + 1 :]

    assert check(CONVERSATION, left, end=end_of(records)) == [Flaw(CONVERSATION, index + 1, "removed")]


@given(chains(), happenings, st.data())
def test_an_inserted_record_is_named(records: list[AuditRecord], more: Happening, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(records)))
    seq = data.draw(st.integers(-3, len(records) + 3))
    previous = data.draw(st.sampled_from([genesis(CONVERSATION), *(record.hash for record in records)]))
    forged = link(CONVERSATION, seq, previous, more, sealed="forged", day="2026-11-22")
    changed = [*records[:place], forged, *records[place:]]

    assert check(CONVERSATION, changed, end=end_of(records)) == [Flaw(CONVERSATION, seq, "inserted")]


@given(chains(), st.data())
def test_a_record_that_was_inserted_again_is_named(records: list[AuditRecord], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(records))
    changed = [*records, again]

    assert check(CONVERSATION, changed, end=end_of(records)) == [Flaw(CONVERSATION, again.seq, "inserted")]


@given(chains(min_size=2), st.data())
def test_exchanged_records_are_both_named(records: list[AuditRecord], data: st.DataObject) -> None:
    pair = st.lists(st.integers(0, len(records) - 1), min_size=2, max_size=2, unique=True)
    first, second = sorted(data.draw(pair))
    changed = [*records]
    changed[first], changed[second] = records[second], records[first]

    assert check(CONVERSATION, changed, end=end_of(records)) == [
        Flaw(CONVERSATION, first + 1, "reordered"),
        Flaw(CONVERSATION, second + 1, "reordered"),
    ]


@given(chains(min_size=2), st.data())
def test_any_mixture_of_records_but_the_whole_chain_is_found(records: list[AuditRecord], data: st.DataObject) -> None:
    mixture = data.draw(st.lists(st.sampled_from(records), max_size=8))
    assume(mixture != records)

    assert check(CONVERSATION, mixture, end=end_of(records))
