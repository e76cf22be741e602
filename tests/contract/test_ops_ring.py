"""The keyring's secret is changed one key at a time, and no function is ever kept from starting by it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from frontdesk.errors import ConflictError, MisconfiguredError, SettingsError
from frontdesk.protection.customer_keys import CustomerKeys, KeyKeeping
from frontdesk.protection.sealing import Keyring, check_keyring
from ops.cli.ring import OLD_RINGS_LIVE_S, SETTLE_S, KeyStillNeededError, Ring
from tests.contract.desk_in_memory import RING_KEY
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, Crashing
from tests.fakes.keys import InMemoryCustomerKeys


class Vault:
    """A Secrets Manager with one secret. A version's id is the token it was put with, as the real one has it."""

    def __init__(self, clock: FakeClock, text: str) -> None:
        self._clock = clock
        self.versions: dict[str, str] = {"first": text}
        self.current = "first"
        self.put_at = clock()

    def get_secret_value(self, **request: str) -> dict[str, Any]:
        return {
            "SecretString": self.versions[self.current],
            "VersionId": self.current,
            "CreatedDate": datetime.fromtimestamp(self.put_at, UTC),
        }

    def put_secret_value(self, **request: str) -> None:
        token, text = request["ClientRequestToken"], request["SecretString"]
        assert 32 <= len(token) <= 64
        if self.versions.setdefault(token, text) != text:
            raise ClientError({"Error": {"Code": "ResourceExistsException"}}, "PutSecretValue")
        self.current = token
        self.put_at = self._clock()

    @property
    def value(self) -> Any:
        return json.loads(self.versions[self.current])["SM4_KEYRING"]


class House:
    """The secret, the table of keys, and what changes the ring."""

    def __init__(self, text: str | None = None) -> None:
        self.clock = FakeClock(NOW)
        self.vault = Vault(self.clock, text or json.dumps({"SM4_KEYRING": RING_KEY}))
        self.keys = InMemoryCustomerKeys()
        self.told: list[str] = []
        self.clock.advance(OLD_RINGS_LIVE_S + 1)

    def ring(self, crashing: Crashing | None = None) -> Ring:
        def port(each: Any) -> Any:
            return crashing.around(each) if crashing else each

        vault = port(self.vault)
        return Ring(vault, "arn:keyring", keys=port(self.keys), clock=self.clock, sleep=self.clock.advance)

    def retire(self, key_id: str, *, crashing: Crashing | None = None, force: bool = False, doubts: Any = ()) -> bool:
        return self.ring(crashing).retire(key_id, doubts=doubts, force=force, before=self.told.append)

    def starts(self) -> None:
        """Do what a function does when it starts."""
        check_keyring(Keyring.read(self.vault.value), self.keys)

    def seals(self) -> CustomerKeys:
        return CustomerKeys(keyring=Keyring.read(self.vault.value), store=self.keys, clock=self.clock.monotonic)

    def rewrap(self) -> None:
        keeping = KeyKeeping(keyring=Keyring.read(self.vault.value), store=self.keys)
        for key in list(self.keys.every()):
            keeping.rewrap(key)


def test_the_ring_tells_its_ids_and_what_is_wrapped_under_them():
    house = House()
    house.seals().seal(CONVERSATION, "话", "session", "1")
    house.seals().seal(ANOTHER_CONVERSATION, "话", "session", "1")
    house.ring().rotate(house.told.append)
    house.seals().seal("a" * 32, "话", "session", "1")

    state = house.ring().look()

    assert (state.current, state.ids, state.wrapped, state.lacking) == ("k2", ("k1", "k2"), {"k1": 2, "k2": 1}, ())


def test_data_keys_that_nobody_can_open_are_told():
    house = House()
    house.seals().seal(CONVERSATION, "话", "session", "1")
    house.vault.versions["first"] = json.dumps({"SM4_KEYRING": {"current": "k5", "keys": {"k5": "0" * 32}}})
    house.keys.remove_check("k1")

    state = house.ring().look()

    assert (state.ids, state.lacking) == (("k5",), ("k1",))


def test_a_rotation_keeps_the_earlier_key_and_makes_the_new_one_current():
    house = House(json.dumps({"SM4_KEYRING": RING_KEY, "NOTE": "something else"}))
    token = Keyring.read(house.vault.value).seal("话", "inbox", "1")

    current = house.ring().rotate(house.told.append)

    ring = Keyring.read(house.vault.value)
    assert (current, ring.current, ring.ids) == ("k2", "k2", ("k1", "k2"))
    assert ring.open(token, "inbox", "1") == "话"
    assert house.told == ["k2"]
    assert json.loads(house.vault.versions[house.vault.current])["NOTE"] == "something else"
    house.starts()


def test_the_value_of_a_rotation_is_canonical():
    house = House()

    house.ring().rotate(house.told.append)

    assert list(house.vault.value) == ["current", "keys"]
    assert house.vault.value["keys"]["k1"] == RING_KEY


