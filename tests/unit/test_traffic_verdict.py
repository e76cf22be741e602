"""What became of each message is read from the chats, and each finding can be made."""

from __future__ import annotations

from simulators.traffic.plan import Act, Channel, Kind
from simulators.traffic.sending import Sent, Try
from simulators.traffic.verdict import Fate, Phrases, Shown, Verdict, judge

WHO = "traffic00001"
ONE, TWO, THREE = "问AAAAAAA", "问BBBBBBB", "问CCCCCCC"
APOLOGY, INTERIM, MEDIA = "抱歉，请稍后再试。", "请稍等片刻…", "只能阅读文字。"
PHRASES = Phrases(frozenset({INTERIM}), frozenset({APOLOGY}), frozenset({MEDIA}), frozenset({"转接人工"}))


def text(mark: str, at_s: float, *, acknowledged_s: float | None = 0.1) -> Sent:
    """Return a text of our one customer, acknowledged so long after it was due; never for none."""
    return sent(Act(at_s, Channel.APP, WHO, Kind.TEXT, f"几点开门 {mark}", mark), acknowledged_s)


def sent(act: Act, acknowledged_s: float | None = 0.1) -> Sent:
    each = Sent(act, due_ms=act.at_s * 1000, late_ms=0)
    each.note(Try(None if acknowledged_s is None else 200, (act.at_s + (acknowledged_s or 5)) * 1000))
    return each


def picture(at_s: float) -> Sent:
    return sent(Act(at_s, Channel.APP, WHO, Kind.MEDIA, "image"))


def read(*shown: tuple[float, str]) -> dict[str, list[Shown]]:
    return {WHO: [Shown(at_s * 1000, words) for at_s, words in shown]}


def counted(verdict: Verdict) -> dict[Fate, int]:
    return {fate: count for fate, count in verdict.fates.items() if count}


def test_an_answer_with_the_mark_answers() -> None:
    verdict = judge([text(ONE, 1)], read((3, f"{ONE} 十点")), PHRASES)
    assert counted(verdict) == {Fate.ANSWERED: 1}
    assert verdict.answer_ms == verdict.first_ms == [(1, 2000)]
    assert not verdict.broken


def test_one_answer_to_several_messages_in_a_row_answers_all_of_them() -> None:
    verdict = judge([text(ONE, 1), text(TWO, 2)], read((5, f"{ONE} {TWO} 十点")), PHRASES)
    assert counted(verdict) == {Fate.ANSWERED: 2}
    assert not verdict.broken


def test_an_acknowledged_message_after_which_nothing_comes_is_lost() -> None:
    verdict = judge([text(ONE, 1), text(TWO, 2)], read((3, f"{ONE} 十点")), PHRASES)
    assert (verdict.lost, verdict.waiting, verdict.broken) == ([TWO], {WHO}, True)


def test_a_message_is_lost_whose_customer_was_shown_nothing_at_all() -> None:
    assert judge([text(ONE, 1)], {}, PHRASES).lost == [ONE]


def test_one_moment_please_answers_nothing() -> None:
    assert judge([text(ONE, 1)], read((7, INTERIM)), PHRASES).lost == [ONE]


def test_one_moment_please_is_the_first_that_is_heard_of_an_answer() -> None:
    verdict = judge([text(ONE, 1)], read((7, INTERIM), (11, f"{ONE} 十点")), PHRASES)
    assert (verdict.first_ms, verdict.answer_ms) == ([(1, 6000)], [(1, 10_000)])


def test_an_invisible_character_makes_no_other_sentence_of_it() -> None:
    assert judge([text(ONE, 1)], read((7, f"{INTERIM}\u200b\u200b")), PHRASES).lost == [ONE]


def test_what_was_said_before_the_message_answers_nothing() -> None:
    assert judge([text(ONE, 5)], read((4, APOLOGY)), PHRASES).lost == [ONE]


def test_an_apology_is_no_answer_and_no_loss() -> None:
    verdict = judge([text(ONE, 1)], read((9, APOLOGY)), PHRASES)
    assert counted(verdict) == {Fate.APOLOGISED: 1}
    assert not verdict.broken


def test_another_sentence_is_told_apart() -> None:
    assert counted(judge([text(ONE, 1)], read((9, "您的问题已经登记")), PHRASES)) == {Fate.TOLD: 1}


