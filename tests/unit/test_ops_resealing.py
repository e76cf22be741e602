"""Re-sealing wraps keys anew and seals plain documents: nothing is lost, nothing done twice, wherever it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import ConflictError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.protection.customer_keys import CustomerKeys, KeyKeeping
from frontdesk.protection.sealing import Keyring, key_id_of
from ops.cli.holdings import ObjectVersion
from ops.cli.resealing import Document, Resealing, rewrap_all
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, CUSTOMER, WORDS
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, Crashing
from tests.fakes.keys import InMemoryCustomerKeys
from tests.fakes.seals import FakeSeals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from frontdesk.records import CustomerKey

FOLDER = "sessions/dt=2026-09-21/channel=wecom_app/"
OLD_RING = Keyring.read({"current": "k1", "keys": {"k1": "0" * 31 + "1"}})
NEW_RING = Keyring.read({"current": "k2", "keys": {"k1": "0" * 31 + "1", "k2": "0" * 31 + "2"}})


# -- data keys -------------------------------------------------------------------------------------------------------


def customers(*conversations: str, ring: Keyring = OLD_RING) -> tuple[InMemoryCustomerKeys, dict[str, str]]:
    """Return a store with a key of each conversation, and something that was sealed with it."""
    store = InMemoryCustomerKeys()
    seals = CustomerKeys(keyring=ring, store=store, clock=FakeClock().monotonic)
    return store, {each: seals.seal(each, WORDS, "session", each, "1") for each in conversations}


def wrapped_under(store: InMemoryCustomerKeys) -> set[str]:
    return {key_id_of(token) for key in store.kept.values() for token in key.wrapped.values()}


def test_every_data_key_is_wrapped_under_the_current_key_and_still_opens_what_it_sealed():
    store, sealed = customers(CONVERSATION, ANOTHER_CONVERSATION)

    tally = rewrap_all(store=store, keeping=KeyKeeping(keyring=NEW_RING, store=store), say=print)

    assert (tally.done, tally.already, tally.failed) == (2, 0, [])
    assert wrapped_under(store) == {"k2"}
    seals = CustomerKeys(keyring=NEW_RING, store=store, clock=FakeClock().monotonic)
    assert {seals.open(each, token, "session", each, "1") for each, token in sealed.items()} == {WORDS}


def test_a_second_run_finds_all_done():
    store, _ = customers(CONVERSATION)
    keeping = KeyKeeping(keyring=NEW_RING, store=store)
    rewrap_all(store=store, keeping=keeping, say=print)
    before = dict(store.kept)

    tally = rewrap_all(store=store, keeping=keeping, say=print)

    assert (tally.done, tally.already) == (0, 1)
    assert store.kept == before


def test_a_key_that_does_not_open_is_named_and_keeps_nothing_from_the_others():
    store, _ = customers(CONVERSATION, ANOTHER_CONVERSATION)
    key = store.kept[CONVERSATION]
    store.kept[CONVERSATION] = replace(key, wrapped={key.current: "s1.k9.AAAA"})

    tally = rewrap_all(store=store, keeping=KeyKeeping(keyring=NEW_RING, store=store), say=print)

    assert (tally.done, tally.failed) == (1, [(CONVERSATION, "unopened")])


def test_a_key_that_keeps_changing_is_named():
    class Contended:
        def rewrap(self, key: CustomerKey) -> bool:
            raise ConflictError("others kept changing it")

    store, _ = customers(CONVERSATION)

    assert rewrap_all(store=store, keeping=Contended(), say=print).failed == [(CONVERSATION, "conflict")]


def test_a_long_run_says_how_far_it_is():
    said: list[str] = []
    store, _ = customers(CONVERSATION)

    class Many:
        def every(self) -> Iterator[CustomerKey]:
            return iter([store.kept[CONVERSATION]] * 2500)

    rewrap_all(store=Many(), keeping=KeyKeeping(keyring=NEW_RING, store=store), say=said.append)

    assert [line.split()[0] for line in said] == ["1000", "2000"]


# -- documents -------------------------------------------------------------------------------------------------------


class Bucket:
    """A versioned bucket: under each name the versions, the newest last. Both faces that re-sealing has of it."""

    def __init__(self) -> None:
        self.objects: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self.markers: list[str] = []
        self._count = 0

    def add(self, name: str, document: dict[str, Any]) -> None:
        self._count += 1
        self.objects.setdefault(name, []).append((f"v{self._count}", document))

    def versions(self) -> Iterator[ObjectVersion]:
        for name in sorted([*self.objects, *self.markers]):
            for version_id, _ in reversed(list(self.objects.get(name, ()))):
                yield ObjectVersion(name, version_id)
            if name in self.markers:
                yield ObjectVersion(name, "marker", marker=True)

    def read(self, version: ObjectVersion) -> dict[str, Any] | None:
        return dict(self.objects.get(version.key, ())).get(version.version_id)

    def delete(self, conversation: str, found: Sequence[ObjectVersion]) -> None:
        for each in found:
            left = [kept for kept in self.objects.get(each.key, []) if kept[0] != each.version_id]
            self.objects[each.key] = left
            if not left:
                del self.objects[each.key]

    def current(self, name: str) -> Document | None:
        if name not in self.objects:
            return None
        version_id, document = self.objects[name][-1]
        return Document(document, version_id)

    def put(self, name: str, document: dict[str, Any], *, over: Document | None) -> None:
        now = self.current(name)
        if (now and now.etag) != (over and over.etag):
            raise ConflictError("changed")
        self.add(name, document)


def plain(version: int = 1, session_id: str = "1790000000000-aa", **differently: Any) -> dict[str, Any]:
    return {
        "schema": "frontdesk.session/1",
        "conversation": CONVERSATION,
        "session_id": session_id,
        "channel": "wecom_app",
        "customer": CUSTOMER,
        "version": version,
        "opened_at": 1_790_000_000,
        "last_activity_at": 1_790_000_060,
        "archived_at": 1_790_000_700,
        "turns_dropped": 0,
        "turns": [{"question": WORDS, "answer": f"答 {n}"} for n in range(version)],
        **differently,
    }


def old_name(session_id: str = "1790000000000-aa") -> str:
    return f"{FOLDER}{session_id}.json"


def new_name(session_id: str = "1790000000000-aa", conversation: str = CONVERSATION) -> str:
    return f"{FOLDER}conversation={conversation}/{session_id}.json"


def seal(document: dict[str, Any]) -> dict[str, Any]:
    """Return ``document`` as the archiver of this release writes it."""
    words = {"customer": document["customer"], "turns": document["turns"], "pending": None, "placeholders": []}
    kept = {name: value for name, value in document.items() if name not in {"customer", "turns"}}
    place = ("session", document["conversation"], document["session_id"])
    token = FakeSeals().seal(document["conversation"], json.dumps(words), *place)
    return {**kept, "schema": "frontdesk.session/2", "sealed": token}


def resealing(
    bucket: Bucket, *, documents: Any = None, crashing: Crashing | None = None, seals: Any = None
) -> Resealing:
    face = crashing.around(bucket) if crashing else bucket
    return Resealing(archive=face, documents=documents or face, seals=seals or FakeSeals(), say=lambda _: None)


def words_of(document: dict[str, Any]) -> dict[str, Any]:
    conversation, session_id = document["conversation"], document["session_id"]
    words: dict[str, Any] = json.loads(
        FakeSeals().open(conversation, document["sealed"], "session", conversation, session_id)
    )
    return words


def contents(bucket: Bucket) -> dict[str, list[int]]:
    """Return the versions of each document by its name; no document may be plain."""
    for several in bucket.objects.values():
        for _, document in several:
            assert document["schema"] == "frontdesk.session/2"
            assert "turns" not in document
            assert len(words_of(document)["turns"]) == document["version"]
    return {name: [document["version"] for _, document in several] for name, several in bucket.objects.items()}


def test_a_plain_document_becomes_a_sealed_one_under_its_new_name():
    bucket = Bucket()
    bucket.add(old_name(), plain(2))

    tally = resealing(bucket).seal_all()

    assert (tally.done, tally.failed) == (1, [])
    assert contents(bucket) == {new_name(): [2]}
    document = bucket.objects[new_name()][0][1]
    assert document == {
        "schema": "frontdesk.session/2",
        **{
            name: value
            for name, value in plain(2).items()
            if name not in {"schema", "customer", "turns"}
        },
        "sealed": document["sealed"],
    }  # fmt: skip
    assert words_of(document) == {
        "customer": CUSTOMER,
        "turns": plain(2)["turns"],
        "pending": None,
        "placeholders": [],
    }


def test_every_version_of_a_document_is_sealed_the_newest_on_top():
    bucket = Bucket()
    for version in (1, 2, 5):
        bucket.add(old_name(), plain(version))

    tally = resealing(bucket).seal_all()

    assert tally.done == 3
    assert contents(bucket) == {new_name(): [1, 2, 5]}


def test_a_plain_document_that_has_its_new_name_already_is_sealed_there():
    bucket = Bucket()
    bucket.add(new_name(), plain(3))

    resealing(bucket).seal_all()

    assert contents(bucket) == {new_name(): [3]}


def test_plain_versions_under_both_names_come_together():
    bucket = Bucket()
    bucket.add(old_name(), plain(1))
    bucket.add(new_name(), plain(2))
    bucket.add(new_name("1790000000000-bb", ANOTHER_CONVERSATION), seal(plain(1)))

    resealing(bucket).seal_all()

    assert contents(bucket)[new_name()] == [1, 2]
    assert old_name() not in bucket.objects


def test_an_earlier_plain_version_does_not_cover_a_later_sealed_one():
    bucket = Bucket()
    bucket.add(old_name(), plain(1))
    bucket.add(new_name(), seal(plain(4)))

    tally = resealing(bucket).seal_all()

    assert (tally.done, tally.already) == (1, 1)
    assert contents(bucket) == {new_name(): [4]}


def test_a_second_run_changes_nothing():
    bucket = Bucket()
    bucket.add(old_name(), plain(1))
    resealing(bucket).seal_all()
    before = json.dumps(bucket.objects)

    tally = resealing(bucket).seal_all()

    assert (tally.done, tally.already) == (0, 1)
    assert json.dumps(bucket.objects) == before


def test_what_the_archiver_did_not_write_is_left_alone():
    bucket = Bucket()
    bucket.add("sessions/readme.json", plain(1))
    bucket.markers.append(old_name("gone"))

    assert resealing(bucket).seal_all().done == 0
    assert list(bucket.objects) == ["sessions/readme.json"]


@pytest.mark.parametrize("lacking", ["conversation", "session_id", "version", "customer", "turns"])
def test_a_document_that_lacks_something_is_named_and_kept(lacking: str):
    bucket = Bucket()
    broken = {name: value for name, value in plain(1).items() if name != lacking}
    bucket.add(old_name("1790000000000-a"), broken)
    bucket.add(old_name("1790000000000-b"), plain(1, "1790000000000-b"))

    tally = resealing(bucket).seal_all()

    assert (tally.done, tally.failed) == (1, [(old_name("1790000000000-a"), "document_malformed")])
    assert bucket.objects[old_name("1790000000000-a")][0][1] == broken


def test_a_plain_document_is_kept_while_its_sealed_copy_does_not_open():
    class Forgetting(FakeSeals):
        def open(self, conversation: str, token: str, *place: str) -> str:
            raise UnopenableError("no such key", key_id="c0123456789ab")

    bucket = Bucket()
    bucket.add(old_name(), plain(1))

    tally = resealing(bucket, seals=Forgetting()).seal_all()

    assert tally.failed == [(new_name(), "unopened")]
    assert bucket.objects[old_name()][0][1] == plain(1)


def test_an_archiver_that_writes_at_the_same_time_is_not_overwritten():
    class Racing(Bucket):
        raced = False

        def put(self, name: str, document: dict[str, Any], *, over: Document | None) -> None:
            if not self.raced:
                self.raced = True
                self.add(name, seal(plain(7)))
            super().put(name, document, over=over)

    bucket = Racing()
    bucket.add(old_name(), plain(1))

    tally = resealing(bucket).seal_all()

    assert tally.done == 1
    assert contents(bucket) == {new_name(): [7]}


@pytest.mark.parametrize(
    ("error", "code"), [(ConflictError("always"), "archive_contended"), (TransientError("out"), "transient")]
)
def test_a_document_that_cannot_be_put_is_named_and_kept(error: Exception, code: str):
    class Refusing(Bucket):
        def put(self, name: str, document: dict[str, Any], *, over: Document | None) -> None:
            raise error

    bucket = Refusing()
    bucket.add(old_name(), plain(1))

    tally = resealing(bucket).seal_all()

    assert tally.failed == [(new_name(), code)]
    assert list(bucket.objects) == [old_name()]


def test_a_refusal_ends_the_run_because_it_would_meet_every_document():
    class Refusing(Bucket):
        def put(self, name: str, document: dict[str, Any], *, over: Document | None) -> None:
            raise MisconfiguredError("no right to write")

    bucket = Refusing()
    bucket.add(old_name(), plain(1))

    with pytest.raises(MisconfiguredError):
        resealing(bucket).seal_all()


def test_a_long_run_over_documents_says_how_far_it_is():
    bucket = Bucket()
    for number in range(1000):
        bucket.add(new_name(f"1790000000000-{number:04}"), seal(plain(1, f"1790000000000-{number:04}")))
    said: list[str] = []

    Resealing(archive=bucket, documents=bucket, seals=FakeSeals(), say=said.append).seal_all()

    assert len(said) == 1


def full() -> Bucket:
    """Return a bucket with all there can be of two sessions."""
    bucket = Bucket()
    bucket.add(old_name(), plain(1))
    bucket.add(old_name(), plain(2))
    bucket.add(new_name(), plain(3))
    bucket.add(old_name("1790000000000-bb"), plain(1, "1790000000000-bb"))
    return bucket


def steps() -> int:
    calls = 0

    class Counting(Crashing):
        def call(self, name: str, method: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            return method(*args, **kwargs)

    resealing(full(), crashing=Counting()).seal_all()
    return calls


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("nth", range(1, steps() + 1))
def test_a_run_that_was_broken_off_anywhere_is_finished_by_the_next(nth: int, *, before: bool):
    bucket = full()
    with pytest.raises(Crash):
        resealing(bucket, crashing=Crashing(nth, before=before)).seal_all()
    newest = {document["version"] for several in bucket.objects.values() for _, document in several
              if document["session_id"] == "1790000000000-aa"}  # fmt: skip
    assert newest >= {1, 2, 3}, "nothing is lost in between"

    resealing(bucket).seal_all()

    found = contents(bucket)
    assert set(found) == {new_name(), new_name("1790000000000-bb")}
    assert found[new_name()] == [1, 2, 3], "each version once, the newest on top"
    assert found[new_name("1790000000000-bb")] == [1]
