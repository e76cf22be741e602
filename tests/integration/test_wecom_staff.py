"""What the people of the company, and members with choices, get in the app's chat, over HTTP to a scripted peer."""

from __future__ import annotations

import logging
import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.wecom_api import WecomApi
from frontdesk.channels.wecom_app_desk import AppDesk
from frontdesk.channels.wecom_outbound import WecomOutbound
from frontdesk.channels.wecom_staff import WecomStaff
from frontdesk.conversation.briefs import brief
from frontdesk.errors import ChargeUnknownError, MisconfiguredError, NobodyError, PermanentError, TransientError
from frontdesk.messages import Charge, Choice
from tests.factories import AGENT_ID, CONVERSATION, NOW, attendance, inbound, outbound, session, ticket, turn
from tests.fakes.attendances import InMemoryAttendances
from tests.integration.wecom_peer import HANG_UP, WecomPeer, wecom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.records import Attendance

OK = {"errcode": 0, "errmsg": "ok"}
SEND, UPDATE = "message/send", "message/update_template_card"
ZHOU, WU = "zhou.min", "wu.tao"
AGENTS = (ZHOU, WU)
GOOD, BAD = Choice("有帮助", "rating:good"), Choice("没解决", "rating:bad")
BRIEF = brief(
    session(turns=(turn(),)),
    reason="confidence",
    summary="客户要发票。",
    now=NOW,
    question="可以开发票吗？",
    confidence=0.456,
)


class UnreachableAttendances(InMemoryAttendances):
    """A store that nobody gets to."""

    def get(self, conversation: str) -> Attendance | None:
        raise TransientError("out of reach", retry_after_s=7)


def waiting(**differently: Any) -> Attendance:
    values = {"question_id": "m_1", "reason": "confidence", "brief": BRIEF, "customer": "lin.mei", **differently}
    return attendance(channel="wecom_app", **values)


def soon() -> float:
    return time.monotonic() + 20


@dataclass
class Chat:
    """The app's chat and the peer that it is with."""

    peer: WecomPeer
    api: WecomApi

    def desk(self, *, agents: tuple[str, ...] = AGENTS, attendances: Any = None) -> AppDesk:
        return AppDesk(
            self.api, attendances=attendances or InMemoryAttendances(), agents=agents, clock=lambda: float(NOW)
        )

    def staff(self, seed: int = 1) -> WecomStaff:
        return WecomStaff(self.api, rng=random.Random(seed))

    def deliver(self, **differently: Any) -> None:
        values = {"conversation": CONVERSATION, "message_id": "0" * 32, **differently}
        WecomOutbound(self.api).deliver(outbound(**values), deadline=soon())

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.peer.bodies(SEND)

    @property
    def cards(self) -> list[dict[str, Any]]:
        return [body["template_card"] for body in self.sent if body["msgtype"] == "template_card"]

    @property
    def texts(self) -> list[tuple[str, str]]:
        return [(body["touser"], body["text"]["content"]) for body in self.sent if body["msgtype"] == "text"]


@contextmanager
def chat(answers: Any = OK, *, update: Any = OK) -> Iterator[Chat]:
    with wecom({SEND: answers, UPDATE: update}) as peer:
        yield Chat(peer, WecomApi(peer.calls(), agent_id=AGENT_ID))


