"""Whatever is claimed, given back and heard of a customer, and by how many at once: WeCom never has to refuse.

The test below is WeCom: it knows when the customer really wrote, and counts what really was sent since.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk.storage.allowance import MOST, WINDOW_S, DynamoAllowance
from tests.factories import CONVERSATION, NOW
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable


class Table:
    """One table of versioned items. ``meanwhile`` happens once, before the next put."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Any]] = {}
        self.meanwhile: Callable[[], None] | None = None

    def get_item(self, **request: Any) -> dict[str, Any]:
        assert request["ConsistentRead"]
        item = self._items.get(request["Key"]["key"]["S"])
        return {"Item": item} if item else {}

    def put_item(self, **request: Any) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        assert request["ConditionExpression"] == "attribute_not_exists(#key) OR version = :version"
        key = request["Item"]["key"]["S"]
        stored = self._items.get(key)
        if stored and stored["version"] != request["ExpressionAttributeValues"][":version"]:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")
        self._items[key] = request["Item"]


class WeCom:
    """What really happens between a customer and us. ``heard`` is how many of the customer's messages we know."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW + 0.5)
        self.table = Table()
        self.wrote_at: list[float] = []
        self.heard = 0
        self.sent: dict[str, int] = {}  # after how many of the customer's messages
        self.unsent: list[str] = []  # claimed, and then the process died
        self._claimed_at: dict[str, float] = {}
        self._count = 0

    def allowance(self) -> DynamoAllowance:
        """Return another process."""
        return DynamoAllowance(self.table, CONVERSATION, clock=self.clock, pause=lambda _s: None)  # type: ignore[arg-type]

    def writes(self) -> None:
        """Let the customer write."""
        self.wrote_at.append(self.clock())

    def hears(self, back: int) -> None:
        """Tell of one of the customer's messages, in whatever order they come."""
        if self.wrote_at:
            heard = max(0, len(self.wrote_at) - 1 - back)
            self.allowance().left(CONVERSATION, customer_at=int(self.wrote_at[heard]))

    def sends(self, again: int = 0, keep: int = 0) -> None:
        """Claim a message, a new one or one that was sent in the last 48 hours, and send it if that is granted."""
        known = [each for each in (*self.sent, *self.unsent) if self.clock() < self._claimed_at[each] + WINDOW_S - 1]
        name = known[-again] if 0 < again <= len(known) else ""
        claimed = self._claim(name, keep)
        if not claimed or claimed in self.sent:
            return
        if claimed in self.unsent and (self._since_newest() == MOST or self.clock() >= self.wrote_at[-1] + WINDOW_S):
            return  # WeCom refuses it; that it was not sent before is known to nobody else
        self.unsent = [each for each in self.unsent if each != claimed]
        self.sent[claimed] = len(self.wrote_at)
        assert self.clock() < self.wrote_at[-1] + WINDOW_S
        assert self._since_newest() <= MOST

    def dies(self, keep: int = 0) -> None:
        """Claim a new message, and do not send it."""
        claimed = self._claim("", keep)
        if claimed:
            self.unsent.append(claimed)

    def _claim(self, name: str, keep: int) -> str:
        """Claim the message ``name``, a new one for "", and return its name, "" when it was not granted."""
        self._count += 1
        claimed = name or f"m{self._count}"
        claim = self.allowance().claim(CONVERSATION, claimed, keep=keep)
        remembered = claimed in self.sent or claimed in self.unsent  # a rival may have given it back meanwhile
        assert claim.repeated == remembered
        assert claim.granted or not remembered
        self._claimed_at.setdefault(claimed, self.clock())
        return claimed if claim.granted else ""

    def _since_newest(self) -> int:
        return sum(each == len(self.wrote_at) for each in self.sent.values())

    def gives_back(self) -> None:
        """Let WeCom refuse the last message."""
        if self.sent:
            name = list(self.sent)[-1]
            del self.sent[name], self._claimed_at[name]
            self.allowance().give_back(CONVERSATION, name)


steps = st.one_of(
    st.tuples(st.just("writes")),
    st.tuples(st.just("hears"), st.integers(0, 2)),
    st.tuples(st.just("sends"), st.integers(0, 2), st.integers(0, 1)),
    st.tuples(st.just("sends")),
    st.tuples(st.just("gives_back")),
    st.tuples(st.just("dies")),
)
moments = st.sampled_from([0.0, 0.0, 0.3, 1.0, 60.0, 20 * 3600.0])


@settings(max_examples=300)
@given(st.lists(st.tuples(steps, st.none() | steps, moments), max_size=40))
def test_between_two_messages_of_a_customer_no_more_than_five_are_sent(
    journey: list[tuple[tuple[Any, ...], tuple[Any, ...] | None, float]],
):
    wecom = WeCom()
    for (does, *values), rival, seconds in journey:
        if rival and does != "writes":
            rival_does, *rival_values = rival
            wecom.table.meanwhile = partial(getattr(wecom, rival_does), *rival_values)
        getattr(wecom, does)(*values)
        wecom.table.meanwhile = None
        wecom.clock.advance(seconds)


@given(st.integers(0, 1), st.lists(st.booleans(), min_size=6, max_size=12))
def test_a_customer_who_was_heard_gets_all_that_wecom_allows(keep: int, refused: list[bool]):
    wecom = WeCom()
    wecom.writes()
    wecom.hears(0)
    for each in refused:
        wecom.sends(keep=keep)
        if each and len(wecom.sent) < MOST - keep:
            wecom.gives_back()
    while len(wecom.sent) < MOST - keep:
        before = len(wecom.sent)
        wecom.sends(keep=keep)
        assert len(wecom.sent) == before + 1
    wecom.sends(keep=keep)

    assert len(wecom.sent) == MOST - keep
