"""What the queue of pulls promises the collector: from the callback's hand as well as from the sweep's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from frontdesk.errors import MalformedMessageError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.messages import Pull
from frontdesk.protection.sealing import Keyring
from frontdesk.storage.pull_records import SqsPulls, read_pull
from frontdesk.storage.pulls import PullQueue, encode, encode_bare
from tests.contract.test_inbox import Moto
from tests.factories import KF_ACCOUNT, NOW_MS, pull, sqs_record
from tests.fakes.queue import QUEUE_URL, InMemoryQueue
from tests.fakes.seals import FakeRing

if TYPE_CHECKING:
    from collections.abc import Iterator

# What this release writes, sealed with an invented key: it must stay readable for as long as it can be in a queue.
RING = Keyring.read("00112233445566778899aabbccddeeff")
GOLDEN = (
    '{"v":1,"account":"wkAbCdEf0001","noticed_at_ms":1790000000000,'
    '"sealed":"s1.k1.AHHZSFu_uDy15I5CG_B4uIU-JlwofiJFAceMbMXnIe2liA1HMWez8CqU-RanOr6a2eU"}'
)
GOLDEN_BARE = '{"v":1,"account":"wkAbCdEf0001","noticed_at_ms":1790000000000}'


def read(body: str, seals: Any = None) -> Pull:
    return read_pull(sqs_record(body), seals=seals or FakeRing())


@pytest.fixture
def moto() -> Iterator[Moto]:
    with mock_aws():
        yield Moto()


# -- the callback's --------------------------------------------------------------------------------------------------


def test_a_notification_put_is_a_pull_read(moto: Moto):
    PullQueue(moto.service, moto.url, seals=FakeRing()).put(pull())

    ((group, body),) = moto.bodies()
    assert group == KF_ACCOUNT
    assert read(body) == pull()


def test_each_notification_is_there_also_one_that_is_like_another(moto: Moto):
    pulls = PullQueue(moto.service, moto.url, seals=FakeRing())
    pulls.put(pull())
    pulls.put(pull())

    assert [read(body) for _, body in moto.bodies()] == [pull(), pull()]


def test_the_news_of_an_account_stay_in_order(moto: Moto):
    pulls = PullQueue(moto.service, moto.url, seals=FakeRing())
    for n in range(5):
        pulls.put(pull(noticed_at_ms=NOW_MS + n))
        pulls.put(pull(account="wkOther", noticed_at_ms=NOW_MS + n))

    taken = moto.bodies()
    for account in (KF_ACCOUNT, "wkOther"):
        assert [read(body).noticed_at_ms for group, body in taken if group == account] == [NOW_MS + n for n in range(5)]


def test_a_token_is_not_readable_in_the_queue():
    body = encode(pull(), FakeRing())

    assert pull().token not in body
    assert json.loads(body).keys() == {"v", "account", "noticed_at_ms", "sealed"}


def test_a_notification_without_a_token_has_nothing_sealed():
    assert encode(pull(token=""), FakeRing()) == GOLDEN_BARE
    assert read(GOLDEN_BARE, FakeRing("k9")) == pull(token="")


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("refused")])
def test_a_queue_that_did_not_take_it_is_heard(error: Exception):
    queue = InMemoryQueue()
    queue.failure = error

    with pytest.raises(type(error)):
        PullQueue(queue, QUEUE_URL, seals=FakeRing()).put(pull())


# -- the sweep's -----------------------------------------------------------------------------------------------------


def test_a_pull_that_nobody_called_for_is_read_without_any_key(moto: Moto):
    SqsPulls(moto.client, moto.url).put(pull(token=""))

    ((group, body),) = moto.bodies()
    assert (group, read(body, FakeRing("k9"))) == (KF_ACCOUNT, pull(token=""))


def test_there_is_one_an_account_and_minute(moto: Moto):
    pulls = SqsPulls(moto.client, moto.url)
    minute = NOW_MS // 60_000 * 60_000
    for account, at_ms in (("a", 0), ("a", 59_999), ("b", 5), ("a", 60_000), ("b", 59_999)):
        pulls.put(pull(account=account, noticed_at_ms=minute + at_ms, token=""))

    taken = [(group, read(body).noticed_at_ms - minute) for group, body in moto.bodies()]
    assert sorted(taken) == [("a", 0), ("a", 60_000), ("b", 5)]


def test_a_token_is_not_put_without_a_seal(moto: Moto):
    with pytest.raises(ValueError, match="sealed"):
        SqsPulls(moto.client, moto.url).put(pull())

    assert moto.bodies() == []


def test_a_queue_that_is_not_there_is_told(moto: Moto):
    with pytest.raises(MisconfiguredError):
        SqsPulls(moto.client, moto.url + "-absent").put(pull(token=""))


# -- the body --------------------------------------------------------------------------------------------------------


def test_this_release_reads_what_each_release_wrote():
    assert read(GOLDEN, RING) == pull()
    assert read(GOLDEN_BARE, RING) == pull(token="")


def test_this_release_writes_what_it_is_known_to_write():
    written, golden = json.loads(encode(pull(), RING)), json.loads(GOLDEN)
    sealed, was_sealed = written.pop("sealed"), golden.pop("sealed")

    assert list(written.items()) == list(golden.items())
    assert RING.open(sealed, "pull", KF_ACCOUNT) == RING.open(was_sealed, "pull", KF_ACCOUNT)
    assert encode_bare(pull(token="")) == GOLDEN_BARE


def test_a_field_of_a_later_release_is_left_alone():
    assert read(json.dumps({**json.loads(GOLDEN_BARE), "corp": "ww0a1b2c3d4e5f6a7b"})) == pull(token="")


@given(
    st.builds(
        Pull,
        account=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        noticed_at_ms=st.integers(0, 10**15),
        token=st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_every_pull_is_read_as_it_was_written(written: Pull):
    assert read(encode(written, FakeRing())) == written


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("", "body"),
        ("[]", "body"),
        ("{}", "account, noticed_at_ms, v"),
        (GOLDEN_BARE.replace('"v":1', '"v":2'), "v"),
        (GOLDEN_BARE.replace("wkAbCdEf0001", ""), "account"),
        (GOLDEN_BARE.replace("1790000000000", '"soon"'), "noticed_at_ms"),
        (GOLDEN_BARE.replace("}", ',"sealed":5}'), "sealed"),
    ],
)
def test_a_body_that_no_release_wrote_is_malformed(body: str, named: str):
    with pytest.raises(MalformedMessageError) as caught:
        read(body)
    assert str(caught.value) == f"unreadable: {named}"


@pytest.mark.parametrize(
    "body",
    [
        GOLDEN.replace("wkAbCdEf0001", "wkOther"),
        json.dumps({**json.loads(GOLDEN), "sealed": "s1.k7.AAAA"}),
    ],
    ids=["moved", "another key"],
)
def test_a_token_that_does_not_open_is_not_taken_for_none(body: str):
    with pytest.raises(UnopenableError):
        read(body, RING)
