"""What people of the company do in the application's chat: who gets which customer and ticket, and what is read by whom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.claiming import REPLY_WITHIN_S
from frontdesk.errors import ConflictError, MisconfiguredError, PermanentError, TransientError
from frontdesk.messages import Kind, Received
from tests.factories import NOW, session, turn
from tests.fakes.agents import TIMEOUT_S, WU, ZHOU, Office, chat_of
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.crash import Crash, Crashing
from tests.fakes.tickets import InMemoryTickets

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Inbound
    from frontdesk.records import Attendance, Ticket

ANNA, BO = "anna", "bo"
ACCEPT, RETURN = f"handoff:{ANNA}:accept", f"handoff:{ANNA}:return"


@pytest.fixture
def office() -> Office:
    office = Office()
    office.waits(ANNA, reason="asked", question_id="q1", brief="客户问订单 8812。")
    return office


def state_of(office: Office, conversation: str = ANNA) -> tuple[str, str]:
    kept = office.attendances.kept[conversation]
    return str(kept.state), kept.agent


def take(office: Office, message: Inbound) -> None:
    """Hand over a message that was found to be for the people a moment ago."""
    office.process().take(Received(message, attempt=1, last_attempt=False), deadline=60)


def events(office: Office, kind: Kind = Kind.STATE) -> list[tuple[str, str, dict[str, str]]]:
    return [(each.conversation, each.message_id, dict(each.details)) for each in office.put(kind)]


# -- taking a customer over ------------------------------------------------------------------------------------------


def test_who_presses_gets_the_customer_who_waits(office: Office):
    press = office.presses(ZHOU, ACCEPT)

    kept = office.attendances.kept[ANNA]
    assert state_of(office) == ("person", ZHOU)
    assert (kept.due_at, kept.reminders, kept.question_id) == (NOW + TIMEOUT_S, 0, "q1")
    assert events(office) == [(ANNA, f"s-{press.message_id}", {"change": "taken", "servicer": ZHOU})]
    (told,) = office.put(Kind.STATE)
    assert (told.channel, told.sender, told.text) == ("wecom_app", "customer-anna", "")
    assert office.staff.replaced == [((ZHOU, WU), f"code-{press.message_id}", f"已由 {ZHOU} 接入")]
    (text,) = office.staff.read_by(ZHOU)
    assert text.startswith("已接入")


def test_who_comes_second_is_told_who_was_first_and_nothing_else_happens(office: Office):
    office.presses(ZHOU, ACCEPT)
    before = (dict(office.attendances.kept), list(office.inbox.taken), list(office.staff.replaced))

    office.presses(WU, ACCEPT)

    assert (office.attendances.kept, office.inbox.taken, office.staff.replaced) == before
    assert office.staff.read_by(WU) == [f"已由 {ZHOU} 接入"]
    assert office.duties.get(chat_of(WU)) is None


class Raced(InMemoryAttendances):
    """Attendances that somebody else changes right before the first save."""

    def __init__(self, meanwhile: Callable[[Attendance], Attendance]) -> None:
        super().__init__()
        self.meanwhile: Callable[[Attendance], Attendance] | None = meanwhile

    def save(self, attendance: Attendance) -> Attendance:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile and attendance.version:
            super().save(meanwhile(self.kept[attendance.conversation]))
        elif meanwhile:
            self.meanwhile = meanwhile
        return super().save(attendance)


def raced(meanwhile: Callable[[Attendance], Attendance]) -> Office:
    office = Office()
    office.attendances = Raced(meanwhile)
    office.waits(ANNA)
    return office


def test_of_two_who_press_at_once_one_gets_the_customer():
    office = raced(lambda each: replace(each, state="person", agent=WU))

    office.presses(ZHOU, ACCEPT)

    assert state_of(office) == ("person", WU)
    assert office.staff.told == [(ZHOU, f"已由 {WU} 接入")]
    assert office.inbox.taken == []
    assert office.duties.get(chat_of(ZHOU)) is None


def test_a_change_meanwhile_that_takes_nothing_away_hinders_nobody():
    office = raced(lambda each: replace(each, brief="客户又写了一句。"))

    office.presses(ZHOU, ACCEPT)

    assert state_of(office) == ("person", ZHOU)
    assert office.attendances.kept[ANNA].brief == "客户又写了一句。"


def test_a_customer_who_is_taken_back_while_somebody_presses_is_not_theirs():
    office = raced(lambda each: replace(each, state="bot"))

    office.presses(ZHOU, ACCEPT)

    assert state_of(office) == ("bot", "")
    assert office.staff.told == [(ZHOU, "这位客户已不在等待人工。")]
    assert not office.deliver(office.text(ZHOU, "你好"))


class Contended(InMemoryAttendances):
    """Attendances that never let anybody save what was read."""

    def save(self, attendance: Attendance) -> Attendance:
        if attendance.version:
            raise ConflictError("attendances: somebody else was first", code="attendances_conflict")
        return super().save(attendance)


@pytest.mark.parametrize("attended", [False, True])
def test_an_attendance_that_keeps_changing_is_left_for_later(*, attended: bool):
    office = Office()
    office.attendances = Contended()
    office.waits(ANNA, **({"state": "person", "agent": ZHOU} if attended else {}))

    with pytest.raises(TransientError) as caught:
        office.deliver(office.press(ZHOU, RETURN if attended else ACCEPT))

    assert caught.value.code == "attendance_contended"


@pytest.mark.parametrize("conversation", [BO, "unheard-of"])
def test_a_customer_who_waits_for_nobody_is_not_taken_over(office: Office, conversation: str):
    office.waits(BO, state="bot")

    office.presses(ZHOU, f"handoff:{conversation}:accept")

    assert office.staff.told == [(ZHOU, "这位客户已不在等待人工。")]
    assert office.inbox.taken == []
    assert conversation == "unheard-of" or state_of(office, BO) == ("bot", "")


def test_who_attends_to_a_customer_has_to_give_them_back_before_taking_another(office: Office):
    office.waits(BO)
    office.presses(ZHOU, ACCEPT)
    before = office.duties.get(chat_of(ZHOU))

    office.presses(ZHOU, f"handoff:{BO}:accept")

    assert state_of(office, BO) == ("waiting", "")
    assert office.duties.get(chat_of(ZHOU)) == before
    assert "请先输入“交还”" in office.staff.read_by(ZHOU)[-1]
    assert office.staff.replaced[1:] == []


def test_who_has_given_a_customer_back_takes_another(office: Office):
    office.waits(BO)
    office.presses(ZHOU, ACCEPT)
    office.types(ZHOU, "交还")

    office.presses(ZHOU, f"handoff:{BO}:accept")

    assert (state_of(office), state_of(office, BO)) == (("bot", ""), ("person", ZHOU))


def test_who_lost_a_customer_by_time_takes_another(office: Office):
    office.waits(BO)
    office.presses(ZHOU, ACCEPT)
    office.waits(ANNA, state="bot")

    office.presses(ZHOU, f"handoff:{BO}:accept")
    office.types(ZHOU, "您好")

    assert [each.conversation for each in office.put(Kind.PERSON)] == [BO]


def test_nobody_attends_to_themselves(office: Office):
    office.waits(chat_of(ZHOU))

    office.presses(ZHOU, f"handoff:{chat_of(ZHOU)}:accept")

    assert state_of(office, chat_of(ZHOU)) == ("waiting", "")
    assert office.staff.told == [(ZHOU, "不能接入自己的会话。")]


def test_a_press_of_somebody_who_is_no_agent_does_nothing(office: Office):
    for key in (ACCEPT, RETURN, f"ticket:{office.opened().number}:claim"):
        office.presses("visitor", key)

    assert state_of(office) == ("waiting", "")
    assert [each.state for each in office.tickets.kept.values()] == ["open"]
    assert office.staff.told == [("visitor", "您不在人工接待名单中，操作没有生效。")] * 3


def test_user_ids_are_the_same_in_either_case(office: Office):
    office.presses("Zhou.Min", ACCEPT)
    office.types("zhou.min", "您好")
    office.types("ZHOU.MIN", "交还")

    assert state_of(office) == ("bot", "")
    assert [each.text for each in office.put(Kind.PERSON)] == ["您好"]


def test_pressing_twice_takes_a_customer_over_once(office: Office):
    office.presses(ZHOU, ACCEPT)
    kept = office.attendances.kept[ANNA]

    office.presses(ZHOU, ACCEPT)

    assert office.attendances.kept[ANNA] == kept
    assert len(events(office)) == 1


def test_who_was_forgotten_presses_again_and_goes_on(office: Office):
    office.presses(ZHOU, ACCEPT)
    office.clock.advance(2 * 86_400)
    assert not office.deliver(office.text(ZHOU, "还在吗"))

    office.presses(ZHOU, ACCEPT)
    office.types(ZHOU, "还在吗")

    assert state_of(office) == ("person", ZHOU)
    assert [each.text for each in office.put(Kind.PERSON)] == ["还在吗"]


@pytest.mark.parametrize(
    "key", ["handoff:anna:adopt", "handoff:", "ticket:T20261128-0001", "ticket::", "handoff::accept"]
)
def test_a_button_that_is_none_of_ours_does_nothing(office: Office, key: str):
    before = dict(office.attendances.kept)

    office.presses(ZHOU, key)

    assert office.attendances.kept == before
    assert office.inbox.taken == []


@pytest.mark.parametrize("key", ["rating:good", "", "handoff", "Handoff:anna:accept"])
def test_other_buttons_are_not_for_the_people(office: Office, key: str):
    assert not office.process().concerns(office.press(ZHOU, key))


# -- writing to a customer -------------------------------------------------------------------------------------------


def test_what_is_typed_goes_to_the_customer(office: Office):
    office.presses(ZHOU, ACCEPT)
    office.clock.advance(20)
    kept = office.attendances.kept[ANNA]

    typed = office.types(ZHOU, " 您好，我来帮您。\n")

    (line,) = office.put(Kind.PERSON)
    assert (line.channel, line.conversation, line.sender) == ("wecom_app", ANNA, "customer-anna")
    assert (line.message_id, line.text) == (f"p-{typed.message_id}", " 您好，我来帮您。\n")
    assert (line.sent_at, line.received_at_ms) == (typed.sent_at, typed.received_at_ms)
    assert line.details == {"servicer": ZHOU}
    assert office.attendances.kept[ANNA] == kept
    assert len(office.staff.read_by(ZHOU)) == 1


def test_a_customer_of_another_channel_is_written_to_there():
    office = Office()
    office.waits(ANNA, channel="wecom_kf", customer="wk1:wm1")
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, "您好")

    assert {(each.channel, each.sender) for each in office.inbox.taken} == {("wecom_kf", "wk1:wm1")}


def test_who_attends_to_nobody_is_a_customer_like_all_others(office: Office):
    assert not office.deliver(office.text(ZHOU, "差旅怎么报销？"))
    assert not office.deliver(office.text("lin.mei", "差旅怎么报销？"))
    assert not office.deliver(office.text(ZHOU, "", kind=Kind.ENTERED))

    assert office.inbox.taken == []
    assert office.staff.told == []


@pytest.mark.parametrize(
    ("state", "agent"), [("bot", ""), ("waiting", ""), ("person", WU), ("bot", ZHOU), ("waiting", ZHOU)]
)
def test_what_is_typed_when_the_customer_is_not_theirs_any_more_reaches_nobody(office: Office, state: str, agent: str):
    office.presses(ZHOU, ACCEPT)
    office.waits(ANNA, state=state, agent=agent)
    message = office.text(ZHOU, "您好")

    assert not office.process().concerns(message)
    assert not office.put(Kind.PERSON)


def test_what_is_typed_while_the_customer_is_taken_back_is_told_to_reach_nobody(office: Office):
    office.presses(ZHOU, ACCEPT)
    message = office.text(ZHOU, "您好")
    assert office.process().concerns(message)
    office.waits(ANNA, state="bot")

    take(office, message)

    assert not office.put(Kind.PERSON)
    assert "没有转给客户" in office.staff.read_by(ZHOU)[-1]


class Fading(InMemoryAttendances):
    """Attendances in which a customer is taken back after so many reads."""

    def __init__(self, reads: int) -> None:
        super().__init__()
        self.reads = reads

    def get(self, conversation: str) -> Attendance | None:
        found = super().get(conversation)
        self.reads -= 1
        return found if self.reads >= 0 or found is None else replace(found, state="bot", agent="")


def test_the_last_look_before_a_line_is_passed_on_counts(office: Office):
    fading = Fading(10**6)
    office.attendances = fading
    office.waits(ANNA)
    office.presses(ZHOU, ACCEPT)
    message = office.text(ZHOU, "您好")
    fading.reads = 1

    take(office, message)

    assert not office.put(Kind.PERSON)
    assert office.staff.read_by(ZHOU)[-1] == "客户已不由您接待，这条消息没有转给客户。"


def test_what_was_typed_before_the_button_was_pressed_is_not_for_this_customer(office: Office):
    early = office.text(ZHOU, "上一位客户的话")
    office.clock.advance(5)
    office.presses(ZHOU, ACCEPT)

    assert not office.deliver(early)
    assert not office.put(Kind.PERSON)


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VOICE, Kind.VIDEO, Kind.FILE, Kind.LOCATION, Kind.LINK, Kind.OTHER])
def test_what_is_no_text_is_not_passed_on_and_the_person_is_told(office: Office, kind: Kind):
    office.presses(ZHOU, ACCEPT)

    assert office.deliver(office.text(ZHOU, "", kind=kind))

    assert not office.put(Kind.PERSON)
    assert office.staff.read_by(ZHOU)[-1] == "只能转达文字，这条消息没有转给客户。"


def test_a_blank_text_is_not_passed_on(office: Office):
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, " \n ")

    assert not office.put(Kind.PERSON)


def test_entering_the_chat_is_nothing_for_the_customer(office: Office):
    office.presses(ZHOU, ACCEPT)

    assert not office.deliver(office.text(ZHOU, "", kind=Kind.ENTERED))


def test_who_keeps_writing_is_not_forgotten(office: Office):
    office.presses(ZHOU, ACCEPT)
    for _ in range(3):
        office.clock.advance(40 * 3600)
        office.types(ZHOU, "还在处理。")

    assert len(office.put(Kind.PERSON)) == 3


# -- giving a customer back ------------------------------------------------------------------------------------------


def test_a_button_gives_the_customer_back(office: Office):
    office.presses(ZHOU, ACCEPT)

    press = office.presses(ZHOU, RETURN)

    assert state_of(office) == ("bot", "")
    kept = office.attendances.kept[ANNA]
    assert (kept.due_at, kept.reminders) == (None, 0)
    details = {"change": "ended", "reason": "returned", "servicer": ZHOU}
    assert events(office)[1:] == [(ANNA, f"s-{press.message_id}", details)]
    assert office.staff.replaced[1:] == [((ZHOU,), f"code-{press.message_id}", "已交还")]
    assert office.staff.read_by(ZHOU)[-1].startswith("已交还")
    assert not office.deliver(office.text(ZHOU, "还有一句"))


@pytest.mark.parametrize("word", ["交还", "结束", " 结束 ", "交还\n"])
def test_a_word_gives_the_customer_back(office: Office, word: str):
    office.presses(ZHOU, ACCEPT)

    typed = office.types(ZHOU, word)

    assert state_of(office) == ("bot", "")
    assert events(office)[-1][1] == f"s-{typed.message_id}"
    assert not office.put(Kind.PERSON)
    assert len(office.staff.replaced) == 1


def test_a_word_inside_a_sentence_is_for_the_customer(office: Office):
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, "活动已经结束")

    assert state_of(office) == ("person", ZHOU)
    assert [each.text for each in office.put(Kind.PERSON)] == ["活动已经结束"]


def test_only_who_attends_gives_a_customer_back(office: Office):
    office.presses(WU, RETURN)
    office.presses(ZHOU, ACCEPT)
    office.presses(WU, RETURN)

    assert state_of(office) == ("person", ZHOU)
    assert office.staff.read_by(WU) == ["您现在没有接待这位客户。"] * 2
    assert len(events(office)) == 1


def test_giving_back_twice_is_giving_back_once(office: Office):
    office.presses(ZHOU, ACCEPT)
    office.presses(ZHOU, RETURN)
    office.presses(ZHOU, RETURN)

    assert len(events(office)) == 2
    assert office.staff.read_by(ZHOU)[-1] == "您现在没有接待这位客户。"


def test_a_customer_who_is_taken_by_somebody_else_while_given_back_stays_theirs():
    office = Office()
    office.attendances = Raced(lambda each: replace(each, agent=WU))
    office.waits(ANNA, state="person", agent=ZHOU)

    office.presses(ZHOU, RETURN)

    assert state_of(office) == ("person", WU)


def test_a_customer_who_waits_again_is_not_given_back_by_the_press_of_before(office: Office):
    office.presses(ZHOU, ACCEPT)
    press = office.presses(ZHOU, RETURN)
    office.waits(ANNA)
    office.presses(WU, ACCEPT)

    assert office.deliver(press)

    assert state_of(office) == ("person", WU)


# -- a ticket for a customer -----------------------------------------------------------------------------------------


def test_a_word_opens_a_ticket_for_what_the_customer_asked_last(office: Office):
    turns = (
        turn(question_id="q1", question="订单 8812 到哪里了？"),
        turn(question_id="q2", kind="to_person", question="发票也没收到", answer=""),
        turn(question_id="p-9", kind="person", question="", answer="您好"),
    )
    office.sessions.save(session(conversation=ANNA, turns=turns))
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, "工单")

    (request,) = office.requests.requests
    assert request.what == "open"
    assert request.ticket is not None
    asked = request.ticket
    assert (asked.number, asked.request_id, asked.conversation) == ("", "anna-q2", ANNA)
    assert (asked.channel, asked.customer) == ("wecom_app", "customer-anna")
    assert (asked.reason, asked.question, asked.brief) == ("agent", "发票也没收到", "客户问订单 8812。")
    assert (asked.opened_at, asked.state) == (NOW, "open")
    assert office.staff.read_by(ZHOU)[-1] == "已登记工单，工单号会告知客户。"
    assert state_of(office) == ("person", ZHOU)
    assert not office.put(Kind.PERSON)


def test_the_same_question_gets_one_ticket(office: Office):
    office.sessions.save(session(conversation=ANNA, turns=(turn(),)))
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, "工单")
    office.types(ZHOU, "工单")

    assert len(office.requests.requests) == 1


@pytest.mark.parametrize("turns", [None, (), (turn(question=""),)])
def test_a_customer_who_asked_nothing_gets_no_ticket(office: Office, turns: Any):
    if turns is not None:
        office.sessions.save(session(conversation=ANNA, turns=turns))
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, "工单")

    assert office.requests.requests == []
    assert office.staff.read_by(ZHOU)[-1] == "客户还没有提出可以登记的问题。"


# -- tickets ---------------------------------------------------------------------------------------------------------


def pressed(office: Office, person: str, ticket: Ticket, verb: str) -> Inbound:
    return office.presses(person, f"ticket:{ticket.number}:{verb}")


def kept(office: Office, ticket: Ticket) -> Ticket:
    found: Ticket = office.tickets.kept[ticket.number]
    return found


def changes(office: Office) -> list[tuple[str, str]]:
    return [(each.number, each.event) for each in office.requests.requests if each.what == "changed"]


def test_who_claims_a_ticket_gets_it_and_a_card_to_go_on_with(office: Office):
    ticket = office.opened(offer_at=NOW + 60)

    press = pressed(office, ZHOU, ticket, "claim")

    assert (kept(office, ticket).state, kept(office, ticket).assignee) == ("assigned", ZHOU)
    assert kept(office, ticket).offer_at is None
    assert changes(office) == [(ticket.number, "assigned")]
    assert office.staff.replaced == [((ZHOU, WU), f"code-{press.message_id}", f"已由 {ZHOU} 领取")]
    assert office.cards.shown == [(ticket.number, "assigned", (ZHOU,))]
    assert office.inbox.taken == []


@pytest.mark.parametrize("verb", ["claim", "reply", "close"])
def test_a_ticket_of_somebody_else_stays_theirs(office: Office, verb: str):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "claim")

    pressed(office, WU, ticket, verb)

    assert (kept(office, ticket).state, kept(office, ticket).assignee) == ("assigned", ZHOU)
    assert office.staff.read_by(WU) == [f"工单 {ticket.number} 已由 {ZHOU} 领取。"]
    assert len(changes(office)) == 1
    assert not office.deliver(office.text(WU, "您好"))


@pytest.mark.parametrize("verb", ["claim", "reply", "close"])
def test_a_ticket_that_is_not_there_is_nobodys(office: Office, verb: str):
    office.presses(ZHOU, f"ticket:T20261128-0404:{verb}")

    assert office.staff.told == [(ZHOU, "没有找到工单 T20261128-0404。")]
    assert office.requests.requests == []


class RacedTickets(InMemoryTickets):
    """Tickets that somebody else changes right before the first save, or before every one."""

    def __init__(self, meanwhile: Callable[[Ticket], Ticket] | None = None, *, always: bool = False) -> None:
        super().__init__()
        self.meanwhile = meanwhile
        self.always = always

    def save(self, ticket: Ticket) -> Ticket:
        if self.meanwhile:
            super().save(self.meanwhile(self.kept[ticket.number]))
            self.meanwhile = self.meanwhile if self.always else None
        return super().save(ticket)


def test_of_two_who_claim_at_once_one_gets_the_ticket(office: Office):
    office.tickets = RacedTickets(lambda each: replace(each, state="assigned", assignee=WU))
    ticket = office.opened()

    pressed(office, ZHOU, ticket, "claim")

    assert kept(office, ticket).assignee == WU
    assert office.staff.told == [(ZHOU, f"工单 {ticket.number} 已由 {WU} 领取。")]
    assert (changes(office), office.cards.shown) == ([], [])


def test_a_step_noted_meanwhile_is_kept(office: Office):
    office.tickets = RacedTickets(lambda each: replace(each, done=("told",)))
    ticket = office.opened()

    pressed(office, ZHOU, ticket, "claim")

    assert (kept(office, ticket).assignee, kept(office, ticket).done) == (ZHOU, ("told",))


def test_a_ticket_that_keeps_changing_is_left_for_later(office: Office):
    office.tickets = RacedTickets(lambda each: replace(each, brief=each.brief + "。"), always=True)
    ticket = office.opened()

    with pytest.raises(TransientError) as caught:
        pressed(office, ZHOU, ticket, "claim")

    assert caught.value.code == "ticket_contended"


def test_the_next_text_after_the_reply_button_is_the_answer(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "claim")
    press = pressed(office, ZHOU, ticket, "reply")
    assert "直接输入给客户的回复" in office.staff.read_by(ZHOU)[-1]
    office.clock.advance(90)

    typed = office.types(ZHOU, " 已补寄，请查收。 ")

    answered = kept(office, ticket)
    assert (answered.state, answered.answer, answered.closed_at) == ("answered", "已补寄，请查收。", NOW + 90)
    (notice,) = office.put(Kind.TICKET)
    assert (notice.channel, notice.conversation, notice.sender) == (
        ticket.channel,
        ticket.conversation,
        ticket.customer,
    )
    assert notice.message_id == f"t-{ticket.number}-closed"
    assert (notice.details, notice.text) == ({"number": ticket.number, "state": "closed"}, "已补寄，请查收。")
    assert notice.received_at_ms == typed.received_at_ms
    assert changes(office) == [(ticket.number, "assigned"), (ticket.number, "answered")]
    assert office.staff.replaced[-1] == ((ZHOU,), f"code-{press.message_id}", "已回复客户")
    assert office.staff.read_by(ZHOU)[-1] == f"工单 {ticket.number} 已回复，内容会发给客户。"


def test_only_one_text_is_the_answer(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    office.types(ZHOU, "已补寄。")

    assert not office.deliver(office.text(ZHOU, "差旅怎么报销？"))
    assert kept(office, ticket).answer == "已补寄。"


def test_replying_to_an_open_ticket_claims_it(office: Office):
    ticket = office.opened()

    pressed(office, ZHOU, ticket, "reply")

    assert (kept(office, ticket).state, kept(office, ticket).assignee) == ("assigned", ZHOU)
    assert changes(office) == [(ticket.number, "assigned")]


def test_a_reply_can_be_called_off(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")

    office.types(ZHOU, "取消")

    assert kept(office, ticket).state == "assigned"
    assert not office.deliver(office.text(ZHOU, "差旅怎么报销？"))
    assert office.staff.read_by(ZHOU)[-1] == f"好的，没有回复工单 {ticket.number}。"


def test_a_reply_that_nobody_types_in_time_is_forgotten(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    office.clock.advance(REPLY_WITHIN_S + 1)

    assert not office.deliver(office.text(ZHOU, "差旅怎么报销？"))
    assert kept(office, ticket).answer == ""

    pressed(office, ZHOU, ticket, "reply")
    office.types(ZHOU, "已补寄。")
    assert kept(office, ticket).answer == "已补寄。"


def test_a_picture_is_no_reply(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")

    assert office.deliver(office.text(ZHOU, "", kind=Kind.IMAGE))

    assert kept(office, ticket).state == "assigned"
    assert office.staff.read_by(ZHOU)[-1] == "只能转达文字，这条消息没有转给客户。"


def test_who_attends_to_a_customer_writes_to_the_customer_only(office: Office):
    ticket = office.opened()
    office.presses(ZHOU, ACCEPT)

    pressed(office, ZHOU, ticket, "reply")
    office.types(ZHOU, "您好")

    assert [each.conversation for each in office.put(Kind.PERSON)] == [ANNA]
    assert kept(office, ticket).state == "open"
    assert "请先输入“交还”" in office.staff.read_by(ZHOU)[-1]


def test_a_customer_goes_before_a_reply_that_was_not_typed_yet(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, "您好")

    assert [each.conversation for each in office.put(Kind.PERSON)] == [ANNA]
    assert kept(office, ticket).answer == ""


def test_a_reply_is_still_to_be_typed_when_the_customer_could_not_be_had(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    office.presses(WU, ACCEPT)
    office.presses(ZHOU, ACCEPT)

    office.types(ZHOU, "已补寄。")

    assert kept(office, ticket).answer == "已补寄。"


def test_the_end_of_a_ticket_about_the_service_itself_is_told_to_no_customer(office: Office):
    ticket = office.opened(channel="system")

    pressed(office, ZHOU, ticket, "close")

    assert kept(office, ticket).state == "closed"
    assert office.put(Kind.TICKET) == []
    assert changes(office)[-1] == (ticket.number, "closed")


@pytest.mark.parametrize("claimed", [True, False])
def test_a_ticket_is_closed_without_a_reply(office: Office, *, claimed: bool):
    ticket = office.opened(offer_at=NOW + 60)
    if claimed:
        pressed(office, ZHOU, ticket, "claim")

    press = pressed(office, ZHOU, ticket, "close")

    closed = kept(office, ticket)
    assert (closed.state, closed.assignee, closed.closed_at, closed.offer_at) == ("closed", ZHOU, NOW, None)
    (notice,) = office.put(Kind.TICKET)
    assert (notice.message_id, notice.text) == (f"t-{ticket.number}-closed", "")
    assert changes(office)[-1] == (ticket.number, "closed")
    assert office.staff.replaced[-1] == ((ZHOU, WU), f"code-{press.message_id}", f"已由 {ZHOU} 办结")


@pytest.mark.parametrize("verb", ["claim", "reply", "close"])
@pytest.mark.parametrize("end", ["close", "answer"])
def test_a_ticket_that_is_done_stays_done(office: Office, verb: str, end: str):
    ticket = office.opened()
    if end == "close":
        pressed(office, ZHOU, ticket, "close")
    else:
        pressed(office, ZHOU, ticket, "reply")
        office.types(ZHOU, "已补寄。")
    done = kept(office, ticket)

    pressed(office, WU, ticket, verb)

    assert kept(office, ticket) == done
    assert office.staff.read_by(WU) == [f"工单 {ticket.number} 已办结。"]
    assert len(office.put(Kind.TICKET)) == 1


def test_a_closed_ticket_waits_for_no_reply(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    pressed(office, ZHOU, ticket, "close")

    assert not office.deliver(office.text(ZHOU, "差旅怎么报销？"))
    assert office.duties.get(chat_of(ZHOU)) is None


def test_closing_one_ticket_leaves_the_reply_to_another_open(office: Office):
    first, second = office.opened(), office.opened()
    pressed(office, ZHOU, first, "reply")
    pressed(office, ZHOU, second, "close")

    office.types(ZHOU, "已补寄。")

    assert kept(office, first).answer == "已补寄。"


def test_a_ticket_that_was_closed_while_the_reply_was_typed_keeps_no_answer(office: Office):
    office.tickets = tickets = RacedTickets()
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    message = office.text(ZHOU, "已补寄。")
    tickets.meanwhile = lambda each: replace(each, state="closed", assignee=WU)

    take(office, message)

    assert (kept(office, ticket).state, kept(office, ticket).answer) == ("closed", "")
    assert office.staff.read_by(ZHOU)[-1] == f"工单 {ticket.number} 已办结。"
    assert not office.put(Kind.TICKET)


def test_an_erased_customers_ticket_is_answered_by_nobody(office: Office):
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    message = office.text(ZHOU, "已补寄。")
    assert office.process().concerns(message)
    office.tickets.erased.add(ticket.conversation)

    take(office, message)

    assert not office.put(Kind.TICKET)


# -- when it goes wrong ----------------------------------------------------------------------------------------------


def taking_over(office: Office) -> Inbound:
    return office.press(ZHOU, ACCEPT)


def giving_back(office: Office) -> Inbound:
    office.presses(ZHOU, ACCEPT)
    return office.press(ZHOU, RETURN)


def giving_back_by_word(office: Office) -> Inbound:
    office.presses(ZHOU, ACCEPT)
    return office.text(ZHOU, "交还")


def passing_on(office: Office) -> Inbound:
    office.presses(ZHOU, ACCEPT)
    return office.text(ZHOU, "您好")


def registering(office: Office) -> Inbound:
    office.sessions.save(session(conversation=ANNA, turns=(turn(),)))
    office.presses(ZHOU, ACCEPT)
    return office.text(ZHOU, "工单")


def claiming(office: Office) -> Inbound:
    return office.press(ZHOU, f"ticket:{office.opened().number}:claim")


def asking(office: Office) -> Inbound:
    return office.press(ZHOU, f"ticket:{office.opened().number}:reply")


def replying(office: Office) -> Inbound:
    ticket = office.opened()
    pressed(office, ZHOU, ticket, "reply")
    return office.text(ZHOU, "已补寄。")


def closing(office: Office) -> Inbound:
    return office.press(ZHOU, f"ticket:{office.opened().number}:close")


ACTS = [
    *(taking_over, giving_back, giving_back_by_word, passing_on, registering),
    *(claiming, asking, replying, closing),
]


def standing(office: Office) -> tuple[Any, ...]:
    """Return all that must be the same, however often an act is repeated."""
    return (
        {name: replace(each, version=0) for name, each in office.attendances.kept.items()},
        {name: replace(each, version=0) for name, each in office.tickets.kept.items()},
        {name: each for name, (each, _) in office.duties.kept.items()},
        office.inbox.taken,
        office.requests.requests,
        office.cards.shown,
        office.staff.replaced,
    )


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_is_cut_off_anywhere_is_finished_by_its_repetition(
    act: Callable[[Office], Inbound], *, before: bool
):
    whole = Office()
    whole.waits(ANNA)
    assert whole.deliver(act(whole))
    reached = 0
    while True:
        office = Office()
        office.waits(ANNA)
        message = act(office)
        reached += 1
        try:
            office.deliver(message, crashing=Crashing(reached, before=before))
        except Crash:
            assert office.deliver(message), reached
            assert standing(office) == standing(whole), reached
            assert office.staff.told[-1:] == whole.staff.told[-1:]
        else:
            break
    assert reached > 3


@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_comes_again_changes_nothing_more(act: Callable[[Office], Inbound]):
    office = Office()
    office.waits(ANNA)
    message = act(office)
    assert office.deliver(message)
    before = standing(office)

    office.deliver(message)

    assert standing(office) == before


def test_a_card_that_cannot_be_changed_any_more_keeps_nobody_from_a_customer(office: Office):
    office.staff.failures.append(PermanentError("used", code="wecom_60140"))

    office.presses(ZHOU, ACCEPT)

    assert state_of(office) == ("person", ZHOU)
    assert office.staff.read_by(ZHOU)


@pytest.mark.parametrize("error", [TransientError("busy"), MisconfiguredError("wrong secret")])
def test_what_nobody_can_be_shown_now_is_tried_again(office: Office, error: Exception):
    office.staff.failures.append(error)
    message = office.press(ZHOU, ACCEPT)

    with pytest.raises(type(error)):
        office.deliver(message)
    assert office.deliver(message)

    assert state_of(office) == ("person", ZHOU)
    assert len(office.staff.replaced) == 1
    assert len(events(office)) == 1


def test_a_press_given_up_for_good_does_not_leave_its_person_with_two_customers(office: Office):
    office.waits(BO)
    office.presses(ZHOU, ACCEPT)
    with pytest.raises(Crash):
        office.deliver(office.press(ZHOU, RETURN), crashing=Crashing(1, at="save", before=True))

    office.presses(ZHOU, f"handoff:{BO}:accept")

    assert (state_of(office), state_of(office, BO)) == (("person", ZHOU), ("waiting", ""))


def test_nothing_of_people_or_customers_is_logged(office: Office, log_lines: Callable[[], list[dict[str, Any]]]):
    office.staff.failures.append(PermanentError("used", code="wecom_60140"))
    office.presses(ZHOU, ACCEPT)
    office.presses(ZHOU, "handoff:anna:adopt")

    lines = log_lines()
    assert {line["code"] for line in lines} == {"wecom_60140", "button_unknown"}
    assert ZHOU not in str(lines).replace(chat_of(ZHOU), "")
