"""Whatever dies, gets lost, comes twice or fails: each message gets one answer, in order, and never over a person.

`make chaos` has the same at full size.
"""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.wecom_kf_desk import KfDesk
from frontdesk.messages import Charge
from frontdesk.records import Account, Claim
from tests.chaos.fifo import FifoQueue
from tests.chaos.plan import Plan
from tests.chaos.run import run
from tests.chaos.verdict import Verdict, table
from tests.fakes.accounts import InMemoryAccounts
from tests.fakes.allowance import InMemoryAllowance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.house import House
    from tests.chaos.wecom import Address

MESSAGES = 400
LIMIT_S = 120
RANDOM = secrets.randbelow(10**6)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(2, messages=MESSAGES),
        Plan(3, messages=MESSAGES),
        Plan(5, messages=MESSAGES, dooms=0.4, interim=True),
        Plan(RANDOM, messages=MESSAGES),
    ],
    ids=["to servicers", "to the queue", "dying often, announcing slow answers", "random"],
)
def test_every_message_gets_one_answer_in_order_and_none_over_a_person(
    plan: Plan, address: Address, capsys: pytest.CaptureFixture[str]
):
    verdict, town = run(plan, address, limit_s=LIMIT_S)

    with capsys.disabled():
        sys.stdout.write(f"\n{table({f'seed {plan.seed}': verdict})}\n")
    assert {name: found for name, found in verdict.promises.items() if found} == {}, plan
    assert verdict.numbers["messages"] == MESSAGES
    assert town.crashes.keys() == {"callback", "collector", "responder", "sweep"}


def test_two_runs_of_one_seed_are_the_same(address: Address):
    def numbers() -> list[tuple[str, object]]:
        verdict, _ = run(Plan(11, messages=200), address, limit_s=LIMIT_S)
        return [row for row in verdict.rows() if row[0] not in {"seconds", "messages/s"}]

    assert numbers() == numbers()


# -- what a run would find -------------------------------------------------------------------------------------------


class Leaking(FifoQueue):
    """A queue that says it has a message, and now and then has not."""

    def put(self, group: str, deduplication_id: str, body: Any) -> bool:
        return deduplication_id.endswith("7") or super().put(group, deduplication_id, body)


class Swapping(FifoQueue):
    """A queue that hands out the messages of a group in the wrong order."""

    def receive(self, most: int = 10) -> list[Any]:
        return list(reversed(super().receive(most)))


class Generous(InMemoryAllowance):
    """An allowance that has no end."""

    def left(self, conversation: str, *, customer_at: int) -> int:
        return 5

    def claim(self, conversation: str, message_id: str, *, keep: int) -> Claim:
        return Claim(granted=True, repeated=super().claim(conversation, message_id, keep=keep).repeated)


class Knowing(InMemoryAccounts):
    """Accounts that were there from the beginning of time."""

    def get_or_add(self, account: str, *, answer_from: int) -> Account:
        return super().get_or_add(account, answer_from=0)


class Careless(KfDesk):
    """A desk that says that the machine is in charge without looking."""

    def charge(self, conversation: str, customer: str, *, deadline: float) -> Charge:
        return Charge.BOT


def messages_leak(house: House) -> None:
    house.stores.inbox = _like(house, Leaking)


def messages_swap(house: House) -> None:
    house.stores.inbox = _like(house, Swapping)


def _like(house: House, kind: type[FifoQueue]) -> FifoQueue:
    own = house.stores.inbox
    return kind(clock=house.clock, visibility_s=own.visibility_s, on_put=own._on_put)


def nobody_counts(house: House) -> None:
    house.stores.allowance = Generous(clock=house.clock)


def nothing_is_history(house: House) -> None:
    house.stores.accounts = Knowing()


def nobody_looks_who_is_in_charge(house: House) -> None:
    house.desk = Careless


@pytest.mark.parametrize(
    ("spoil", "finding", "differently"),
    [
        (messages_leak, "lost", {}),
        (messages_swap, "order violations", {}),
        (nobody_counts, "allowance violations", {"dooms": 0.4}),
        (nothing_is_history, "history answered", {}),
        (nobody_looks_who_is_in_charge, "sends without reading", {"absent_people": 0.0}),
    ],
)
def test_what_is_done_wrong_is_found(
    address: Address, spoil: Callable[[House], None], finding: str, differently: dict[str, Any]
):
    plan = Plan(1, **{"messages": 120, "customers": 6, "gap_s": 20.0, **differently})

    verdict, _ = run(plan, address, limit_s=LIMIT_S, spoil=spoil)

    assert any(found for name, found in verdict.promises.items() if name.startswith(finding)), verdict.promises


def test_a_table_has_a_column_for_each_run():
    one, two = Verdict(numbers={"messages": 7, "taps of menus": 0}), Verdict(lost=["m1"])
    two.numbers = {"messages": 9, "taps of menus": 1, "seconds": 2.5}

    lines = table({"seed 1": one, "seed 2": two}).splitlines()

    assert [cell.strip() for cell in lines[2].split("|")] == ["messages", "7", "9"]
    assert [cell.strip() for cell in lines[4].split("|")] == ["lost", "0", "1"]
    assert [cell.strip() for cell in lines[-1].split("|")] == ["seconds", "-", "2.5"]
