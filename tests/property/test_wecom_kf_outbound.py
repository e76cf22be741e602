"""Whatever is lost on the way to 微信客服: nothing is shown twice, nothing counts twice, and the last message is kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from frontdesk.channels.wecom_kf_outbound import KfOutbound
from frontdesk.errors import AllowanceError, PermanentError, TransientError
from frontdesk.messages import Choice, Outbound
from tests.factories import CONVERSATION, inbound
from tests.fakes.allowance import InMemoryAllowance
from tests.fakes.clock import FakeClock
from tests.vendor_side import KF_ACCOUNT, KF_CUSTOMER

if TYPE_CHECKING:
    from collections.abc import Sequence

FATES = st.sampled_from(["shown", "lost before", "lost after"])
MENU = (Choice("有帮助", "rating:good"), Choice("没解决", "rating:bad"))


class CountingVendor:
    """微信客服 as documented (path 94677), in the place of the client: it counts, and knows each id it has taken."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, tuple[Choice, ...]]] = []
        self.used = 0
        self.fates: list[str] = []

    def hear(self) -> None:
        """Note a message of the customer."""
        self.used = 0

    def send_text(self, *_who: str, message_id: str, repeated: bool, deadline: float) -> None:
        self._send(_who[-1], (), message_id, repeated=repeated)

    def send_menu(
        self,
        _account: str,
        _customer: str,
        text: str,
        menu: Sequence[Choice],
        *,
        message_id: str,
        repeated: bool,
        **_: Any,
    ) -> None:
        self._send(text, tuple(menu), message_id, repeated=repeated)

    def _send(self, text: str, menu: tuple[Choice, ...], message_id: str, *, repeated: bool) -> None:
        fate = self.fates.pop(0) if self.fates else "shown"
        if fate == "lost before":
            raise TransientError("lost")
        if message_id in [known for known, _, _ in self.taken]:
            if not repeated:
                raise PermanentError("the id was used before", code="wecom_987654")
            return
        assert self.used < 5, "WeCom would have refused it"
        self.used += 1
        self.taken.append((message_id, text, menu))
        if fate == "lost after":
            raise TransientError("lost")


def outbound(number: int, **differently: Any) -> Outbound:
    return Outbound(
        channel="wecom_kf",
        recipient=f"{KF_ACCOUNT}:{KF_CUSTOMER}",
        conversation=CONVERSATION,
        message_id=f"{number:032x}",
        **{"text": "您好", **differently},
    )


class Talk(RuleBasedStateMachine):
    """A customer writes, messages are sent and sent again, and answers get lost."""

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock()
        self.vendor = CountingVendor()
        client: Any = self.vendor
        self.channel = KfOutbound(client, allowance=InMemoryAllowance(clock=self.clock))
        self.number = 0
        self.spent: list[Outbound] = []
        self.last_is_spent = False

    @rule(seconds=st.integers(1, 3600))
    def customer_writes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.vendor.hear()
        assert self.channel.room(inbound(sent_at=int(self.clock()))) == 5
        self.clock.advance(1)
        # A repetition is granted whatever is left: WeCom alone knows whether it has that message. If it has not, it may
        # refuse it, which is told as any refusal is.
        self.spent = []
        self.last_is_spent = False

    @rule(fates=st.lists(FATES, max_size=3), last=st.booleans(), long=st.booleans())
    def a_message_is_sent(self, fates: list[str], *, last: bool, long: bool) -> None:
        self.number += 1
        long_menu = {"text": "字" * 342, "menu": MENU} if long else {}
        self._deliver(outbound(self.number, last=last, **long_menu), fates)

    @rule(fates=st.lists(FATES, max_size=3), choice=st.randoms(use_true_random=False))
    def a_message_is_sent_again(self, fates: list[str], choice: Any) -> None:
        if self.spent:
            self._deliver(choice.choice(self.spent), fates)

    @invariant()
    def nothing_is_shown_twice(self) -> None:
        if hasattr(self, "vendor"):
            ids = [message_id for message_id, _, _ in self.vendor.taken]
            assert len(set(ids)) == len(ids)

    def _deliver(self, message: Outbound, fates: list[str]) -> None:
        self.vendor.fates = list(fates)
        before = self.vendor.used
        with suppress(TransientError):  # the queue hands it out again
            try:
                self.channel.deliver(message, deadline=0.0)
            except AllowanceError:
                return
        self.last_is_spent |= message.last
        if not self.last_is_spent:
            assert self.vendor.used < 5 or self.vendor.used == before
        self.spent = [each for each in self.spent if each != message] + [message]


TestTalk = Talk.TestCase


LABELS = st.text(st.characters(), max_size=60)


@given(
    st.text(max_size=3000),
    st.lists(st.builds(Choice, LABELS, LABELS), max_size=12),
    st.text("0123456789abcdef", min_size=32, max_size=32),
)
def test_every_message_is_one_that_wecom_takes(text: str, choices: list[Choice], message_id: str):
    vendor: Any = CountingVendor()
    allowance = InMemoryAllowance(clock=FakeClock())
    channel = KfOutbound(vendor, allowance=allowance)
    menu = tuple(choices)
    if not menu and len(text.encode()) > 2048:
        return
    for _ in range(2):
        channel.room(inbound())
        try:
            channel.deliver(
                Outbound(
                    channel="wecom_kf",
                    recipient=f"{KF_ACCOUNT}:{KF_CUSTOMER}",
                    conversation=CONVERSATION,
                    message_id=message_id,
                    text=text,
                    menu=menu,
                ),
                deadline=0.0,
            )
        except AllowanceError:
            return
    assert vendor.taken[-1][0] == message_id
    for sent_id, content, items in vendor.taken:
        assert len(sent_id) == 32
        assert len(content.encode()) <= (1024 if items else 2048)
        assert len(items) <= 10
        for item in items:
            assert 1 <= len(item.value.encode()) <= 64
            assert 1 <= len(item.label.encode()) <= 128
    shown = "".join(content for _, content, _ in vendor.taken)
    assert "".join(text.split()) in "".join(shown.split())
