"""What happens to a conversation that is no question: what people and WeCom did, and moments that were waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.outcomes import Result
from frontdesk.conversation.session import TAKEN_BACK, chat_id
from frontdesk.conversation.speaking import MAX_SEGMENTS, segment_id
from frontdesk.errors import AllowanceError, ConflictError, PermanentError, TakenOverError, TransientError
from frontdesk.messages import Charge, Choice, Kind, Pause
from frontdesk.records import Attendance
from tests.factories import CHANNEL, CONVERSATION, CUSTOMER, NOW_MS, SENTENCES, model_answer, received
from tests.fakes.channel import CUT
from tests.fakes.crash import Crash, Crashing
from tests.fakes.desk import POLICY, TTL_S, Desk, raising
from tests.fakes.desks import ScriptedDesk
from tests.fakes.model import Feedback, is_unsure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from frontdesk.conversation.outcomes import Outcome
    from frontdesk.messages import Received

ZHOU = "zhou.min"
NUMBER = "T20261128-0007"
DAY_S = 86_400
IDLE_S = 660
RATING_MENU = (Choice(SENTENCES.rating_good, "rating:good"), Choice(SENTENCES.rating_bad, "rating:bad"))
SELECT = Pause("要办什么？", choices=(Choice("退货", "return"), Choice("换货", "exchange")))


def said(message_id: str, text: str = "你好", *, attempt: int = 1, last_attempt: bool = False, **more: Any) -> Received:
    values = {"message_id": message_id, "text": text, "received_at_ms": NOW_MS, **more}
    return received(attempt=attempt, last_attempt=last_attempt, **values)


def event(message_id: str, kind: Kind, text: str = "", **details: str) -> Received:
    return said(message_id, text, kind=kind, details=details)


def ticket(message_id: str, answer: str = "", *, state: str = "closed") -> Received:
    return event(message_id, Kind.TICKET, answer, number=NUMBER, state=state)


def quiet(desk: Desk, message_id: str = "quiet") -> Received:
    """Let the newest session go quiet, and return what the archiver says of it."""
    session_id = desk.session.session_id
    desk.clock.now = max(desk.clock.now, desk.session.last_activity_at + IDLE_S)
    details = {"what": "rating", "session_id": session_id}
    return said(message_id, "", kind=Kind.DUE, sender="-", sent_at=int(desk.clock()), details=details)


def tapped(message_id: str, item: str) -> Received:
    return said(message_id, "点了菜单", details={"menu_id": item})


def kf(*script: Any, left: int = 5, **more: Any) -> Desk:
    return Desk(*script, people=ScriptedDesk(ZHOU, **more), left=left)


def app(*script: Any) -> Desk:
    return Desk(*script, people=ScriptedDesk(ZHOU))


def in_charge(desk: Desk, charge: Charge) -> None:
    assert desk.people
    desk.people.charges[CONVERSATION] = charge
    if not desk.channel.hosted:  # then it is what is kept that decides
        kept = desk.attendances.get(CONVERSATION) or Attendance(CONVERSATION, CHANNEL, CUSTOMER)
        desk.attendances.save(replace(kept, state=charge.value, agent=ZHOU if charge is Charge.PERSON else ""))


def results(outcomes: Iterable[Outcome]) -> list[Result]:
    return [outcome.result for outcome in outcomes]


def kinds(desk: Desk) -> list[str]:
    return [turn.kind for turn in desk.session.turns]


def audited(desk: Desk) -> list[str]:
    return [happening.kind for _, happening in desk.ledger.trail]


# -- lines of people -------------------------------------------------------------------------------------------------


def test_a_persons_line_reaches_the_customer_through_the_application():
    desk = app()
    in_charge(desk, Charge.PERSON)

    outcomes = desk.answer(event("1", Kind.PERSON, f"我是小周{CUT}请稍等", servicer=ZHOU))

    assert results(outcomes) == [Result.RECORDED]
    assert desk.read == ["我是小周", "请稍等"]
    assert [(turn.kind, turn.question, turn.answer) for turn in desk.session.turns] == [
        ("person", "", "我是小周\n请稍等")
    ]


def test_a_persons_line_that_comes_twice_is_read_once_and_what_is_said_twice_is_read_twice():
    desk = app()
    in_charge(desk, Charge.PERSON)
    line = event("1", Kind.PERSON, "好的", servicer=ZHOU)

    desk.answer(line)
    desk.answer(replace(line, attempt=2))
    desk.answer(event("2", Kind.PERSON, "好的", servicer=ZHOU))

    assert desk.read == ["好的", "好的"]


def test_nobody_speaks_to_a_customer_who_waits_for_a_colleague():
    desk = app()
    in_charge(desk, Charge.WAITING)

    assert results(desk.answer(event("1", Kind.PERSON, "我是小周", servicer=ZHOU))) == [Result.RECORDED]
    assert desk.channel.requests == []
    assert [(each.kind, each.before) for _, each in desk.ledger.trail] == [("withheld", "我是小周")]


def test_who_had_the_customer_before_does_not_speak_in_a_colleagues_place():
    desk = app()
    in_charge(desk, Charge.PERSON)

    desk.answer(event("1", Kind.PERSON, "我再看看", servicer="he.yun"))

    assert desk.channel.requests == []
    attendance = desk.attendances.get(CONVERSATION)
    assert attendance
    assert attendance.agent == ZHOU


def test_what_the_customer_writes_is_passed_on_to_the_person_in_charge():
    desk = app()
    in_charge(desk, Charge.PERSON)

    desk.answer(said("1", "云顶手冲壶"))
    desk.answer(said("2", "云顶手冲壶"))

    assert desk.people
    assert desk.people.passed_on == {"1": "云顶手冲壶", "2": "云顶手冲壶"}


def test_what_was_written_while_nobody_was_there_yet_is_passed_on_to_who_takes_over():
    desk = app()
    desk.answer(said("0", "转人工"))
    in_charge(desk, Charge.WAITING)
    desk.answer(said("1", "还在吗"))
    assert desk.people
    assert desk.people.passed_on == {}

    in_charge(desk, Charge.PERSON)
    desk.answer(event("2", Kind.STATE, change="taken", servicer=ZHOU))

    assert desk.people.passed_on == {"1": "还在吗"}


# -- what was taken back ---------------------------------------------------------------------------------------------


def test_what_is_taken_back_before_anybody_read_it_is_never_read():
    desk = kf()

    outcomes = desk.answer(
        said("1", "我的密码是 1234"), said("2", "怎么退货？"), event("3", Kind.RECALLED, recalled_id="1", by="customer")
    )

    assert results(outcomes) == [Result.RECORDED, Result.ANSWERED, Result.RECORDED]
    assert results(desk.answer(said("1", "我的密码是 1234", attempt=2))) == [Result.DUPLICATE]
    assert [question.text for question in desk.model.questions] == ["怎么退货？"]
    assert "1234" not in str(desk.sessions.kept) + str(desk.ledger.replies) + str(desk.ledger.trail)


@pytest.mark.parametrize("recalled_id", ["1", "2"], ids=["the first of them", "the second of them"])
def test_what_was_read_is_removed_from_the_session(recalled_id: str):
    desk = kf(model_answer(text="好的"))
    desk.answer(said("1", "我的密码"), said("2", "是 1234"))

    assert results(desk.answer(event("3", Kind.RECALLED, recalled_id=recalled_id, by="customer"))) == [Result.RECORDED]

    assert [(turn.question, turn.answer) for turn in desk.session.turns] == [(TAKEN_BACK, "好的")]
    assert [(each.kind, each.actor) for _, each in desk.ledger.trail][-1] == ("recalled", "customer")


def test_a_person_can_take_a_line_back_too():
    desk = kf()
    in_charge(desk, Charge.PERSON)
    desk.answer(said("1", "在吗"), event("2", Kind.PERSON, "发错了", servicer=ZHOU))

    desk.answer(event("3", Kind.RECALLED, recalled_id="2", by="person", servicer=ZHOU))

    assert [(turn.question, turn.answer) for turn in desk.session.turns] == [("在吗", ""), ("", TAKEN_BACK)]
    assert [(each.kind, each.actor) for _, each in desk.ledger.trail][-1] == ("recalled", "person")


@pytest.mark.parametrize("recalled_id", ["unknown", ""])
def test_what_nobody_knows_of_can_be_taken_back(recalled_id: str):
    desk = kf()

    assert results(desk.answer(event("1", Kind.RECALLED, recalled_id=recalled_id))) == [Result.RECORDED]
    assert desk.sessions.kept == {}


def test_a_session_that_changed_while_words_were_taken_back_is_tried_again():
    desk = kf()
    desk.answer(said("1"))
    save, desk.sessions.save = desk.sessions.save, raising(ConflictError("changed"))  # type: ignore[method-assign]

    outcomes = desk.answer(event("2", Kind.RECALLED, recalled_id="1"))
    desk.sessions.save = save  # type: ignore[method-assign]

    assert (results(outcomes), outcomes[0].code) == ([Result.RETRY], "session_contended")
    assert results(desk.answer(event("2", Kind.RECALLED, recalled_id="1"))) == [Result.RECORDED]
    assert desk.session.turns[0].question == TAKEN_BACK


# -- what did not arrive ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fail_type", "followed_up"), [("0", True), ("12", True), ("13", True), ("4", False), ("10", False), ("", False)]
)
def test_what_did_not_arrive_is_marked_and_followed_up_where_waiting_does_not_help(
    *, fail_type: str, followed_up: bool
):
    desk = kf(model_answer(text=f"一{CUT}二"))
    desk.answer(said("1", "怎么退货？"), said("2", "", kind=Kind.IMAGE))
    failed_id = desk.channel.shown[1].message_id

    outcomes = desk.answer(event("3", Kind.UNDELIVERED, failed_id=failed_id, fail_type=fail_type))

    assert outcomes[0].counted == ("Undelivered",)
    assert [turn.undelivered for turn in desk.session.turns] == [True, False]
    assert [(each.reason, each.question) for each in desk.opened] == [("undelivered", "怎么退货？")] * followed_up
    assert audited(desk).count("undelivered") == 1


def test_what_did_not_arrive_is_found_though_its_session_is_over():
    desk = kf()
    desk.answer(said("1", "怎么退货？"))
    desk.clock.advance(TTL_S)

    desk.answer(event("2", Kind.UNDELIVERED, failed_id=desk.channel.shown[0].message_id, fail_type="13"))

    assert desk.session.turns[0].undelivered
    assert len(desk.opened) == 1


def test_what_nobody_remembers_having_said_did_not_arrive_either():
    desk = kf()

    outcomes = desk.answer(event("1", Kind.UNDELIVERED, failed_id="f" * 32, fail_type="0"))

    assert (results(outcomes), outcomes[0].counted) == ([Result.RECORDED], ("Undelivered",))
    assert (desk.opened, desk.sessions.kept) == ([], {})


def test_the_names_of_messages_are_each_ones_own():
    ids = {segment_id(CONVERSATION, question, number) for question in "12" for number in range(MAX_SEGMENTS)}

    assert len(ids) == 2 * MAX_SEGMENTS


# -- tickets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("news", "words"),
    [
        (ticket("1", state="opened"), f"您的问题已登记，工单号 {NUMBER}，处理好后会在这里告诉您。"),
        (ticket("1", "款已退回 {原} 账户"), f"您的工单 {NUMBER} 已处理完毕。\n款已退回 {{原}} 账户"),
        (ticket("1"), f"您的工单 {NUMBER} 已处理完毕。"),
    ],
)
def test_a_customer_hears_what_becomes_of_a_ticket(news: Received, words: str):
    desk = kf()

    desk.answer(news)

    assert desk.read == [words]
    assert [(turn.kind, turn.question) for turn in desk.session.turns] == [("notice", "")]
    assert audited(desk) == ["ticket"]


@pytest.mark.parametrize("charge", [Charge.PERSON, Charge.WAITING, Charge.CLOSED])
def test_news_that_cannot_be_told_now_is_told_with_the_next_reply_once(charge: Charge):
    desk = kf()
    in_charge(desk, charge)

    assert results(desk.answer(ticket("1", "已退款"))) == [Result.RECORDED]
    assert (desk.channel.requests, desk.sessions.kept) == ([], {})
    in_charge(desk, Charge.BOT)
    desk.answer(said("2", "一"))
    desk.answer(said("3", "二"))

    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。\n已退款\n\n答：一", "答：二"]
    assert desk.attendance.notice == ""


def test_a_person_in_charge_reads_the_news():
    desk = kf()
    desk.answer(said("1", "转人工"))
    assert desk.people
    desk.people.briefed.clear()

    desk.answer(ticket("2", "已退款"))

    assert [each.brief for each in desk.people.briefed] == [f"您的工单 {NUMBER} 已处理完毕。\n已退款"]
    assert "转人工" in desk.attendance.brief


def test_several_pieces_of_news_are_all_kept():
    desk = kf()
    in_charge(desk, Charge.PERSON)

    desk.answer(ticket("1", state="opened"))
    desk.answer(ticket("2", "已退款"))
    in_charge(desk, Charge.BOT)
    desk.answer(said("3", "一"))

    (text,) = desk.read
    assert text.index("工单号") < text.index("已退款") < text.index("答：一")


@pytest.mark.parametrize("left", [0, 1])
def test_news_does_not_take_the_last_message(left: int):
    desk = kf(left=left)

    assert results(desk.answer(ticket("1", "已退款"))) == [Result.RECORDED]
    assert desk.channel.requests == []
    assert "已退款" in desk.attendance.notice


@pytest.mark.parametrize("error", [TakenOverError("a person's"), AllowanceError("too many")])
def test_news_that_is_refused_while_it_is_told_is_told_later(error: Exception):
    desk = kf()
    desk.channel.failures.append(error)

    assert desk.answer(ticket("1", "已退款"))[0].handled
    desk.answer(said("2", "一"))

    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。\n已退款\n\n答：一"]
    assert desk.people
    assert desk.people.called == []
    assert kinds(desk) == ["answer"]


def test_news_that_was_withheld_together_with_an_answer_is_told_later():
    desk = kf()
    in_charge(desk, Charge.PERSON)
    desk.answer(ticket("1", "已退款"))
    in_charge(desk, Charge.BOT)
    desk.channel.failures.append(TakenOverError("a person's"))
    desk.answer(said("2", "一"))
    desk.answer(said("3", "二"))

    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。\n已退款\n\n答：二"]


def test_news_is_not_told_twice_when_the_process_dies_as_it_is_told():
    desk = kf()
    in_charge(desk, Charge.PERSON)
    desk.answer(ticket("1", "已退款"))
    in_charge(desk, Charge.BOT)
    with pytest.raises(Crash):
        desk.answer(said("2", "一"), crashing=Crashing(at="deliver"))
    desk.answer(said("2", "一", attempt=2))
    desk.answer(said("3", "二"))

    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。\n已退款\n\n答：一", "答：二"]


def test_news_of_which_a_part_can_be_tapped_for_is_not_told_twice():
    desk = kf()
    desk.channel.split = lambda text: tuple(line for line in text.split("\n") if line)  # type: ignore[method-assign]
    in_charge(desk, Charge.PERSON)
    desk.answer(ticket("1", "已\n退\n款"))
    in_charge(desk, Charge.BOT)

    desk.answer(said("2"))
    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。", "已", "退", SENTENCES.more]
    desk.channel.left = 5
    desk.answer(said("3", "你好吗"))

    assert desk.read[4:] == ["答：你好吗"]


def test_news_of_which_a_part_would_be_out_of_reach_is_told_again():
    desk = kf(left=3)
    desk.channel.split = lambda text: tuple(line for line in text.split("\n") if line)  # type: ignore[method-assign]
    in_charge(desk, Charge.PERSON)
    desk.answer(ticket("1", "已\n退\n款"))
    in_charge(desk, Charge.BOT)
    desk.channel.left = 2

    desk.answer(said("2"))
    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。", SENTENCES.colleague]

    assert "款" in desk.attendance.notice


def test_news_that_is_too_long_for_what_is_left_waits_for_the_next_reply():
    desk = kf(left=2)
    desk.channel.split = lambda text: tuple(line for line in text.split("\n") if line)  # type: ignore[method-assign]

    assert results(desk.answer(ticket("1", "已退款"))) == [Result.RECORDED]
    assert desk.channel.requests == []
    desk.channel.left = 5
    desk.answer(said("2"))

    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。", "已退款", "答：你好"]


def test_news_does_not_stand_before_what_only_a_code_lets_be_said_nor_in_a_rating():
    desk = kf()
    in_charge(desk, Charge.CLOSED)
    desk.answer(ticket("1", "已退款"))
    in_charge(desk, Charge.BOT)

    desk.answer(said("2", "", kind=Kind.ENTERED, details={"code": "a-code"}))
    assert desk.read == [SENTENCES.welcome]
    desk.answer(said("3", "一"))

    assert "已退款" in desk.read[1]


def test_news_leaves_a_pause_of_the_models_as_it_is():
    desk = kf(model_answer(text="", pause=SELECT))
    desk.answer(said("1"))
    desk.answer(ticket("2", "已退款"))
    desk.answer(said("3", "2"))

    assert desk.model.questions[-1].text == "exchange"


def test_without_people_news_is_told_as_well():
    desk = Desk()

    desk.answer(ticket("1", "已退款"))

    assert desk.read == [f"您的工单 {NUMBER} 已处理完毕。\n已退款"]
    assert desk.attendances.kept == {}


# -- ratings ---------------------------------------------------------------------------------------------------------


def test_who_was_served_by_a_person_is_asked_how_it_was_when_the_person_ends():
    desk = kf(left=0)
    in_charge(desk, Charge.PERSON)
    desk.answer(event("1", Kind.PERSON, "请寄回", servicer=ZHOU))
    in_charge(desk, Charge.CLOSED)

    assert results(desk.answer(event("2", Kind.STATE, change="ended", code="a-code"))) == [Result.RECORDED]

    (asked,) = desk.channel.shown
    assert (asked.text, asked.menu, asked.code) == (SENTENCES.rating, RATING_MENU, "a-code")
    assert kinds(desk) == ["person", "rating"]


def test_the_application_asks_without_a_code():
    desk = app()
    in_charge(desk, Charge.PERSON)
    desk.answer(event("1", Kind.PERSON, "请寄回", servicer=ZHOU))
    in_charge(desk, Charge.BOT)

    desk.answer(event("2", Kind.STATE, change="ended", servicer=ZHOU))

    assert desk.read == ["请寄回", SENTENCES.rating]


@pytest.mark.parametrize(
    ("change", "details", "late_s"),
    [("ended", {}, 0), ("ended", {"code": "a-code"}, 19), ("taken", {"code": "a-code"}, 0)],
    ids=["without a code", "too late", "no end"],
)
def test_nobody_is_asked_where_it_cannot_be_or_has_no_end(change: str, details: dict[str, str], late_s: int):
    desk = kf()
    in_charge(desk, Charge.PERSON)
    desk.answer(event("1", Kind.PERSON, "请寄回", servicer=ZHOU))
    desk.clock.advance(late_s)

    desk.answer(event("2", Kind.STATE, change=change, **details))

    assert desk.channel.requests == []
    assert kinds(desk) == ["person"]


def test_who_was_answered_by_nobody_is_not_asked():
    desk = kf()
    in_charge(desk, Charge.PERSON)
    desk.answer(said("1", "在吗"))
    in_charge(desk, Charge.CLOSED)

    desk.answer(event("2", Kind.STATE, change="ended", code="a-code"))

    assert desk.channel.requests == []


def test_only_channels_that_are_to_be_rated_are():
    desk = kf()
    desk.policy = replace(POLICY, rating_channels=frozenset())
    desk.answer(said("1"))

    assert results(desk.answer(quiet(desk))) == [Result.SILENT]


def test_a_session_that_has_gone_quiet_is_rated():
    desk = kf()
    desk.answer(said("1"))
    desk.channel.shown.clear()

    assert results(desk.answer(quiet(desk))) == [Result.RECORDED]

    (asked,) = desk.channel.shown
    assert (asked.text, asked.menu, asked.recipient) == (SENTENCES.rating, RATING_MENU, CUSTOMER)
    assert desk.attendance.customer == CUSTOMER
    assert len(desk.sessions.kept) == 1


@pytest.mark.parametrize(("after_s", "times"), [(DAY_S - 1, 1), (DAY_S, 2)])
def test_nobody_is_asked_twice_a_day(*, after_s: int, times: int):
    desk = kf()
    desk.answer(said("1"))
    desk.answer(quiet(desk, "quiet-1"))
    asked_at = desk.clock()
    desk.clock.now = asked_at + after_s - IDLE_S
    desk.answer(said("2"))
    desk.answer(quiet(desk, "quiet-2"))

    assert desk.clock() == asked_at + after_s
    assert desk.read.count(SENTENCES.rating) == times


@pytest.mark.parametrize("came_back", ["same session", "another session"])
def test_who_is_talking_again_is_not_interrupted(came_back: str):
    desk = kf()
    desk.answer(said("1"))
    gone_quiet = quiet(desk)
    desk.clock.advance(1 if came_back == "same session" else TTL_S)
    desk.answer(said("2"))

    assert results(desk.answer(gone_quiet)) == [Result.SILENT]
    assert SENTENCES.rating not in desk.read


@pytest.mark.parametrize("charge", [Charge.PERSON, Charge.WAITING, Charge.CLOSED])
def test_who_is_with_a_person_is_not_asked_by_the_machine(charge: Charge):
    desk = kf()
    desk.answer(said("1"))
    in_charge(desk, charge)

    assert results(desk.answer(quiet(desk))) == [Result.SILENT]
    assert SENTENCES.rating not in desk.read


def test_asking_does_not_take_the_last_message():
    desk = kf()
    desk.answer(said("1"))
    desk.channel.left = 1

    assert results(desk.answer(quiet(desk))) == [Result.SILENT]


def test_a_session_that_is_gone_is_not_rated():
    desk = kf()
    desk.answer(said("1"))
    gone_quiet = quiet(desk)
    desk.sessions.kept.clear()

    assert results(desk.answer(gone_quiet)) == [Result.SILENT]
    assert desk.sessions.kept == {}


@pytest.mark.parametrize(("word", "counted"), [("good", "SatisfactionGood"), ("bad", "SatisfactionBad")])
def test_what_the_customer_says_of_it_is_kept_counted_and_told_to_the_model(word: str, counted: str):
    desk = kf()
    desk.answer(said("1"))
    desk.answer(quiet(desk))

    outcomes = desk.answer(tapped("2", f"rating:{word}"))

    assert outcomes[0].counted == (counted,)
    assert desk.session.rating == word
    assert desk.read[-1] == SENTENCES.thanks
    attempt_id = desk.session.turns[0].attempt_id
    assert desk.model.feedbacks == [Feedback(chat_id(desk.session), attempt_id, word == "good")]
    assert [each.details for _, each in desk.ledger.trail if each.kind == "rated"] == [
        {"rating": word, "session": desk.session.session_id}
    ]
    assert len(desk.model.questions) == 1
    wish = (Choice(SENTENCES.to_person, "person"),) if word == "bad" else ()
    assert desk.channel.shown[-1].menu == wish


def test_a_rating_belongs_to_the_session_that_was_asked_about():
    desk = kf()
    desk.answer(said("1"))
    desk.answer(quiet(desk))
    rated = desk.session.session_id
    desk.clock.advance(TTL_S)
    desk.answer(said("2"))

    desk.answer(tapped("3", "rating:bad"))

    ratings = {session_id: each.rating for (_, session_id), each in desk.sessions.kept.items()}
    assert ratings == {rated: "bad", desk.session.session_id: ""}
    assert kinds(desk) == ["answer", "thanks"]


@pytest.mark.parametrize("error", [TransientError("busy"), PermanentError("refused")])
def test_a_model_that_does_not_want_to_know_is_no_failure(error: Exception):
    desk = kf()
    desk.answer(said("1"))
    desk.answer(quiet(desk))
    desk.model.feedback_script.append(error)

    assert results(desk.answer(tapped("2", "rating:good"))) == [Result.ANSWERED]
    assert desk.session.rating == "good"


def test_of_a_talk_with_people_alone_the_model_hears_nothing():
    desk = kf()
    in_charge(desk, Charge.PERSON)
    desk.answer(event("1", Kind.PERSON, "请寄回", servicer=ZHOU))
    in_charge(desk, Charge.CLOSED)
    desk.answer(event("2", Kind.STATE, change="ended", code="a-code"))
    in_charge(desk, Charge.BOT)

    desk.answer(tapped("3", "rating:good"))

    assert desk.session.rating == "good"
    assert desk.model.feedbacks == []


def test_who_was_never_asked_is_thanked_all_the_same():
    desk = kf()

    outcomes = desk.answer(tapped("1", "rating:good"))

    assert (results(outcomes), desk.read) == ([Result.ANSWERED], [SENTENCES.thanks])


@pytest.mark.parametrize(("charge", "left"), [(Charge.PERSON, 5), (Charge.BOT, 1)])
def test_a_rating_counts_though_nobody_can_be_thanked(charge: Charge, left: int):
    desk = kf()
    desk.answer(said("1"))
    desk.answer(quiet(desk))
    in_charge(desk, charge)
    desk.channel.left = left

    outcomes = desk.answer(tapped("2", "rating:bad"))

    assert (results(outcomes), outcomes[0].counted) == ([Result.RECORDED], ("SatisfactionBad",))
    assert desk.session.rating == "bad"
    assert SENTENCES.thanks not in desk.read
    assert desk.people
    assert desk.people.called == []


def test_a_card_can_be_pressed_to_rate():
    desk = app()
    desk.answer(said("1"))
    desk.answer(quiet(desk))

    desk.answer(event("2", Kind.PRESSED, key="rating:good"))

    assert desk.session.rating == "good"


def test_a_rating_asked_in_a_pause_of_the_models_leaves_it_as_it_is():
    desk = kf(model_answer(text="好"), model_answer(text="", pause=SELECT), left=20)
    desk.answer(said("0"))
    desk.answer(said("1", "退货"))
    desk.answer(quiet(desk))
    assert SENTENCES.rating in desk.read
    desk.answer(said("2", "2"))

    assert desk.model.questions[-1].text == "exchange"


def test_a_good_bye_that_came_too_late_does_no_harm():
    desk = kf()
    in_charge(desk, Charge.PERSON)
    desk.answer(event("1", Kind.PERSON, "请寄回", servicer=ZHOU))
    desk.channel.failures.append(AllowanceError("the code has expired"))

    outcomes = desk.answer(event("2", Kind.STATE, change="ended", code="a-code"))

    assert (results(outcomes), outcomes[0].counted) == ([Result.UNSENT], ())
    assert kinds(desk) == ["person"]
    assert desk.people
    assert desk.people.called == []


# -- sessions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "happened",
    [
        event("1", Kind.STATE, change="taken"),
        event("1", Kind.RECALLED, recalled_id="0"),
        event("1", Kind.UNDELIVERED, failed_id="0"),
        event("1", Kind.DUE, what="attendance", at="1"),
        event("1", Kind.DUE, what="rating", session_id="0"),
    ],
    ids=["state", "recalled", "undelivered", "due", "rating due"],
)
def test_what_only_happened_opens_no_session(happened: Received):
    desk = kf()

    desk.answer(happened)
    desk.answer(replace(happened, attempt=2))

    assert desk.sessions.kept == {}


def test_what_only_happened_does_not_keep_a_session_alive():
    desk = kf()
    desk.answer(said("1"))
    before = desk.session
    desk.clock.advance(60)

    desk.answer(event("2", Kind.STATE, change="taken"), event("3", Kind.DUE, what="attendance", at="1"))

    assert desk.session == before


def test_an_unsure_answer_stays_so_when_the_customer_is_asked_how_it_was():
    desk = kf(model_answer(text="好"), is_unsure, is_unsure)
    desk.answer(said("0", "订单到哪里了"))
    desk.answer(said("1", "那个怎么弄"))
    desk.answer(quiet(desk))

    assert desk.session.clarified
