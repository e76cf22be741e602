"""微信客服 as the simulated platform does it: what is told at the callback address is fetched, answered, handed over."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.envelope import Envelope
from frontdesk.channels.wecom_api import WecomApi
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.channels.wecom_calls import WecomCalls
from frontdesk.channels.wecom_kf_api import WecomKfApi
from frontdesk.channels.wecom_kf_desk import KfDesk
from frontdesk.channels.wecom_kf_outbound import KfOutbound
from frontdesk.channels.wecom_kf_puller import KfPuller
from frontdesk.errors import (
    AllowanceError,
    FrontdeskError,
    MisconfiguredError,
    NobodyError,
    PermanentError,
    TakenOverError,
    TransientError,
)
from frontdesk.messages import Charge, Choice, Kind, Outbound, Pull
from tests.factories import attendance
from tests.fakes.allowance import InMemoryAllowance
from tests.fakes.tokens import InMemoryTokenStore
from tests.integration.simulators.wecom_platform import (
    AGENT_ID,
    CORP_ID,
    ENCODING_AES_KEY,
    SECRET,
    TOKEN,
    eventually,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontdesk.messages import Inbound
    from tests.integration.simulators.wecom_platform import Platform

ACCOUNT = "wkFrontdesk0000000001"
CUSTOMER = "wmCustomer0001"
ADDRESS = f"{ACCOUNT}:{CUSTOMER}"
CONVERSATION = f"of {ADDRESS}"
MENU = (Choice("有帮助", "rating:good"), Choice("没解决", "rating:bad"))
ZHOU, WU = "zhou.min", "wu.tao"


@dataclass
class House:
    """Everything of this side, beside the platform."""

    platform: Platform
    secret: str = SECRET
    cursor: str = ""
    tokens: InMemoryTokenStore = field(default_factory=InMemoryTokenStore)

    def __post_init__(self) -> None:
        calls = WecomCalls(
            base_url=f"{self.platform.base}/wecom",
            corp_id=CORP_ID,
            holder="kf",
            secret=self.secret,
            tokens=self.tokens,
            clock=self.platform.clock,
            sleep=lambda _seconds: None,
            rng=random.Random(1),
        )
        self.api = WecomKfApi(calls)
        self.allowance = InMemoryAllowance(clock=self.platform.clock)
        self.channel = KfOutbound(self.api, allowance=self.allowance)
        self.puller = KfPuller(self.api, conversation_of=lambda address: f"of {address}", clock=self.platform.clock)
        self.app = WecomApi(calls, agent_id=AGENT_ID)
        self.desk = self.desk_of("servicer")

    def desk_of(self, to: Any, *agents: str) -> KfDesk:
        return KfDesk(self.api, self.app, to=to, agents=agents)

    # -- the platform's side

    def kf(self, path: str, **document: Any) -> Any:
        return self.platform.control("POST", f"/kf/{path}", document)

    def writes(self, content: str = "可以开发票吗", **message: Any) -> str:
        written = self.kf(f"customers/{CUSTOMER}/messages", content=content, notify=False, **message)
        return str(written["msgid"])

    def seen(self) -> list[dict[str, Any]]:
        """Return what the customer sees of what was said to them, failed messages left out."""
        answer = self.platform.control("GET", f"/kf/customers/{CUSTOMER}/timeline", after=0)
        return [each for each in answer["entries"] if each["direction"] == "outbound" and not each["failed"]]

    def texts(self) -> list[str]:
        return [each["content"] for each in self.seen()]

    def employ(self, *userids: str, account: str = ACCOUNT) -> None:
        for userid in userids:
            self.kf(f"accounts/{account}/servicers", userid=userid)
            self.platform.add_members(userid)

    # -- our side

    def pull(self, token: str = "") -> list[Inbound]:
        """Return everything that is new, in order."""
        found: list[Inbound] = []
        while True:
            page = self.puller.page(ACCOUNT, cursor=self.cursor, token=token, deadline=soon())
            found += page.inbounds
            self.cursor = page.cursor
            if not page.more:
                return found

    def hear(self, content: str = "可以开发票吗", **message: Any) -> Inbound:
        """Return what a customer writes now, as it is fetched."""
        self.writes(content, **message)
        inbound = self.pull()[-1]
        self.channel.room(inbound)
        return inbound

    def say(self, number: int = 1, text: str = "可以的。", **differently: Any) -> None:
        self.channel.deliver(
            Outbound(
                channel="wecom_kf",
                recipient=ADDRESS,
                text=text,
                conversation=CONVERSATION,
                message_id=f"{number:032x}",
                **differently,
            ),
            deadline=soon(),
        )

    def charge(self) -> Charge:
        return self.desk.charge(CONVERSATION, ADDRESS, deadline=soon())


def soon() -> float:
    return time.monotonic() + 20


def failure(work: Any) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as caught:
        work()
    return caught.value


def waiting(**differently: Any) -> Any:
    values = {"conversation": CONVERSATION, "customer": ADDRESS, "question_id": "m_1", "brief": "客户问发票。"}
    return attendance(**{**values, **differently})


@pytest.fixture
def platform(server: Platform) -> Iterator[Platform]:
    server.renewed()
    yield server
    server.simulator.humans.clear()
    # A call that its caller gave up is recorded late, and must not turn up in the next test.
    state = server.simulator.state
    eventually(
        lambda: all(
            fault["hits"] == sum(call["fault"] == fault["number"] for call in server.calls())
            for fault in state.faults.to_json()
        )
    )


@pytest.fixture
def house(platform: Platform) -> House:
    return House(platform)


# -- what comes in -------------------------------------------------------------------------------------------------


def test_news_at_the_callback_address_leads_to_the_message_and_to_nothing_twice(house: House, platform: Platform):
    envelope = Envelope(token=TOKEN, encoding_aes_key=ENCODING_AES_KEY, receive_id=CORP_ID, clock=platform.clock)
    callback = WecomCallback([envelope], conversation_of=lambda sender: sender)
    house.kf(f"customers/{CUSTOMER}/messages", content="可以开发票吗")
    told = platform.bot.received[-1]

    (pull,) = callback.read(callback.open(told.raw_query, told.body), received_at_ms=7)

    assert isinstance(pull, Pull)
    assert (pull.account, pull.noticed_at_ms) == (ACCOUNT, 7)
    (inbound,) = house.pull(pull.token)
    assert (inbound.kind, inbound.text, inbound.sender) == (Kind.TEXT, "可以开发票吗", ADDRESS)
    assert (inbound.conversation, inbound.sent_at) == (CONVERSATION, int(platform.clock()))
    assert house.pull(pull.token) == []


def test_a_withdrawn_account_is_told_of_and_refused_for_itself_alone(house: House, platform: Platform):
    callback = WecomCallback(
        [Envelope(token=TOKEN, encoding_aes_key=ENCODING_AES_KEY, receive_id=CORP_ID, clock=platform.clock)],
        conversation_of=lambda sender: sender,
    )
    platform.control("POST", "/kf/accounts", {"open_kfid": "wkSecond", "name": "售后"})
    platform.control("DELETE", f"/kf/accounts/{ACCOUNT}")
    told = eventually(lambda: platform.bot.received[1:] and platform.bot.received[-1])

    pulls = callback.read(callback.open(told.raw_query, told.body), received_at_ms=7)

    assert pulls == (Pull(account=ACCOUNT, noticed_at_ms=7),)
    error = failure(house.pull)
    assert type(error) is PermanentError
    assert house.api.accounts(deadline=soon()) == ("wkSecond",)
    assert house.api.sync_msg("wkSecond", cursor="", token="", deadline=soon()).items == []


def test_the_applications_secret_is_a_misconfiguration_where_customer_service_has_its_own(platform: Platform):
    platform.simulator.state.settings = _with_kf_secret(platform)
    house = House(platform)
    assert type(failure(house.pull)) is MisconfiguredError
    assert House(platform, secret="another-invented-secret").pull() == []


def _with_kf_secret(platform: Platform) -> Any:
    return replace(platform.simulator.state.settings, kf_secret="another-invented-secret")


@pytest.mark.parametrize("behaviour", [{}, {"kf_empty_pages": True}])
def test_a_long_history_is_fetched_page_by_page_each_message_once(server: Platform, behaviour: dict[str, Any]):
    house = House(server.renewed(**behaviour))
    house.kf("history", customers=5, messages=450)
    found = house.pull()
    assert len({each.message_id for each in found}) == len(found) == 450
    assert [each.sent_at for each in found] == sorted(each.sent_at for each in found)


def test_a_token_that_has_ended_costs_nothing_but_a_call(house: House, platform: Platform):
    house.writes()
    assert len(house.pull("ENCnever-given")) == 1
    assert [call["path"] for call in platform.calls()] == ["gettoken", "kf/sync_msg", "kf/sync_msg"]


def test_the_limit_of_fetching_without_a_token_is_a_passing_failure(server: Platform):
    house = House(server.renewed(untokened_syncs_per_minute=1))
    house.pull()
    error = failure(house.pull)
    assert isinstance(error, TransientError)
    assert error.retry_after_s >= 60


@pytest.mark.parametrize(
    ("msgtype", "kind"),
    [
        ("image", Kind.IMAGE),
        ("voice", Kind.VOICE),
        ("video", Kind.VIDEO),
        ("file", Kind.FILE),
        ("location", Kind.LOCATION),
        ("link", Kind.LINK),
        ("business_card", Kind.OTHER),
        ("merged_msg", Kind.OTHER),
    ],
)
def test_every_kind_of_message_is_one(house: House, msgtype: str, kind: Kind):
    inbound = house.hear("", msgtype=msgtype)
    assert inbound.kind is kind
    assert inbound.details


def test_a_message_taken_back_and_one_that_did_not_arrive_are_told_with_their_ids(house: House):
    message = house.hear()
    house.kf(f"customers/{CUSTOMER}/recall", msgid=message.message_id)
    house.kf("failures", external_userid=CUSTOMER, fail_type=10)
    house.say()
    recalled, undelivered = house.pull()
    assert (recalled.kind, recalled.details["recalled_id"]) == (Kind.RECALLED, message.message_id)
    assert recalled.details["by"] == "customer"
    assert (undelivered.kind, undelivered.details) == (
        Kind.UNDELIVERED,
        {"failed_id": f"{1:032x}", "fail_type": "10"},
    )


# -- what goes out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [{"drop": "after"}, {"errcode": -1, "processed": True}])
def test_a_message_that_was_accepted_without_an_answer_is_shown_once(
    house: House, platform: Platform, what: dict[str, Any]
):
    house.hear()
    platform.control("POST", "/faults", {"path": "kf/send_msg", "times": 4, **what})
    assert isinstance(failure(house.say), TransientError)

    house.say()

    assert house.texts() == ["可以的。"]
    assert house.allowance.left(CONVERSATION, customer_at=0) == 4


def test_five_messages_are_shown_and_no_sixth_is_even_tried(house: House, platform: Platform):
    house.hear()
    for number in range(1, 5):
        house.say(number, f"第 {number} 条")
    assert type(failure(lambda: house.say(5))) is AllowanceError
    house.say(6, "最后一条", last=True)
    before = len(platform.calls())
    assert type(failure(lambda: house.say(7, last=True))) is AllowanceError
    assert len(house.texts()) == 5
    assert len(platform.calls()) == before

    platform.clock.now += 60
    house.hear("还在吗")
    house.say(8, "在的")
    assert house.texts()[-1] == "在的"


def test_what_wecom_counts_beyond_our_knowledge_is_its_refusal(house: House):
    house.hear()
    other = House(house.platform)
    other.allowance.left(CONVERSATION, customer_at=int(house.platform.clock()))
    for number in range(1, 5):
        other.say(100 + number)
    house.say(1)
    error = failure(lambda: house.say(2))
    assert type(error) is AllowanceError
    assert error.code == "wecom_95001"


def test_two_days_after_the_customers_message_nothing_is_sent(house: House, platform: Platform):
    house.hear()
    platform.clock.now += 48 * 3600
    assert type(failure(house.say)) is AllowanceError
    assert "kf/send_msg" not in [call["path"] for call in platform.calls()]


def test_a_tapped_item_comes_back_with_its_id(house: House):
    house.hear()
    house.say(text="有帮助吗？", menu=MENU)
    house.kf(f"customers/{CUSTOMER}/tap", menu_id="rating:good")
    (tapped,) = house.pull()
    assert (tapped.kind, tapped.text, tapped.details) == (Kind.TEXT, "有帮助", {"menu_id": "rating:good"})


def test_a_welcome_goes_out_under_its_code_before_the_customer_has_written(house: House, platform: Platform):
    house.kf(f"customers/{CUSTOMER}/enter", scene="web", scene_param="order8812")
    (entered,) = house.pull()
    assert (entered.kind, entered.details["scene"], entered.details["scene_param"]) == (
        Kind.ENTERED,
        "web",
        "order8812",
    )
    house.say(text="您好！", code=entered.details["code"], menu=MENU)
    assert house.texts() == ["您好！"]
    again = failure(lambda: house.say(2, code=entered.details["code"]))
    assert again.code == "wecom_41050"


def test_a_welcome_that_comes_too_late_is_permitted_no_more(house: House, platform: Platform):
    house.kf(f"customers/{CUSTOMER}/enter")
    (entered,) = house.pull()
    platform.clock.now += 21
    error = failure(lambda: house.say(code=entered.details["code"]))
    assert type(error) is AllowanceError
    assert error.code == "wecom_41050"


def test_a_welcome_whose_answer_was_lost_is_shown_once(house: House, platform: Platform):
    house.kf(f"customers/{CUSTOMER}/enter")
    (entered,) = house.pull()
    platform.control("POST", "/faults", {"path": "kf/send_msg_on_event", "times": 1, "drop": "after"})
    house.say(text="您好！", code=entered.details["code"])
    assert house.texts() == ["您好！"]


def test_markdown_arrives_as_plain_words(house: House):
    house.hear()
    markdown = "## 发票\n\n1. **打开**[订单](https://example.com/o?a=1&b=2)\n2. 申请"
    for number, segment in enumerate(house.channel.split(house.channel.render(markdown)), start=1):
        house.say(number, segment)
    assert house.texts() == ["【发票】\n\n1. 打开订单 (https://example.com/o?a=1&b=2)\n2. 申请"]


# -- people --------------------------------------------------------------------------------------------------------


def test_a_customer_is_given_to_a_servicer_who_is_then_in_charge(house: House):
    house.employ(ZHOU)
    house.hear()
    assert house.charge() is Charge.BOT
    house.say()

    called = house.desk.call(waiting(), deadline=soon())

    assert (called.state, called.agent) == ("person", ZHOU)
    assert house.charge() is Charge.PERSON
    assert type(failure(lambda: house.say(2))) is TakenOverError
    assert house.desk.call(waiting(), deadline=soon()) == called
    house.kf("sessions/say", external_userid=CUSTOMER, content="我来处理")
    (line,) = house.pull()
    assert (line.kind, line.text, line.details) == (Kind.PERSON, "我来处理", {"servicer": ZHOU})


def test_servicers_who_have_stopped_are_passed_over_and_when_all_have_nobody_is_there(house: House):
    house.employ(ZHOU, WU)
    house.hear()
    house.kf(f"servicers/{ZHOU}", status=1)
    assert house.desk.available(ADDRESS, deadline=soon())
    assert house.desk.call(waiting(), deadline=soon()).agent == WU
    house.kf(f"servicers/{WU}", status=1)
    assert not house.desk.available(ADDRESS, deadline=soon())
    assert (
        type(failure(lambda: house.desk.call(waiting(customer=f"{ACCOUNT}:wmNobody"), deadline=soon()))) is NobodyError
    )
    assert Kind.STATE not in {each.kind for each in house.pull()}  # who receives is nobody's conversation


def test_a_customer_waits_in_the_queue_until_somebody_takes_them(house: House):
    house.employ(ZHOU)
    house.hear()
    queue = house.desk_of("queue")
    assert queue.call(waiting(), deadline=soon()).state == "waiting"
    assert house.charge() is Charge.WAITING
    house.kf("sessions/take", external_userid=CUSTOMER, servicer_userid=ZHOU)
    (taken,) = house.pull()
    assert (taken.kind, taken.details["change"], taken.details["servicer"]) == (Kind.STATE, "taken", ZHOU)
    assert taken.details["code"]
    assert house.charge() is Charge.PERSON
    assert queue.call(waiting(), deadline=soon()).agent == ZHOU


@pytest.mark.parametrize("to", ["servicer", "queue"])
def test_a_customer_taken_back_hears_one_more_message_and_then_begins_anew(house: House, to: str):
    house.employ(ZHOU)
    house.hear()
    called = house.desk_of(to).call(waiting(), deadline=soon())

    code = house.desk.give_back(called, deadline=soon())

    assert code
    assert house.charge() is Charge.CLOSED
    assert type(failure(lambda: house.say(1))) is TakenOverError
    house.say(2, "现在由智能客服继续为您服务。", code=code)
    assert house.texts()[-1] == "现在由智能客服继续为您服务。"
    assert house.desk.give_back(called, deadline=soon()) == ""
    house.hear("还在吗")
    assert house.charge() is Charge.BOT


def test_a_session_that_a_person_ended_is_told_with_a_code(house: House):
    house.employ(ZHOU)
    house.hear()
    house.desk.call(waiting(), deadline=soon())
    house.kf("sessions/end", external_userid=CUSTOMER)
    (ended,) = house.pull()
    assert (ended.kind, ended.details["change"]) == (Kind.STATE, "ended")
    house.say(text="请为本次服务评价：", code=ended.details["code"], menu=MENU)
    assert [each["msgtype"] for each in house.seen()] == ["msgmenu"]


def test_people_that_wecom_does_not_let_go_are_told_of(server: Platform):
    house = House(server.renewed(kf_strict_changes=True))
    house.employ(ZHOU)
    house.hear()
    called = house.desk_of("queue").call(waiting(), deadline=soon())
    assert failure(lambda: house.desk.give_back(called, deadline=soon())).code == "wecom_95016"


def test_the_servicer_reads_the_brief_and_the_reminders_in_the_app(house: House, platform: Platform):
    house.employ(ZHOU)
    platform.add_members(WU)
    platform.control("POST", "/kf/customers", {"external_userid": CUSTOMER, "nickname": "小周"})
    house.hear()
    desk = house.desk_of("servicer", WU)
    called = desk.call(waiting(), deadline=soon())
    desk.brief(called, deadline=soon())
    desk.brief(called, deadline=soon())
    desk.remind(called, everybody=True, deadline=soon())

    read = [each["content"] for each in platform.timeline(ZHOU) if each["visible"]]
    assert len(read) == 2
    assert "客户问发票。" in read[0]
    assert "小周" in read[0]
    assert "提醒" in read[1]
    assert [each["content"] for each in platform.timeline(WU)] == [read[1]]


def test_a_servicer_who_is_no_member_of_the_app_is_no_failure(house: House, caplog: pytest.LogCaptureFixture):
    house.kf(f"accounts/{ACCOUNT}/servicers", userid="stranger")
    house.hear()
    called = house.desk.call(waiting(), deadline=soon())
    house.desk.brief(called, deadline=soon())
    assert called.agent == "stranger"
    assert "stranger" not in caplog.text


def test_a_name_of_nobody_is_none(house: House):
    assert house.api.nickname("wmNobody", deadline=soon()) == ""