def test_two_rotations_at_once_are_one():
    house = House()

    def meanwhile(_: str) -> None:
        house.ring().rotate(lambda _: None)

    with pytest.raises(ConflictError, match="same time"):
        house.ring().rotate(meanwhile)

    assert Keyring.read(house.vault.value).ids == ("k1", "k2")
    house.starts()


def test_a_refusal_is_told_as_one():
    class Refusing(Vault):
        def put_secret_value(self, **request: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutSecretValue")

    house = House()
    house.vault = Refusing(house.clock, house.vault.versions["first"])

    with pytest.raises(MisconfiguredError, match="secrets refused"):
        house.ring().rotate(house.told.append)


def test_a_ring_that_is_not_the_one_in_use_is_not_rotated():
    house = House()
    house.starts()
    house.vault.versions["first"] = json.dumps({"SM4_KEYRING": "f" * 32})

    with pytest.raises(SettingsError, match="k1 is not the key"):
        house.ring().rotate(house.told.append)

    assert house.told == []


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}"])
def test_a_secret_without_a_ring_is_refused(text: str):
    house = House(text)

    with pytest.raises(SettingsError, match="SM4_KEYRING is missing"):
        house.ring().look()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("nth", range(1, 8))
def test_a_rotation_that_was_broken_off_anywhere_lets_functions_start(nth: int, *, before: bool):
    house = House()
    house.starts()
    try:
        house.ring(Crashing(nth, before=before)).rotate(house.told.append)
    except Crash:
        house.starts()

    house.ring().rotate(house.told.append)

    house.starts()
    assert Keyring.read(house.vault.value).ids in {("k1", "k2"), ("k1", "k2", "k3")}


def rotated() -> House:
    """Return a house in which k1 could be taken out: it is neither current nor needed."""
    house = House()
    house.seals().seal(CONVERSATION, "话", "session", "1")
    house.ring().rotate(house.told.append)
    house.rewrap()
    house.told.clear()
    house.clock.advance(OLD_RINGS_LIVE_S + 1)
    return house


def test_a_key_that_nothing_needs_is_taken_out_with_its_check():
    house = rotated()

    assert house.retire("k1") is True

    assert Keyring.read(house.vault.value).ids == ("k2",)
    assert set(house.keys.checks()) == {"k2"}
    assert house.told == ["k1"]
    house.starts()


def test_a_function_that_starts_in_the_middle_does_not_bring_the_check_back():
    house = rotated()
    old = Keyring.read(house.vault.value)
    started: list[float] = []

    def start_late(seconds: float) -> None:
        started.append(seconds)
        check_keyring(old, house.keys)  # it had read the secret before the key was taken out

    ring = Ring(house.vault, "arn:keyring", keys=house.keys, clock=house.clock, sleep=start_late)  # type: ignore[arg-type]
    ring.retire("k1", doubts=(), force=False, before=house.told.append)

    assert started == [SETTLE_S]
    house.starts()


def test_a_key_under_which_data_keys_are_wrapped_stays_whatever_is_forced():
    house = House()
    house.seals().seal(CONVERSATION, "话", "session", "1")
    house.ring().rotate(house.told.append)

    with pytest.raises(KeyStillNeededError, match="1 data keys are wrapped under k1: run `keys re-seal`"):
        house.retire("k1", force=True)

    assert Keyring.read(house.vault.value).ids == ("k1", "k2")


def test_the_current_key_cannot_be_taken_out():
    house = House()

    with pytest.raises(SettingsError, match="k1 is the current one"):
        house.retire("k1", force=True)


@pytest.mark.parametrize(
    ("since_s", "doubts", "reason"),
    [
        (OLD_RINGS_LIVE_S - 1, [], "less than a day ago"),
        (OLD_RINGS_LIVE_S + 1, ["Inbox has 2 messages"], "Inbox has 2 messages"),
    ],
)
def test_a_doubt_keeps_a_key_until_it_is_overruled(since_s: int, doubts: list[str], reason: str):
    house = rotated()
    house.clock.now = house.vault.put_at + since_s

    with pytest.raises(KeyStillNeededError, match=rf"{reason}.*--force"):
        house.retire("k1", doubts=doubts)
    assert (house.told, Keyring.read(house.vault.value).ids) == ([], ("k1", "k2"))

    assert house.retire("k1", doubts=doubts, force=True) is True
    house.starts()


def test_a_key_that_is_out_already_loses_a_check_that_was_left():
    house = rotated()
    checks = house.keys.checks()
    house.retire("k1")
    house.keys.add_check("k1", checks["k1"])
    house.told.clear()

    assert house.retire("k1") is False

    house.starts()
    assert house.told == []


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("nth", range(1, 10))
def test_taking_a_key_out_that_was_broken_off_anywhere_is_finished_by_the_next(nth: int, *, before: bool):
    house = rotated()
    try:
        house.retire("k1", crashing=Crashing(nth, before=before))
    except Crash:
        house.starts()

    house.retire("k1", force=True)

    assert Keyring.read(house.vault.value).ids == ("k2",)
    assert set(house.keys.checks()) == {"k2"}
    house.starts()