def test_what_is_written_to_a_colleague_is_not_the_bots_to_answer() -> None:
    verdict = judge([text(ONE, 1), text(TWO, 9)], read((5, "正在为您转接人工客服，请稍候。")), PHRASES)
    assert counted(verdict) == {Fate.TOLD: 1, Fate.PERSON: 1}
    assert not verdict.broken


def test_after_the_bot_has_spoken_again_silence_is_a_loss() -> None:
    shown = read((5, "正在为您转接人工客服，请稍候。"), (7, f"{TWO} 十点"))
    assert judge([text(ONE, 1), text(TWO, 6), text(THREE, 9)], shown, PHRASES).lost == [THREE]


def test_what_was_never_acknowledged_is_not_lost_but_counted() -> None:
    assert counted(judge([text(ONE, 1, acknowledged_s=None)], {}, PHRASES)) == {Fate.REFUSED: 1}


def test_a_picture_is_answered_by_the_sentence_about_pictures_and_no_text_is() -> None:
    verdict = judge([picture(1), text(ONE, 2)], read((3, MEDIA)), PHRASES)
    assert counted(verdict) == {Fate.ANSWERED: 1, Fate.LOST: 1}
    assert verdict.lost == [ONE]


def test_a_picture_after_which_nothing_comes_is_lost() -> None:
    assert judge([picture(4)], read((3, MEDIA)), PHRASES).lost == [f"{WHO}, image"]


def test_an_event_is_owed_nothing() -> None:
    event = sent(Act(1, Channel.APP, WHO, Kind.EVENT, "enter_agent"))
    assert counted(judge([event], {}, PHRASES)) == {Fate.EVENT: 1}


def test_a_mark_in_two_messages_is_doubled() -> None:
    verdict = judge([text(ONE, 1)], read((3, f"{ONE} 十点"), (4, f"{ONE} 十点")), PHRASES)
    assert (verdict.doubled, verdict.broken) == ([ONE], True)


def test_more_sentences_about_pictures_than_pictures_are_doubled() -> None:
    assert judge([picture(1)], read((2, MEDIA)), PHRASES).doubled == []
    assert judge([picture(1)], read((2, MEDIA), (3, MEDIA)), PHRASES).doubled == [f"{WHO}, media"]
    assert judge([picture(1), picture(2)], read((3, MEDIA), (4, MEDIA)), PHRASES).doubled == []


def test_an_apology_said_twice_for_one_message_is_doubled() -> None:
    assert judge([text(ONE, 1)], read((9, APOLOGY), (20, APOLOGY)), PHRASES).doubled == [f"{WHO}, apology"]


def test_an_apology_for_what_was_answered_is_doubled() -> None:
    assert judge([text(ONE, 1)], read((3, f"{ONE} 十点"), (9, APOLOGY)), PHRASES).doubled == [f"{WHO}, apology"]


def test_an_answer_that_overtakes_an_earlier_one_is_out_of_order() -> None:
    verdict = judge([text(ONE, 1), text(TWO, 2)], read((3, f"{TWO} 十点"), (4, f"{ONE} 十点")), PHRASES)
    assert (verdict.out_of_order, verdict.broken) == ([TWO], True)


def test_what_was_not_acknowledged_when_the_next_was_due_may_be_overtaken() -> None:
    messages = [text(ONE, 1, acknowledged_s=3), text(TWO, 2)]
    assert not judge(messages, read((3, f"{TWO} 十点"), (5, f"{ONE} 十点")), PHRASES).broken


def test_without_known_sentences_whatever_follows_counts_as_told() -> None:
    assert counted(judge([text(ONE, 1)], read((2, "请稍候")), Phrases())) == {Fate.TOLD: 1}


def test_the_first_200_of_all_copies_and_repetitions_acknowledges() -> None:
    each = Sent(Act(0, Channel.APP, WHO, Kind.TEXT, "x", ONE), due_ms=0, late_ms=0)
    for status, ended_at_ms in ((None, 5000.0), (200, 6100.0), (200, 5900.0)):
        each.note(Try(status, ended_at_ms))
    assert (each.first, each.acknowledged_at_ms, each.requests) == (Try(None, 5000.0), 5900.0, 3)
