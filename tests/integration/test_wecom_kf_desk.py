"""Customers of 微信客服 given to servicers and taken back, over real HTTP to a scripted peer."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from frontdesk.channels.wecom_api import WecomApi
from frontdesk.channels.wecom_kf_api import WecomKfApi
from frontdesk.channels.wecom_kf_desk import KfDesk
from frontdesk.errors import ChargeUnknownError, NobodyError, PermanentError, TransientError
from frontdesk.messages import Charge
from tests.factories import AGENT_ID, ANOTHER_CONVERSATION, CONVERSATION, attendance
from tests.integration.wecom_peer import HANG_UP, WecomPeer, wecom
from tests.vendor_side import KF_ACCOUNT, KF_CUSTOMER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.records import Attendance

OK = {"errcode": 0, "errmsg": "ok"}
STATE, TRANS, LIST = "kf/service_state/get", "kf/service_state/trans", "kf/servicer/list"
NAMES, TELL = "kf/customer/batchget", "message/send"
ADDRESS = f"{KF_ACCOUNT}:{KF_CUSTOMER}"
NEW, IN_POOL, ENDED = ({**OK, "service_state": number} for number in (0, 2, 4))
WITH_ZHOU = {**OK, "service_state": 3, "servicer_userid": "zhou.min"}
NAMED = {**OK, "customer_list": [{"external_userid": KF_CUSTOMER, "nickname": "小周"}]}
BRIEF = "【转人工】客户要求人工\n当前问题：订单 8812 到哪里了？"


def servicers(*receiving: str, stopped: tuple[str, ...] = ()) -> dict[str, Any]:
    listed = [{"userid": userid, "status": 0} for userid in receiving]
    return {**OK, "servicer_list": [*listed, *({"userid": userid, "status": 1} for userid in stopped)]}


def waiting(**differently: Any) -> Attendance:
    return attendance(customer=ADDRESS, question_id="m_901", reason="asked", brief=BRIEF, **differently)


@dataclass
class Office:
    """A desk and the peer that it asks."""

    peer: WecomPeer
    desk: KfDesk

    def call(self, attendance: Attendance | None = None) -> Attendance:
        return self.desk.call(attendance or waiting(), deadline=time.monotonic() + 20)

    @property
    def transferred(self) -> list[tuple[int, str]]:
        return [(body["service_state"], body.get("servicer_userid", "")) for body in self.peer.bodies(TRANS)]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(body["touser"], body["text"]["content"]) for body in self.peer.bodies(TELL)]


@contextmanager
def office(
    answers: dict[str, Any], *, to: Literal["servicer", "queue"] = "servicer", agents: tuple[str, ...] = ()
) -> Iterator[Office]:
    """Open an office; what is not scripted goes well and tells nothing."""
    usual = {STATE: NEW, TRANS: OK, LIST: servicers("zhou.min"), NAMES: NAMED, TELL: OK}
    with wecom({**usual, **answers}) as peer:
        calls = peer.calls()
        yield Office(peer, KfDesk(WecomKfApi(calls), WecomApi(calls, agent_id=AGENT_ID), to=to, agents=agents))


def soon() -> float:
    return time.monotonic() + 20


class TestCharge:
    @pytest.mark.parametrize(
        ("number", "charge"),
        [(0, Charge.BOT), (1, Charge.BOT), (2, Charge.WAITING), (3, Charge.PERSON), (4, Charge.CLOSED)],
    )
    def test_who_is_in_charge_is_what_wecom_says(self, number: int, charge: Charge):
        with office({STATE: {**OK, "service_state": number}}) as there:
            assert there.desk.charge(CONVERSATION, ADDRESS, deadline=soon()) is charge

    @pytest.mark.parametrize("answer", [-1, HANG_UP, 95004, 60020, 40096, {**OK, "service_state": 5}, OK])
    def test_who_is_in_charge_is_unknown_when_it_cannot_be_read(self, answer: Any):
        with office({STATE: answer}) as there, pytest.raises(ChargeUnknownError) as caught:
            there.desk.charge(CONVERSATION, ADDRESS, deadline=soon())
        assert KF_CUSTOMER not in str(caught.value)

    def test_a_limit_says_when_to_ask_again(self):
        with office({STATE: 45009}) as there, pytest.raises(ChargeUnknownError) as caught:
            there.desk.charge(CONVERSATION, ADDRESS, deadline=soon())
        assert caught.value.retry_after_s == 60

    def test_an_address_that_is_none_is_unknown(self):
        with office({}) as there, pytest.raises(ChargeUnknownError):
            there.desk.charge(CONVERSATION, "lin.mei", deadline=soon())


class TestAvailable:
    @pytest.mark.parametrize(
        ("listed", "available"),
        [(servicers("zhou.min"), True), (servicers(stopped=("zhou.min",)), False), (servicers(), False)],
    )
    def test_somebody_is_there_who_receives(self, listed: Any, *, available: bool):
        with office({LIST: listed}) as there:
            assert there.desk.available(ADDRESS, deadline=soon()) is available

    def test_nobody_is_there_when_wecom_does_not_tell(self, caplog: pytest.LogCaptureFixture):
        with office({LIST: 48002}) as there:
            assert not there.desk.available(ADDRESS, deadline=soon())
        assert [record.levelno for record in caplog.records if "servicers" in record.message] == [logging.ERROR]

    def test_a_passing_failure_is_one(self):
        with office({LIST: -1}) as there, pytest.raises(TransientError):
            there.desk.available(ADDRESS, deadline=soon())


class TestCalling:
    def test_a_servicer_who_receives_gets_the_customer(self):
        with office({LIST: servicers("zhou.min", stopped=("wu.tao",))}) as there:
            called = there.call()
            assert there.transferred == [(3, "zhou.min")]
        assert called == replace(waiting(), state="person", agent="zhou.min")

    @pytest.mark.parametrize("errcode", [95014, 95019])
    def test_the_next_one_is_asked_when_one_has_stopped(self, errcode: int):
        with office({LIST: servicers("zhou.min", "wu.tao", "zheng.yi"), TRANS: [errcode, errcode, OK]}) as there:
            called = there.call()
            asked = [servicer for _, servicer in there.transferred]
        assert sorted(asked) == ["wu.tao", "zheng.yi", "zhou.min"]
        assert called.agent == asked[-1]

    def test_customers_are_spread_over_the_servicers_and_each_keeps_the_same_turn(self):
        listed = servicers("a", "b", "c", "d")
        with office({LIST: listed}) as there:
            called = [there.call(waiting(conversation=f"{number:032x}")) for number in range(24)]
            agents = [each.agent for each in called]
            again = [there.call(each).agent for each in called[:5]]
        assert set(agents) == {"a", "b", "c", "d"}
        assert again == agents[:5]

    @pytest.mark.parametrize("answers", [{LIST: servicers()}, {TRANS: 95019}, {TRANS: 95014}])
    def test_nobody_takes_the_customer_where_nobody_receives(self, answers: dict[str, Any]):
        with office(answers) as there, pytest.raises(NobodyError):
            there.call()

    def test_with_a_queue_the_customer_waits_there(self):
        with office({LIST: servicers("zhou.min", "wu.tao")}, to="queue") as there:
            assert there.call() == replace(waiting(), state="waiting", agent="")
            assert there.transferred == [(2, "")]

    def test_nobody_is_left_waiting_in_a_queue_that_nobody_serves(self):
        with office({LIST: servicers(stopped=("zhou.min",))}, to="queue") as there:
            with pytest.raises(NobodyError):
                there.call()
            assert there.transferred == []

    @pytest.mark.parametrize("to", ["servicer", "queue"])
    @pytest.mark.parametrize(("state", "attends"), [(WITH_ZHOU, ("person", "zhou.min")), (IN_POOL, ("waiting", ""))])
    def test_calling_for_one_who_waits_or_has_a_person_changes_nothing(
        self, state: Any, attends: tuple[str, str], to: Literal["servicer", "queue"]
    ):
        with office({STATE: state}, to=to) as there:
            called = there.call(waiting(agent="somebody.before"))
            assert there.transferred == []
        assert (called.state, called.agent) == attends

    @pytest.mark.parametrize("lost", [HANG_UP, -1])
    def test_a_change_whose_answer_was_lost_is_found_made(self, lost: Any):
        with office({STATE: [NEW, WITH_ZHOU], TRANS: [lost, 95016]}) as there:
            called = there.call()
        assert (called.state, called.agent) == ("person", "zhou.min")

    def test_somebody_who_was_faster_keeps_the_customer(self):
        with office({STATE: [NEW, IN_POOL], TRANS: 95016}) as there:
            assert there.call().state == "waiting"

    @pytest.mark.parametrize("state", [NEW, ENDED])
    def test_a_session_that_cannot_be_given_away_has_nobody(self, state: Any):
        with office({STATE: state, TRANS: 95016}) as there, pytest.raises(NobodyError) as caught:
            there.call()
        assert caught.value.code == "wecom_95016"

    @pytest.mark.parametrize("answers", [{LIST: 48002}, {TRANS: 60020}, {STATE: 95004}])
    def test_what_a_person_must_change_means_nobody_and_is_an_error_of_the_log(
        self, answers: dict[str, Any], caplog: pytest.LogCaptureFixture
    ):
        with office(answers) as there, pytest.raises(NobodyError):
            there.call()
        assert [record for record in caplog.records if record.levelno == logging.ERROR]

    @pytest.mark.parametrize("answers", [{STATE: -1}, {LIST: HANG_UP}, {TRANS: -1}])
    def test_a_passing_failure_is_one(self, answers: dict[str, Any]):
        with office(answers) as there, pytest.raises(TransientError):
            there.call()


class TestTelling:
    def test_the_servicer_reads_the_brief_with_the_customers_name(self):
        with office({}) as there:
            there.desk.brief(waiting(agent="zhou.min"), deadline=soon())
            ((member, text),) = there.told
        assert member == "zhou.min"
        assert "小周" in text
        assert BRIEF in text

    def test_a_brief_needs_no_name(self):
        with office({NAMES: 48002}) as there:
            there.desk.brief(waiting(agent="zhou.min"), deadline=soon())
            ((_, text),) = there.told
        assert BRIEF in text

    def test_a_long_brief_is_several_messages_of_which_none_is_cut(self):
        brief = "\n".join(f"第 {number} 行：" + "字" * 60 for number in range(30))
        with office({}) as there:
            there.desk.brief(replace(waiting(agent="zhou.min"), brief=brief), deadline=soon())
            texts = [text for _, text in there.told]
        assert 1 < len(texts) <= 4
        assert all(len(text.encode()) <= 2048 for text in texts)
        assert all(f"第 {number} 行" in "".join(texts) for number in range(30))

    def test_nobody_reads_a_brief_while_the_customer_waits(self):
        with office({}) as there:
            there.desk.brief(waiting(), deadline=soon())
            assert there.peer.paths() == []

    @pytest.mark.parametrize("answer", [{**OK, "invaliduser": "zhou.min"}, 81013, 60111])
    def test_a_servicer_whom_the_app_does_not_see_is_no_failure(self, answer: Any, caplog: pytest.LogCaptureFixture):
        brief = "\n".join("字" * 60 for _ in range(30))
        with office({TELL: answer}) as there:
            there.desk.brief(replace(waiting(agent="zhou.min"), brief=brief), deadline=soon())
            assert len(there.told) == 1
        assert "nobody is reached" in caplog.text
        assert "zhou.min" not in caplog.text

    def test_a_passing_failure_is_one(self):
        with office({TELL: -1}) as there, pytest.raises(TransientError):
            there.desk.brief(waiting(agent="zhou.min"), deadline=soon())

    @pytest.mark.parametrize(
        ("agent", "everybody", "told"),
        [
            ("zhou.min", False, ["zhou.min"]),
            ("zhou.min", True, ["zhou.min", "wu.tao", "zheng.yi"]),
            ("wu.tao", True, ["wu.tao", "zheng.yi"]),
            ("", False, ["wu.tao", "zheng.yi"]),
            ("", True, ["wu.tao", "zheng.yi"]),
        ],
    )
    def test_who_is_reminded(self, agent: str, *, everybody: bool, told: list[str]):
        with office({}, agents=("wu.tao", "zheng.yi")) as there:
            there.desk.remind(waiting(agent=agent), everybody=everybody, deadline=soon())
            assert [member for member, _ in there.told] == told

    def test_one_whom_the_app_does_not_see_keeps_it_from_nobody(self):
        with office({TELL: [81013, OK]}, agents=("wu.tao",)) as there:
            there.desk.remind(waiting(agent="zhou.min"), everybody=True, deadline=soon())
            assert [member for member, _ in there.told] == ["zhou.min", "wu.tao"]

    def test_no_two_reminders_are_the_same_message(self):
        reminded = [
            waiting(agent="zhou.min"),
            waiting(agent="zhou.min", reminders=1),
            waiting(agent="zhou.min", conversation=ANOTHER_CONVERSATION),
            replace(waiting(agent="zhou.min"), question_id="m_999"),
        ]
        with office({}) as there:
            for each in reminded:
                there.desk.remind(each, everybody=False, deadline=soon())
            there.desk.remind(reminded[0], everybody=False, deadline=soon())
            texts = [text for _, text in there.told]
        assert len(set(texts)) == 4
        assert texts[0] == texts[-1]
        assert all("提醒" in text and KF_CUSTOMER not in text for text in texts)


class TestGivingBack:
    def test_the_session_ends_with_a_code_for_one_message(self):
        with office({TRANS: {**OK, "msg_code": "MC1"}}) as there:
            assert there.desk.give_back(waiting(agent="zhou.min"), deadline=soon()) == "MC1"
            assert there.transferred == [(4, "")]

    @pytest.mark.parametrize("state", [NEW, ENDED])
    def test_a_session_that_nobody_has_is_left_as_it_is(self, state: Any):
        with office({STATE: state, TRANS: 95016}) as there:
            assert there.desk.give_back(waiting(agent="zhou.min"), deadline=soon()) == ""

    @pytest.mark.parametrize("state", [WITH_ZHOU, IN_POOL])
    def test_people_whom_wecom_does_not_let_go_are_told_of(self, state: Any):
        with office({STATE: state, TRANS: 95016}) as there, pytest.raises(PermanentError) as caught:
            there.desk.give_back(waiting(agent="zhou.min"), deadline=soon())
        assert caught.value.code == "wecom_95016"

    def test_any_other_refusal_is_told(self):
        with office({TRANS: 95004}) as there, pytest.raises(PermanentError):
            there.desk.give_back(waiting(agent="zhou.min"), deadline=soon())
