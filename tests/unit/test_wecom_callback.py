"""The one callback address: two envelopes, members' messages, and news of the accounts of 微信客服."""

from __future__ import annotations

import pytest

from frontdesk.channels.envelope import Envelope
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError
from frontdesk.messages import Inbound, Pull
from tests.factories import NOW, NOW_MS
from tests.vendor_side import KF_ACCOUNT, KF_TOKEN, App, cdata, kf_notice_xml, message_xml

APP = App()
KF = App(token="QHGJIyU65YKtzrSPbFclphD1Cu5", encoding_aes_key="LrH9lMnFDOpdJvarwItsjk5inSjV5o3BDqGsC5IHra8")
STRANGER = App(token="AnotherToken", encoding_aes_key="LrH9lMnFDOpdJvarwItsjk5inSjV5o3BDqGsC5IHra8")


def envelope_of(app: App) -> Envelope:
    return Envelope(
        token=app.token, encoding_aes_key=app.encoding_aes_key, receive_id=app.receive_id, clock=lambda: NOW
    )


def callback(*apps: App) -> WecomCallback:
    return WecomCallback([envelope_of(app) for app in apps or (APP, KF)], conversation_of=lambda sender: f"of {sender}")


def read(message: str) -> tuple[Inbound | Pull, ...]:
    return callback().read(message.encode(), received_at_ms=NOW_MS)


class TestEnvelopes:
    @pytest.mark.parametrize("app", [APP, KF])
    def test_each_envelope_is_told_by_its_signature(self, app: App):
        query, body = app.post(kf_notice_xml())
        assert callback().open(query, body) == kf_notice_xml().encode()
        assert callback().check_url(app.check_query(b"1616140317555161061")) == b"1616140317555161061"

    def test_one_envelope_serves_both(self):
        for message in (kf_notice_xml(), message_xml()):
            assert callback(APP).open(*APP.post(message)) == message.encode()

    def test_a_signature_that_fits_neither_is_forbidden_and_does_not_tell_how(self):
        with pytest.raises(ForbiddenCallbackError) as caught:
            callback().open(*STRANGER.post(kf_notice_xml()))
        with pytest.raises(ForbiddenCallbackError) as alone:
            callback(APP).open(*STRANGER.post(kf_notice_xml()))
        assert (str(caught.value), caught.value.code) == (str(alone.value), alone.value.code)
        assert caught.value.code == "signature_mismatch"

    @pytest.mark.parametrize("app", [APP, KF])
    def test_an_old_signature_that_fits_is_forbidden_for_its_age(self, app: App):
        with pytest.raises(ForbiddenCallbackError) as caught:
            callback().open(*app.post(kf_notice_xml(), timestamp=str(NOW - 301)))
        assert caught.value.code == "timestamp_stale"

    def test_what_one_envelope_signed_is_not_opened_with_the_key_of_the_other(self):
        encrypted = APP.encrypt(b"hello")
        with pytest.raises((MalformedCallbackError, ForbiddenCallbackError)) as caught:
            callback().open(KF.query(encrypted), APP.body(encrypted))
        assert caught.value.code != "signature_mismatch"


class TestNews:
    def test_news_of_an_account_is_a_pull_with_the_token_for_it(self):
        assert read(kf_notice_xml()) == (Pull(account=KF_ACCOUNT, noticed_at_ms=NOW_MS, token=KF_TOKEN),)

    @pytest.mark.parametrize("fields", [{"CreateTime": None}, {"AgentID": ""}, {"FromUserName": "sys"}, {"New": "x"}])
    def test_what_else_stands_there_does_not_matter(self, fields: dict[str, str | None]):
        assert [each.account for each in read(kf_notice_xml(**fields)) if isinstance(each, Pull)] == [KF_ACCOUNT]

    def test_news_without_a_token_is_a_pull_without_one(self):
        assert read(kf_notice_xml(Token=None)) == (Pull(account=KF_ACCOUNT, noticed_at_ms=NOW_MS),)

    @pytest.mark.parametrize("account", [None, "", "wk 1", "wk/1", "w" * 65, "客服"])
    def test_news_of_no_account_is_acknowledged(self, account: str | None):
        assert read(kf_notice_xml(OpenKfId=account)) == ()

    def test_each_account_that_was_given_or_taken_is_a_pull_once(self):
        accounts = "".join(
            f"<{tag}>{cdata(account)}</{tag}>"
            for tag, account in [
                ("AuthAddOpenKfId", "wk1"),
                ("AuthAddOpenKfId", "wk2"),
                ("AuthDelOpenKfId", "wk3"),
                ("AuthDelOpenKfId", "wk1"),
                ("AuthDelOpenKfId", ""),
            ]
        )
        message = kf_notice_xml(Event="kf_account_auth_change", Token=None, OpenKfId=None)
        pulls = read(message.replace("</xml>", f"{accounts}</xml>"))
        assert pulls == tuple(Pull(account=account, noticed_at_ms=NOW_MS) for account in ("wk1", "wk2", "wk3"))

    @pytest.mark.parametrize("event", ["kf_msg_or_event2", "KF_MSG_OR_EVENT", "kf_something_new"])
    def test_other_news_is_acknowledged(self, event: str):
        assert read(kf_notice_xml(Event=event)) == ()

    def test_a_members_message_beside_it_is_a_message(self):
        (inbound,) = read(message_xml(Event="kf_msg_or_event", OpenKfId=KF_ACCOUNT))
        assert isinstance(inbound, Inbound)
        assert inbound.text

    def test_news_that_is_no_xml_is_malformed(self):
        with pytest.raises(MalformedCallbackError):
            read("<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event>")
