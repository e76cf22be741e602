"""What a customer of 微信客服 gets to see, and what is counted for it, over real HTTP to a scripted peer."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.wecom_kf_api import WecomKfApi
from frontdesk.channels.wecom_kf_outbound import KfOutbound
from frontdesk.errors import AllowanceError, FrontdeskError, PermanentError, TakenOverError, TransientError
from frontdesk.messages import Choice, Kind, Outbound
from tests.factories import CONVERSATION, NOW, inbound
from tests.fakes.allowance import InMemoryAllowance
from tests.fakes.clock import FakeClock
from tests.integration.wecom_peer import HANG_UP, WecomPeer, wecom
from tests.vendor_side import KF_ACCOUNT, KF_CUSTOMER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.records import Claim

OK = {"errcode": 0, "errmsg": "ok"}
SEND, ON_EVENT = "kf/send_msg", "kf/send_msg_on_event"
MENU = (Choice("有帮助", "rating:good"), Choice("没解决", "rating:bad"))
ADDRESS = f"{KF_ACCOUNT}:{KF_CUSTOMER}"


def name(number: int) -> str:
    """Return the id of a message, as the conversation gives them."""
    return f"{number:032x}"


def message(number: int = 1, **differently: Any) -> Outbound:
    values = {"text": "您的订单已发货。", "message_id": name(number), "conversation": CONVERSATION, **differently}
    return Outbound(channel="wecom_kf", recipient=values.pop("recipient", ADDRESS), **values)


class UnreachableAllowance(InMemoryAllowance):
    """One whose store is gone when something is given back."""

    def give_back(self, conversation: str, message_id: str) -> None:
        raise TransientError("the store is out of reach")


@dataclass
class Street:
    """A way out, the peer at its end, and what counts in between."""

    peer: WecomPeer
    clock: FakeClock
    allowance: InMemoryAllowance

    @property
    def channel(self) -> KfOutbound:
        """What a new process has."""
        return KfOutbound(WecomKfApi(self.peer.calls()), allowance=self.allowance)

    def deliver(self, outbound: Outbound) -> None:
        self.channel.deliver(outbound, deadline=time.monotonic() + 20)

    def failure(self, outbound: Outbound) -> FrontdeskError:
        with pytest.raises(FrontdeskError) as caught:
            self.deliver(outbound)
        return caught.value

    @property
    def left(self) -> int:
        return self.allowance.left(CONVERSATION, customer_at=0)

    @property
    def texts(self) -> list[str]:
        return [
            body["text"]["content"] if body["msgtype"] == "text" else body["msgmenu"]["head_content"]
            for body in self.peer.bodies(SEND)
        ]


@contextmanager
def street(
    answers: Any = OK, *, wrote: bool = True, on_event: Any = OK, kind: Any = InMemoryAllowance
) -> Iterator[Street]:
    """Open a street to a customer who has just written."""
    clock = FakeClock()
    allowance = kind(clock=clock)
    if wrote:
        allowance.left(CONVERSATION, customer_at=NOW)
    with wecom({SEND: answers, ON_EVENT: on_event}) as peer:
        yield Street(peer, clock, allowance)


# -- words ---------------------------------------------------------------------------------------------------------


def test_markdown_becomes_plain_words_and_addresses():
    with street() as there:
        rendered = there.channel.render(
            "**请看**[说明](https://example.com/a?b=1)和<https://example.com>\n\n- 一\n- 二"
        )
    assert rendered == "请看说明 (https://example.com/a?b=1)和https://example.com\n\n• 一\n• 二"


def test_a_long_text_is_split_at_what_one_message_holds():
    with street() as there:
        segments = there.channel.split("字" * 700)
        assert [len(segment.encode()) for segment in segments] == [2046, 54]
        assert there.channel.split(" \n ") == ()


def test_the_same_words_again_need_no_mark():
    with street() as there:
        assert there.channel.distinct("您好", 7) == "您好"


def test_an_endless_answer_is_composed_from_its_beginning():
    with street() as there:
        assert len(there.channel.render("字" * 200_000)) == 30_000


# -- what is counted -----------------------------------------------------------------------------------------------


def test_five_messages_are_left_when_a_customer_has_written_and_none_after_two_days():
    with street(wrote=False) as there:
        assert there.channel.room(inbound(sent_at=NOW)) == 5
        there.clock.advance(48 * 3600)
        assert there.channel.room(inbound(sent_at=NOW)) == 0


@pytest.mark.parametrize("kind", [Kind.ENTERED, Kind.STATE, Kind.PERSON, Kind.RECALLED, Kind.DUE, Kind.TICKET])
def test_only_what_a_customer_sent_makes_room(kind: Kind):
    with street(wrote=False) as there:
        assert there.channel.room(inbound(kind=kind, sent_at=NOW)) == 0
        assert there.channel.room(inbound(kind=Kind.IMAGE, sent_at=NOW)) == 5
        assert there.channel.room(inbound(kind=kind, sent_at=NOW)) == 5


def test_each_message_counts_once_however_often_it_is_sent():
    with street() as there:
        for _ in range(3):
            there.deliver(message(1))
        there.deliver(message(2))
        assert there.left == 3


def test_the_last_message_is_kept_for_who_may_spend_it():
    with street() as there:
        for number in range(1, 5):
            there.deliver(message(number))
        error = there.failure(message(5))
        assert type(error) is AllowanceError
        assert error.code == "allowance_spent"
        there.deliver(message(6, last=True))
        assert type(there.failure(message(7, last=True))) is AllowanceError
        assert [body["msgid"] for body in there.peer.bodies(SEND)] == [name(number) for number in (1, 2, 3, 4, 6)]


def test_another_message_of_the_customer_makes_room_again():
    with street() as there:
        for number in range(1, 5):
            there.deliver(message(number))
        there.clock.advance(60)
        there.channel.room(inbound(sent_at=NOW + 60))
        there.deliver(message(5))
        assert there.left == 4


@pytest.mark.parametrize("errcode", [95001, 95018, 40096, 987654, 60020])
def test_what_is_refused_counts_for_nothing(errcode: int):
    with street(errcode) as there:
        assert there.failure(message()).code == f"wecom_{errcode}"
        assert there.left == 5


@pytest.mark.parametrize("lost", [HANG_UP, -1, 45009])
def test_what_may_have_been_accepted_counts_until_its_repetition(lost: Any):
    with street(lost) as there:
        assert isinstance(there.failure(message()), TransientError)
        assert there.left == 4


def test_a_message_that_was_accepted_without_an_answer_is_done_when_its_repetition_is_refused():
    with street([HANG_UP, HANG_UP, HANG_UP, 987654, OK]) as there:
        assert isinstance(there.failure(message()), TransientError)
        there.deliver(message())
        assert there.left == 4
        there.deliver(message(2))
        assert there.left == 3


def test_a_repetition_that_is_refused_for_a_reason_still_counts_as_it_may_have_been_shown():
    with street([HANG_UP, HANG_UP, HANG_UP, 95018]) as there:
        there.failure(message())
        assert type(there.failure(message())) is TakenOverError
        assert there.left == 4


def test_a_refusal_is_told_also_when_it_cannot_be_given_back():
    with street(95018, kind=UnreachableAllowance) as there:
        assert type(there.failure(message())) is TakenOverError


def test_nothing_is_sent_when_it_cannot_be_counted():
    class Gone(InMemoryAllowance):
        def claim(self, conversation: str, message_id: str, *, keep: int) -> Claim:
            raise TransientError("the store is out of reach")

    with street(kind=Gone) as there:
        assert isinstance(there.failure(message()), TransientError)
        assert there.peer.paths() == []


# -- menus ---------------------------------------------------------------------------------------------------------


def test_a_menu_stands_below_its_text_in_one_message():
    with street() as there:
        there.deliver(message(text="有帮助吗？", menu=MENU))
        (body,) = there.peer.bodies(SEND)
        assert body["msgid"] == name(1)
        assert body["msgmenu"]["head_content"] == "有帮助吗？"
        assert [item["click"]["id"] for item in body["msgmenu"]["list"]] == ["rating:good", "rating:bad"]
        assert there.left == 4


def test_a_text_that_is_too_long_for_a_menu_goes_before_it():
    with street() as there:
        there.deliver(message(text="字" * 342, menu=MENU))
        there.deliver(message(text="字" * 342, menu=MENU))
        first, second, *again = there.peer.bodies(SEND)
        assert again == [first, second]
        assert (first["msgtype"], second["msgtype"]) == ("text", "msgmenu")
        assert second["msgid"] == name(1)
        assert first["msgid"] != name(1)
        assert len(first["msgid"]) == 32
        assert first["text"]["content"] == "字" * 342
        assert second["msgmenu"]["head_content"]
        assert there.left == 3


def test_the_parts_before_the_last_message_do_not_spend_it():
    with street() as there:
        for number in range(1, 5):
            there.deliver(message(number))
        assert type(there.failure(message(5, text="字" * 342, menu=MENU, last=True))) is AllowanceError
        assert len(there.texts) == 4


def test_a_text_longer_than_a_message_is_split_above_a_menu():
    with street() as there:
        there.deliver(message(text="字" * 700, menu=MENU))
        assert "".join(there.texts[:-1]) == "字" * 700
        assert len({body["msgid"] for body in there.peer.bodies(SEND)}) == 3


@pytest.mark.parametrize(
    "menu",
    [
        MENU * 6,
        (Choice("a", "i" * 65),),
        (Choice("a", ""),),
        (Choice("", "i"),),
        (Choice("\ud83d", "i"),),
        (Choice("a", "\ud83d"),),
    ],
)
def test_a_menu_that_wecom_does_not_take_is_left_out(menu: tuple[Choice, ...], caplog: pytest.LogCaptureFixture):
    with street() as there:
        there.deliver(message(text="有帮助吗？", menu=menu))
        assert [body["msgtype"] for body in there.peer.bodies(SEND)] == ["text"]
    assert "left out" in caplog.text


@pytest.mark.parametrize("length", [1000, 2100])
def test_the_words_above_a_menu_that_is_left_out_are_shown_whole(length: int):
    with street() as there:
        there.deliver(message(text="字" * (length // 3), menu=MENU * 6))
        assert "".join(there.texts) == "字" * (length // 3)


def test_a_label_is_shortened_to_what_an_item_holds():
    with street() as there:
        there.deliver(message(menu=(Choice("字" * 50, "i"),)))
        (body,) = there.peer.bodies(SEND)
        label = body["msgmenu"]["list"][0]["click"]["content"]
        assert label == "字" * 41 + "…"
        assert len(label.encode()) <= 128


# -- codes ---------------------------------------------------------------------------------------------------------


def test_a_code_lets_a_message_through_that_counts_for_nothing():
    with street(wrote=False) as there:
        there.deliver(message(text="您好", code="WC1", menu=MENU))
        assert there.peer.paths() == [ON_EVENT]
        (body,) = there.peer.bodies(ON_EVENT)
        assert (body["code"], body["msgid"], body["msgtype"]) == ("WC1", name(1), "msgmenu")


def test_words_go_before_choices_where_only_one_message_is_permitted():
    with street() as there:
        there.deliver(message(text="字" * 342, code="WC1", menu=MENU))
        (body,) = there.peer.bodies(ON_EVENT)
        assert body["text"]["content"] == "字" * 342


def test_a_code_that_has_ended_permits_nothing():
    with street(on_event=41050) as there:
        error = there.failure(message(code="WC1"))
    assert type(error) is AllowanceError
    assert error.code == "wecom_41050"


# -- what cannot be sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differently", "code"),
    [
        ({"recipient": "lin.mei"}, "kf_address"),
        ({"message_id": ""}, "kf_message_id"),
        ({"message_id": "i" * 33}, "kf_message_id"),
        ({"message_id": "编号"}, "kf_message_id"),
        ({"text": "字" * 683}, "wecom_text_too_long"),
        ({"text": "字" * 683, "code": "WC1", "menu": MENU}, "wecom_text_too_long"),
    ],
)
def test_what_could_not_be_shown_as_it_is_is_not_sent(differently: dict[str, Any], code: str):
    with street() as there:
        error = there.failure(message(**differently))
        assert type(error) is PermanentError
        assert error.code == code
        assert there.peer.paths() == []
        assert there.left == 5