class TestDesk:
    @pytest.mark.parametrize("state", [Charge.BOT, Charge.WAITING, Charge.PERSON])
    def test_who_is_in_charge_is_what_is_kept(self, state: Charge):
        attendances = InMemoryAttendances()
        attendances.save(waiting(state=state.value))
        with chat() as there:
            assert there.desk(attendances=attendances).charge(CONVERSATION, "lin.mei", deadline=soon()) is state

    def test_the_machine_is_in_charge_where_nothing_is_kept(self):
        with chat() as there:
            assert there.desk().charge(CONVERSATION, "lin.mei", deadline=soon()) is Charge.BOT
            assert there.peer.paths() == []

    def test_who_is_in_charge_is_unknown_when_it_cannot_be_read(self):
        with chat() as there, pytest.raises(ChargeUnknownError) as caught:
            there.desk(attendances=UnreachableAttendances()).charge(CONVERSATION, "lin.mei", deadline=soon())
        assert caught.value.retry_after_s == 7

    def test_who_is_in_charge_is_unknown_in_a_state_that_a_later_release_wrote(self):
        attendances = InMemoryAttendances()
        attendances.save(waiting(state="dreaming"))
        with chat() as there, pytest.raises(ChargeUnknownError):
            there.desk(attendances=attendances).charge(CONVERSATION, "lin.mei", deadline=soon())

    @pytest.mark.parametrize(("agents", "available"), [(AGENTS, True), ((), False)])
    def test_somebody_is_there_when_there_are_agents(self, agents: tuple[str, ...], *, available: bool):
        with chat() as there:
            assert there.desk(agents=agents).available("lin.mei", deadline=soon()) is available

    def test_all_agents_get_one_card_with_what_the_brief_says(self):
        with chat() as there:
            called = there.desk().call(waiting(), deadline=soon())
            ((body,), (card,)) = there.sent, there.cards
        assert called == replace(waiting(), state="waiting", agent="")
        assert body["touser"] == "zhou.min|wu.tao"
        assert body["enable_duplicate_check"] == 1
        assert card["quote_area"]["quote_text"] == "可以开发票吗？"
        facts = {field["keyname"]: field["value"] for field in card["horizontal_content_list"]}
        at = "22:13"  # of NOW, in China
        assert facts == {"原因": "机器人把握不足", "把握": "45%", "等待自": at}
        assert "客户要发票。" in card["sub_title_text"]
        assert "当前问题" not in card["sub_title_text"]
        assert [button["key"] for button in card["button_list"]] == [f"handoff:{CONVERSATION}:accept"]

    def test_calling_again_is_the_same_card_and_another_call_is_another(self):
        with chat() as there:
            for each in (waiting(), waiting(), waiting(question_id="m_2"), waiting(brief="别的")):
                there.desk().call(each, deadline=soon())
            first, again, *others = there.cards
        assert first == again
        assert len({card["task_id"] for card in (first, *others)}) == 3

    @pytest.mark.parametrize("answer", [81013, {**OK, "invaliduser": "WU.tao|zhou.min"}, 60020])
    def test_nobody_can_be_called_when_the_card_reaches_nobody(self, answer: Any):
        with chat(answer) as there, pytest.raises(NobodyError):
            there.desk().call(waiting(), deadline=soon())

    def test_nobody_can_be_called_without_agents(self):
        with chat() as there, pytest.raises(NobodyError):
            there.desk(agents=()).call(waiting(), deadline=soon())

    def test_a_card_that_reaches_some_agents_is_enough(self, caplog: pytest.LogCaptureFixture):
        with chat({**OK, "invaliduser": "wu.tao"}) as there:
            assert there.desk().call(waiting(), deadline=soon()).state == "waiting"
        assert "did not reach everybody" in caplog.text
        assert "wu.tao" not in caplog.text

    def test_a_passing_failure_is_one(self):
        with chat(HANG_UP) as there, pytest.raises(TransientError):
            there.desk().call(waiting(), deadline=soon())

    def test_the_one_who_accepted_reads_the_whole_brief_and_can_give_back(self):
        with chat() as there:
            there.desk().brief(waiting(agent=ZHOU), deadline=soon())
            ((member, text),) = there.texts
            (card,) = there.cards
        assert member == ZHOU
        assert BRIEF in text
        assert [button["key"] for button in card["button_list"]] == [f"handoff:{CONVERSATION}:return"]

    def test_nobody_reads_a_brief_before_somebody_accepts(self):
        with chat() as there:
            there.desk().brief(waiting(), deadline=soon())
            assert there.sent == []

    def test_an_agent_whom_the_app_does_not_see_is_no_failure(self, caplog: pytest.LogCaptureFixture):
        with chat(81013) as there:
            there.desk().brief(waiting(agent=ZHOU), deadline=soon())
            there.desk().remind(waiting(agent=ZHOU), everybody=False, deadline=soon())
        assert {record.levelno for record in caplog.records if "reached" in record.message} == {logging.WARNING}

    @pytest.mark.parametrize(
        ("agent", "everybody", "told"),
        [
            (ZHOU, False, ZHOU),
            (ZHOU, True, "zhou.min|wu.tao"),
            ("", False, "zhou.min|wu.tao"),
            (WU, True, "wu.tao|zhou.min"),
        ],
    )
    def test_who_is_reminded(self, agent: str, *, everybody: bool, told: str):
        with chat() as there:
            there.desk().remind(waiting(agent=agent), everybody=everybody, deadline=soon())
            assert [member for member, _ in there.texts] == [told]

    def test_nobody_is_reminded_where_there_is_nobody(self):
        with chat() as there:
            there.desk(agents=()).remind(waiting(), everybody=True, deadline=soon())
            assert there.sent == []

    def test_giving_back_needs_nothing_of_wecom(self):
        with chat() as there:
            assert there.desk().give_back(waiting(agent=ZHOU), deadline=soon()) == ""
            assert there.peer.paths() == []


