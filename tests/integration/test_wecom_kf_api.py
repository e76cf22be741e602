"""The calls of 微信客服 over real HTTP, to a peer that answers what WeCom documents, and what it does not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from frontdesk.channels.wecom_api import WecomApi
from frontdesk.channels.wecom_kf_api import ServiceState, Synced, WecomKfApi
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
from frontdesk.messages import Choice, Kind
from tests.factories import AGENT_ID, CORP_ID, NOW, WORDS
from tests.integration.wecom_peer import HANG_UP, SECRET, WecomPeer, wecom
from tests.vendor_side import KF_ACCOUNT, KF_CUSTOMER, kf_event, kf_message

OK = {"errcode": 0, "errmsg": "ok"}
MENU = (Choice("有帮助", "rating:good"), Choice("没解决", "rating:bad"))
SYNC, SEND, ON_EVENT = "kf/sync_msg", "kf/send_msg", "kf/send_msg_on_event"
WITHIN_S = 20.0


def soon() -> float:
    return time.monotonic() + WITHIN_S


def kf(peer: WecomPeer) -> WecomKfApi:
    return WecomKfApi(peer.calls())


def sync(peer: WecomPeer, *, cursor: str = "", token: str = "") -> Synced:
    return kf(peer).sync_msg(KF_ACCOUNT, cursor=cursor, token=token, deadline=soon())


def send(peer: WecomPeer, *, repeated: bool = False) -> None:
    kf(peer).send_text(KF_ACCOUNT, KF_CUSTOMER, WORDS, message_id="r1", repeated=repeated, deadline=soon())


def failure(work: Any) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as caught:
        work()
    return caught.value


# -- fetching ------------------------------------------------------------------------------------------------------


def test_the_first_page_is_asked_for_without_a_cursor_and_the_next_one_with_it():
    page = {**OK, "next_cursor": "c_1", "has_more": 1, "msg_list": [kf_message()]}
    with wecom({SYNC: page}) as peer:
        assert sync(peer, token="t1") == Synced([kf_message()], "c_1", more=True)
        sync(peer, cursor="c_1")
    first, second = peer.bodies(SYNC)
    assert first == {"open_kfid": KF_ACCOUNT, "limit": 200, "voice_format": 0, "token": "t1"}
    assert second == {"open_kfid": KF_ACCOUNT, "limit": 200, "voice_format": 0, "cursor": "c_1"}


def test_an_empty_page_is_not_the_last_one_when_there_is_more():
    with wecom({SYNC: {**OK, "next_cursor": "c_2", "has_more": 1, "msg_list": []}}) as peer:
        assert sync(peer, cursor="c_1") == Synced([], "c_2", more=True)


@pytest.mark.parametrize("left_out", [{}, {"next_cursor": ""}, {"msg_list": []}])
def test_an_account_that_has_received_nothing_keeps_its_cursor(left_out: dict[str, Any]):
    with wecom({SYNC: {**OK, "has_more": 0, **left_out}}) as peer:
        assert sync(peer, cursor="c_1") == Synced([], "c_1", more=False)


def test_a_token_that_has_ended_is_left_out_and_the_page_fetched_without_it():
    with wecom({SYNC: [95007, {**OK, "next_cursor": "c_2", "has_more": 0, "msg_list": []}]}) as peer:
        assert sync(peer, cursor="c_1", token="t1").cursor == "c_2"
    assert [body.get("token") for body in peer.bodies(SYNC)] == ["t1", None]
    assert [body["cursor"] for body in peer.bodies(SYNC)] == ["c_1", "c_1"]


def test_without_a_token_its_refusal_is_final():
    with wecom({SYNC: 95007}) as peer:
        assert failure(lambda: sync(peer)).code == "wecom_95007"
    assert len(peer.bodies(SYNC)) == 1


@pytest.mark.parametrize("errcode", [48007, 95000, 95004])
def test_a_refusal_of_this_account_is_told_from_that_of_all(errcode: int):
    with wecom({SYNC: errcode}) as peer:
        error = failure(lambda: sync(peer, token="t1"))
    assert type(error) is PermanentError
    assert error.code == f"wecom_{errcode}"


@pytest.mark.parametrize("errcode", [48002, 60020, 95011, 95012, 95017])
def test_what_keeps_every_account_from_being_fetched_is_a_misconfiguration(errcode: int):
    with wecom({SYNC: errcode}) as peer:
        assert type(failure(lambda: sync(peer, token="t1"))) is MisconfiguredError


def test_outside_of_fetching_an_account_that_is_not_ours_is_a_misconfiguration():
    with wecom({SEND: 48007}) as peer:
        assert type(failure(lambda: send(peer))) is MisconfiguredError


@pytest.mark.parametrize(
    "answer",
    [
        {**OK, "next_cursor": "c", "has_more": 0, "msg_list": "x"},
        {**OK, "has_more": 1, "msg_list": []},
        {**OK, "has_more": 0, "msg_list": [kf_message()]},
        {**OK, "next_cursor": 7, "has_more": 1, "msg_list": []},
        HANG_UP,
        -1,
    ],
)
def test_a_page_that_is_none_is_a_passing_failure(answer: Any):
    with wecom({SYNC: answer}) as peer:
        assert type(failure(lambda: sync(peer))) is TransientError


def test_a_page_is_read_in_its_order_and_what_means_nothing_is_counted():
    items = [kf_message(), "noise", kf_event("servicer_status_change"), kf_event("enter_session", welcome_code="WC")]
    page = {**OK, "next_cursor": "c_1", "has_more": 0, "msg_list": items}
    with wecom({SYNC: page}) as peer:
        puller = KfPuller(kf(peer), conversation_of=lambda address: f"of {address}", clock=lambda: NOW + 0.5)
        read = puller.page(KF_ACCOUNT, cursor="", token="t1", deadline=soon())
    assert [each.kind for each in read.inbounds] == [Kind.TEXT, Kind.ENTERED]
    assert {each.conversation for each in read.inbounds} == {f"of {KF_ACCOUNT}:{KF_CUSTOMER}"}
    assert {each.received_at_ms for each in read.inbounds} == {NOW * 1000 + 500}
    assert (read.cursor, read.more, read.skipped) == ("c_1", False, 2)


# -- sending -------------------------------------------------------------------------------------------------------


def test_a_text_is_sent_under_its_id():
    with wecom({SEND: {**OK, "msgid": "r1"}}) as peer:
        send(peer)
    assert peer.bodies(SEND) == [
        {
            "touser": KF_CUSTOMER,
            "open_kfid": KF_ACCOUNT,
            "msgid": "r1",
            "msgtype": "text",
            "text": {"content": WORDS},
        }
    ]


def test_a_menu_is_sent_with_an_id_for_each_item():
    with wecom({SEND: OK}) as peer:
        kf(peer).send_menu(
            KF_ACCOUNT, KF_CUSTOMER, "有帮助吗？", MENU, message_id="r1", repeated=False, deadline=soon()
        )
    (body,) = peer.bodies(SEND)
    assert body["msgtype"] == "msgmenu"
    assert body["msgmenu"] == {
        "head_content": "有帮助吗？",
        "list": [
            {"type": "click", "click": {"id": "rating:good", "content": "有帮助"}},
            {"type": "click", "click": {"id": "rating:bad", "content": "没解决"}},
        ],
    }


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [
        (95001, AllowanceError),
        (95002, AllowanceError),
        (95013, TakenOverError),
        (95018, TakenOverError),
        (95014, NobodyError),
        (95019, NobodyError),
        (95016, PermanentError),
        (40096, PermanentError),
        (95004, MisconfiguredError),
        (45009, TransientError),
    ],
)
@pytest.mark.parametrize("repeated", [False, True])
def test_a_refusal_means_what_its_code_says_also_of_a_repetition(
    errcode: int,
    kind: type[FrontdeskError],
    repeated: bool,  # noqa: FBT001  # pytest passes parameters by name
):
    with wecom({SEND: errcode}) as peer:
        error = failure(lambda: send(peer, repeated=repeated))
    assert type(error) is kind
    assert error.code == f"wecom_{errcode}"
    assert len(peer.bodies(SEND)) == 1


@pytest.mark.parametrize("errcode", [40058, 95030, 987654])
def test_a_refusal_that_nothing_explains_means_that_a_repetition_was_accepted_before(
    errcode: int, caplog: pytest.LogCaptureFixture
):
    with wecom({SEND: errcode}) as peer:
        send(peer, repeated=True)
        assert failure(lambda: send(peer)).code == f"wecom_{errcode}"
    assert "done before" in caplog.text


@pytest.mark.parametrize("lost", [HANG_UP, -1])
def test_an_answer_that_was_lost_makes_the_next_attempt_a_repetition(lost: Any):
    with wecom({SEND: [lost, 987654]}) as peer:
        send(peer)
    assert [body["msgid"] for body in peer.bodies(SEND)] == ["r1", "r1"]


def test_a_message_on_an_event_goes_under_the_code_that_permits_it():
    with wecom({ON_EVENT: OK}) as peer:
        kf(peer).send_on_event("WC1", "您好", (), message_id="r1", deadline=soon())
        kf(peer).send_on_event("WC2", "您好", MENU, message_id="r2", deadline=soon())
    text, menu = peer.bodies(ON_EVENT)
    assert text == {"code": "WC1", "msgid": "r1", "msgtype": "text", "text": {"content": "您好"}}
    assert (menu["code"], menu["msgtype"], len(menu["msgmenu"]["list"])) == ("WC2", "msgmenu", 2)


def test_a_code_that_has_ended_permits_nothing_and_one_used_by_a_lost_attempt_is_done():
    with wecom({ON_EVENT: [41050, HANG_UP, 41050]}) as peer:
        api = kf(peer)
        error = failure(lambda: api.send_on_event("WC1", "您好", (), message_id="r1", deadline=soon()))
        api.send_on_event("WC2", "您好", (), message_id="r2", deadline=soon())
    assert type(error) is AllowanceError
    assert error.code == "wecom_41050"
    assert len(peer.bodies(ON_EVENT)) == 3


# -- states, servicers, customers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"service_state": 0}, ServiceState(0)),
        ({"service_state": 3, "servicer_userid": "zhou.min"}, ServiceState(3, "zhou.min")),
        ({"service_state": 2, "servicer_userid": "zhou.min"}, ServiceState(2)),
        ({"service_state": 3, "servicer_userid": 7}, ServiceState(3)),
        ({"service_state": 99}, ServiceState(99)),
    ],
)
def test_a_state_is_read(answer: dict[str, Any], state: ServiceState):
    with wecom({"kf/service_state/get": {**OK, **answer}}) as peer:
        assert kf(peer).service_state(KF_ACCOUNT, KF_CUSTOMER, deadline=soon()) == state
    assert peer.bodies("kf/service_state/get") == [{"open_kfid": KF_ACCOUNT, "external_userid": KF_CUSTOMER}]


@pytest.mark.parametrize("answer", [{}, {"service_state": "3"}, {"service_state": True}])
def test_a_state_that_is_none_is_a_passing_failure(answer: dict[str, Any]):
    with wecom({"kf/service_state/get": {**OK, **answer}}) as peer:
        error = failure(lambda: kf(peer).service_state(KF_ACCOUNT, KF_CUSTOMER, deadline=soon()))
    assert type(error) is TransientError


def test_a_change_of_state_names_the_servicer_and_gives_a_code_or_none():
    with wecom({"kf/service_state/trans": [{**OK, "msg_code": "MC1"}, OK]}) as peer:
        api = kf(peer)
        assert api.transfer(KF_ACCOUNT, KF_CUSTOMER, 3, servicer="zhou.min", deadline=soon()) == "MC1"
        assert api.transfer(KF_ACCOUNT, KF_CUSTOMER, 4, deadline=soon()) == ""
    first, second = peer.bodies("kf/service_state/trans")
    assert (first["service_state"], first["servicer_userid"]) == (3, "zhou.min")
    assert (second["service_state"], "servicer_userid" in second) == (4, False)


def test_who_receives_is_read_from_the_list_of_servicers():
    listed = [
        {"userid": "zhou.min", "status": 0},
        {"userid": "wu.tao", "status": 1, "stop_type": 0},
        {"department_id": 3},
        {"userid": "zheng.yi", "status": 0},
        {"userid": 7, "status": 0},
        {"userid": "zhou.min", "status": 0},
        "noise",
    ]
    with wecom({"kf/servicer/list": {**OK, "servicer_list": listed}}) as peer:
        assert kf(peer).receiving(KF_ACCOUNT, deadline=soon()) == ("zhou.min", "zheng.yi")
    (query,) = peer.queries("kf/servicer/list")
    assert query["open_kfid"] == KF_ACCOUNT
    assert query["access_token"]


@pytest.mark.parametrize("listed", [None, "x", {}])
def test_nobody_receives_where_nobody_is_listed(listed: Any):
    with wecom({"kf/servicer/list": {**OK, "servicer_list": listed}}) as peer:
        assert kf(peer).receiving(KF_ACCOUNT, deadline=soon()) == ()


def test_all_accounts_are_listed_page_by_page():
    pages = [
        {**OK, "account_list": [{"open_kfid": f"wk{number}"} for number in range(100)]},
        {**OK, "account_list": [{"open_kfid": "wk100"}, {"open_kfid": "wk0"}, {"name": "no id"}]},
    ]
    with wecom({"kf/account/list": pages}) as peer:
        assert kf(peer).accounts(deadline=soon()) == tuple(f"wk{number}" for number in range(101))
    assert [(body["offset"], body["limit"]) for body in peer.bodies("kf/account/list")] == [(0, 100), (100, 100)]


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ([{"external_userid": KF_CUSTOMER, "nickname": "小周\x00"}], "小周"),
        ([{"external_userid": "another", "nickname": "小周"}], ""),
        ([], ""),
        (None, ""),
    ],
)
def test_a_customer_may_have_a_name(listed: Any, name: str):
    with wecom({"kf/customer/batchget": {**OK, "customer_list": listed}}) as peer:
        assert kf(peer).nickname(KF_CUSTOMER, deadline=soon()) == name


# -- access tokens -------------------------------------------------------------------------------------------------


def test_a_secret_of_its_own_has_an_access_token_of_its_own():
    with wecom({SEND: OK, "message/send": OK}) as peer:
        WecomKfApi(peer.calls(holder="kf", secret="another-secret")).send_text(
            KF_ACCOUNT, KF_CUSTOMER, WORDS, message_id="r1", repeated=False, deadline=soon()
        )
        WecomApi(peer.calls(), agent_id=AGENT_ID).send_text("lin.mei", WORDS, duplicate_window_s=60, deadline=soon())
    assert [query["corpsecret"] for query in peer.queries("gettoken")] == ["another-secret", SECRET]
    assert peer.tokens.read(f"wecom#{CORP_ID}#kf")
    assert peer.tokens.read(f"wecom#{CORP_ID}#{AGENT_ID}")


def test_the_applications_secret_shares_its_access_token():
    with wecom({SEND: OK, "message/send": OK}) as peer:
        calls = peer.calls()
        WecomKfApi(calls).send_text(KF_ACCOUNT, KF_CUSTOMER, WORDS, message_id="r1", repeated=False, deadline=soon())
        WecomApi(calls, agent_id=AGENT_ID).send_text("lin.mei", WORDS, duplicate_window_s=60, deadline=soon())
    assert len(peer.queries("gettoken")) == 1


def test_a_refused_access_token_is_renewed_for_a_query_as_well():
    listed = {**OK, "servicer_list": [{"userid": "zhou.min", "status": 0}]}
    with wecom({"kf/servicer/list": [40014, listed]}) as peer:
        assert kf(peer).receiving(KF_ACCOUNT, deadline=soon()) == ("zhou.min",)
    assert len(peer.queries("gettoken")) == 2


def test_no_call_is_begun_after_the_deadline():
    with wecom({SEND: OK}) as peer:
        late = time.monotonic()
        error = failure(
            lambda: kf(peer).send_text(KF_ACCOUNT, KF_CUSTOMER, WORDS, message_id="r1", repeated=False, deadline=late)
        )
    assert error.code == "no_time_left"
    assert peer.paths() == []