class TestStaff:
    def test_the_same_words_twice_are_two_messages(self):
        with chat() as there:
            staff = there.staff()
            staff.tell(ZHOU, "已登记。", deadline=soon())
            staff.tell(ZHOU, "已登记。", deadline=soon())
            texts = [text for _, text in there.texts]
        assert len(set(texts)) == 2
        assert {text.rstrip("\u200b\u200c") for text in texts} == {"已登记。"}

    def test_a_message_whose_answer_was_lost_is_the_same_the_second_time(self):
        with chat([HANG_UP, OK]) as there:
            there.staff().tell(ZHOU, "已登记。", deadline=soon())
            first, second = there.sent
        assert first == second
        assert first["enable_duplicate_check"] == 1

    def test_a_long_text_is_told_whole(self):
        with chat() as there:
            there.staff().tell(ZHOU, "字" * 1500, deadline=soon())
            texts = [text for _, text in there.texts]
        assert all(len(text.encode()) <= 2048 for text in texts)
        assert "".join(text.rstrip("\u200b\u200c") for text in texts) == "字" * 1500

    def test_a_word_takes_the_place_of_the_buttons(self):
        with chat() as there:
            there.staff().replace_card(AGENTS, "RC_1", "已由 zhou.min 接入", deadline=soon())
            assert there.peer.bodies(UPDATE) == [
                {
                    "userids": [ZHOU, WU],
                    "agentid": AGENT_ID,
                    "response_code": "RC_1",
                    "button": {"replace_name": "已由 zhou.min 接入"},
                }
            ]

    def test_a_used_code_is_refused_but_not_when_an_attempt_of_the_same_call_used_it(self):
        with chat(update=[60140, HANG_UP, 60140]) as there:
            with pytest.raises(PermanentError) as caught:
                there.staff().replace_card([ZHOU], "RC_1", "已接入", deadline=soon())
            there.staff().replace_card([ZHOU], "RC_2", "已接入", deadline=soon())
        assert caught.value.code == "wecom_60140"

    @pytest.mark.parametrize("userids", [[], [""], ["@all"], ["zhou.min|wu.tao"], ["u"] * 1001])
    def test_a_card_goes_to_single_members(self, userids: list[str]):
        with chat() as there:
            with pytest.raises(PermanentError):
                there.staff().replace_card(userids, "RC_1", "已接入", deadline=soon())
            with pytest.raises(PermanentError):
                there.staff().show(ticket(number="T1"), userids, occasion="opened", deadline=soon())
            assert there.peer.paths() == []

    def test_a_ticket_is_shown_again_only_on_another_occasion(self):
        with chat() as there:
            for occasion in ("opened", "opened", "offer-1"):
                there.staff().show(ticket(number="T1"), AGENTS, occasion=occasion, deadline=soon())
            first, again, other = there.sent
        assert first == again
        assert first["template_card"]["task_id"] != other["template_card"]["task_id"]
        assert first["touser"] == "zhou.min|wu.tao"

    def test_a_misconfiguration_is_one(self):
        with chat(60020) as there, pytest.raises(MisconfiguredError):
            there.staff().tell(ZHOU, "已登记。", deadline=soon())


class TestChoices:
    def test_a_short_text_with_choices_is_one_card(self):
        with chat() as there:
            there.deliver(text="这个回答有帮助吗？", menu=(GOOD, BAD))
            ((body,), (card,)) = there.sent, there.cards
        assert body["touser"] == "lin.mei"
        assert card["main_title"]["title"] == "这个回答有帮助吗？"
        assert [button["key"] for button in card["button_list"]] == ["rating:good", "rating:bad"]

    @pytest.mark.parametrize("text", ["字" * 113, '请看<a href="https://example.com">说明</a>'])
    def test_a_text_that_a_card_cannot_show_goes_before_it(self, text: str):
        with chat() as there:
            there.deliver(text=text, menu=(GOOD, BAD))
            first, second = there.sent
        assert first["text"]["content"] == text
        assert second["template_card"]["main_title"]["title"] == "请选择"

    @pytest.mark.parametrize("menu", [(), (GOOD,) * 7, (Choice("", "k"),)])
    def test_without_choices_for_a_card_there_is_the_text(self, menu: tuple[Choice, ...]):
        with chat() as there:
            there.deliver(text="您好", menu=menu)
            assert there.texts == [("lin.mei", "您好")]
            assert there.cards == []

    def test_the_same_message_is_the_same_card_and_another_one_is_another(self):
        with chat() as there:
            for message_id in ("0" * 32, "0" * 32, "1" * 32):
                there.deliver(text="有帮助吗？", menu=(GOOD, BAD), message_id=message_id)
            first, again, other = there.sent
        assert first == again
        assert first["template_card"]["task_id"] != other["template_card"]["task_id"]

    def test_wecom_counts_nothing_to_members(self):
        with chat() as there:
            assert WecomOutbound(there.api).room(inbound()) is None
