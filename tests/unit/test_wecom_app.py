"""The self-built app's messages and events, as they come through the callback address."""

from __future__ import annotations

from typing import Any

import pytest

from frontdesk.channels.envelope import Envelope
from frontdesk.channels.wecom_callback import MAX_BODY_BYTES, WecomCallback
from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError, RejectedCallbackError
from frontdesk.messages import Inbound, Kind, Pull
from frontdesk.protection.identity import Pseudonyms
from tests.factories import CHANNEL, CORP_ID, CUSTOMER, MESSAGE_ID, NOW, NOW_MS
from tests.vendor_side import App, card_event_xml, event_xml, message_xml

APP = App()
PSEUDONYMS = Pseudonyms("a-key-of-at-least-thirty-two-characters")


def conversation_of(sender: str) -> str:
    return PSEUDONYMS.conversation(CHANNEL, CORP_ID, sender)


def callback(envelope: Any = None) -> WecomCallback:
    real = Envelope(
        token=APP.token, encoding_aes_key=APP.encoding_aes_key, receive_id=APP.receive_id, clock=lambda: NOW
    )
    return WecomCallback([envelope or real], conversation_of=conversation_of)


def read(message: str | bytes) -> Inbound | None:
    found = callback().read(message.encode() if isinstance(message, str) else message, received_at_ms=NOW_MS)
    assert len(found) <= 1
    inbound = found[0] if found else None
    assert not isinstance(inbound, Pull)
    return inbound


def read_one(message: str | bytes) -> Inbound:
    inbound = read(message)
    assert inbound is not None
    return inbound


class WatchedEnvelope:
    """An envelope that writes down what is asked of it, in order, and refuses every signature if told to."""

    def __init__(self, *, authentic: bool) -> None:
        self.authentic = authentic
        self.asked: list[str] = []

    def verify(self, query: dict[str, str], encrypted: str) -> None:
        self.asked.append(f"verify {encrypted}")
        if not self.authentic:
            raise ForbiddenCallbackError("the signature does not fit")

    def decrypt(self, encrypted: str) -> bytes:
        self.asked.append(f"decrypt {encrypted}")
        return b"opened"


class TestOpening:
    def test_a_posted_message_is_opened(self):
        query, body = APP.post(message_xml())
        assert callback().open(query, body) == message_xml().encode()

    def test_the_signature_is_checked_before_anything_is_decrypted(self):
        envelope = WatchedEnvelope(authentic=True)
        assert callback(envelope).open("nonce=1", APP.body("sealed")) == b"opened"
        assert envelope.asked == ["verify sealed", "decrypt sealed"]

    def test_nothing_is_decrypted_when_the_signature_does_not_fit(self):
        envelope = WatchedEnvelope(authentic=False)
        with pytest.raises(ForbiddenCallbackError):
            callback(envelope).open("nonce=1", APP.body("sealed"))
        with pytest.raises(ForbiddenCallbackError):
            callback(envelope).check_url("echostr=sealed")
        assert envelope.asked == ["verify sealed", "verify sealed"]

    def test_the_order_of_the_outer_elements_and_blanks_around_them_do_not_matter(self):
        encrypted = APP.encrypt(b"hello")
        body = f"<?xml version='1.0'?>\n<xml>\n <Encrypt>\n{encrypted} </Encrypt>\n<ToUserName/>\n</xml>"
        assert callback().open(APP.query(encrypted), body.encode()) == b"hello"

    def test_a_body_of_one_mebibyte_is_read_and_one_more_byte_is_not(self):
        query, body = APP.post(message_xml())
        largest = body + b" " * (MAX_BODY_BYTES - len(body))
        assert MAX_BODY_BYTES == 1_048_576
        assert callback().open(query, largest) == message_xml().encode()
        with pytest.raises(MalformedCallbackError) as caught:
            callback().open(query, largest + b" ")
        assert caught.value.code == "body_too_large"

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "xml_broken"),
            (b"hello", "xml_broken"),
            (b'{"encrypt": "AAAA"}', "xml_broken"),
            (b"<xml><Encrypt>", "xml_broken"),
            (b"<xml></xml><xml></xml>", "xml_broken"),
            (b"<xml><Encrypt>\x00</Encrypt></xml>", "xml_broken"),
            (b"<xml><Encrypt>\xff</Encrypt></xml>", "xml_broken"),
            (b"<xml><Encrypt>&unknown;</Encrypt></xml>", "xml_broken"),
            (b"<?xml version='1.0' encoding='klingon'?><xml/>", "xml_broken"),
            (b"<?xml version='1.0' encoding='utf-16'?><xml/>", "xml_broken"),
            (b"<" * 100_000, "xml_broken"),
            (b"<a>" * 100_000, "xml_broken"),
            (b"<!DOCTYPE xml><xml><Encrypt>AAAA</Encrypt></xml>", "xml_forbidden"),
            (b"<!DOCTYPE xml SYSTEM 'http://192.0.2.1/x.dtd'><xml/>", "xml_forbidden"),
            (
                b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><xml><Encrypt>&e;</Encrypt></xml>",
                "xml_forbidden",
            ),
            (b"<xml/>", "encrypt_missing"),
            (b"<xml><Encrypt/></xml>", "encrypt_missing"),
            (b"<xml><Encrypt> </Encrypt></xml>", "encrypt_missing"),
            (b"<xml><encrypt>AAAA</encrypt></xml>", "encrypt_missing"),
            (b"<xml><a><Encrypt>AAAA</Encrypt></a></xml>", "encrypt_missing"),
            (b"<a>" * 100_000 + b"</a>" * 100_000, "encrypt_missing"),
        ],
    )
    def test_a_body_that_holds_no_envelope_is_malformed(self, body: bytes, code: str):
        with pytest.raises(MalformedCallbackError) as caught:
            callback().open("", body)
        assert caught.value.code == code

    def test_a_billion_laughs_are_not_laughed(self):
        entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{entities}]><xml><Encrypt>&l9;</Encrypt></xml>'
        with pytest.raises(MalformedCallbackError) as caught:
            callback().open("", bomb.encode())
        assert caught.value.code == "xml_forbidden"

    @pytest.mark.parametrize(
        "encrypted", ["%%%", APP.encrypt(b"hello")[:-4], APP.encrypt_blocks(bytes(32)), APP.encrypt_blocks(bytes(16))]
    )
    def test_a_signed_body_that_cannot_be_decrypted_is_malformed(self, encrypted: str):
        with pytest.raises(MalformedCallbackError):
            callback().open(APP.query(encrypted), APP.body(encrypted))

    def test_a_parameter_that_comes_twice_is_forbidden(self):
        query, body = APP.post(message_xml())
        with pytest.raises(ForbiddenCallbackError):
            callback().open(f"{query}&nonce=1", body)


class TestUrlCheck:
    @pytest.mark.parametrize("echo", [b"1616140317555161061", b"", b"\xef\xbb\xbf1\n", bytes(range(256))])
    def test_the_bytes_inside_are_the_answer(self, echo: bytes):
        assert callback().check_url(APP.check_query(echo)) == echo

    @pytest.mark.parametrize("safe", ["", "+", "/", "=", "+/="])
    def test_base64_may_arrive_encoded_or_bare(self, safe: str):
        echo = next(e for e in (str(n).encode() for n in range(1000)) if {"+", "/"} <= set(APP.encrypt(e)))
        assert callback().check_url(APP.check_query(echo, safe=safe)) == echo

    @pytest.mark.parametrize("space", [" ", "%20"])
    def test_a_plus_that_was_decoded_twice_is_repaired(self, space: str):
        echo = next(e for e in (str(n).encode() for n in range(1000)) if "+" in APP.encrypt(e))
        assert callback().check_url(APP.check_query(echo, safe="+").replace("+", space)) == echo

    def test_a_check_without_an_echo_is_forbidden(self):
        with pytest.raises(ForbiddenCallbackError):
            callback().check_url("msg_signature=1&timestamp=1790000000&nonce=1")

    def test_a_signed_but_empty_echo_is_malformed(self):
        with pytest.raises(MalformedCallbackError):
            callback().check_url(APP.query("") + "&echostr=")


class TestReading:
    def test_a_text_message_is_read_whole(self):
        assert read(message_xml(Content="你好")) == Inbound(
            channel="wecom_app",
            conversation=conversation_of(CUSTOMER),
            message_id=MESSAGE_ID,
            sender=CUSTOMER,
            kind=Kind.TEXT,
            sent_at=NOW,
            received_at_ms=NOW_MS,
            text="你好",
            details={},
        )

    def test_a_message_without_character_sections_is_read_too(self):
        inbound = read_one(
            "<xml><FromUserName>lin.mei</FromUserName><CreateTime>1790000000</CreateTime><MsgType>text</MsgType>"
            "<Content>a &lt; b &amp; c</Content><MsgId>1</MsgId></xml>"
        )
        assert (inbound.text, inbound.message_id) == ("a < b & c", "1")

    @pytest.mark.parametrize(
        ("kind", "fields", "details"),
        [
            (Kind.IMAGE, {"PicUrl": "https://p.invalid/1", "MediaId": "m1"}, None),
            (Kind.VOICE, {"MediaId": "m2", "Format": "amr"}, None),
            (Kind.VIDEO, {"MediaId": "m3", "ThumbMediaId": "t3"}, None),
            (
                Kind.LOCATION,
                {"Location_X": "31.2", "Location_Y": "121.5", "Scale": "15", "Label": "上海", "AppType": "wxwork"},
                {"Location_X": "31.2", "Location_Y": "121.5", "Scale": "15", "Label": "上海"},
            ),
            (
                Kind.LINK,
                {"Title": "标题", "Description": "d", "Url": "https://u.invalid", "PicUrl": "https://p.invalid"},
                None,
            ),
        ],
    )
    def test_other_kinds_of_message_keep_what_describes_them(
        self, kind: Kind | str | None, fields: dict[str, str], details: dict[str, str] | None
    ):
        inbound = read_one(message_xml(MsgType=kind.value, Content=None, **fields))
        assert (inbound.kind, inbound.text, inbound.message_id) == (kind, "", MESSAGE_ID)
        assert inbound.details == (details or fields)

    def test_details_that_are_absent_or_empty_are_left_out(self):
        assert read_one(message_xml(MsgType="image", Content=None, MediaId="", PicUrl=None)).details == {}

    def test_words_beside_another_kind_are_not_its_text(self):
        assert read_one(message_xml(MsgType="voice", MediaId="m")).text == ""

    @pytest.mark.parametrize("event", ["enter_agent", "subscribe"])
    def test_who_opens_the_chat_is_greeted(self, event: str):
        inbound = read_one(event_xml(event, EventKey=""))
        assert inbound.kind is Kind.ENTERED
        assert inbound.message_id == f"{conversation_of(CUSTOMER)}-{NOW}-{event}"

    @pytest.mark.parametrize(
        "event",
        [
            "unsubscribe",
            "LOCATION",
            "click",
            "view",
            "view_miniprogram",
            "scancode_push",
            "scancode_waitmsg",
            "pic_sysphoto",
            "location_select",
            "template_card_menu_event",
            "change_external_contact",
            "close_inactive_agent",
            "taskcard_click",
            "ENTER_AGENT",
            "entered",
            "of_a_later_year",
            "",
        ],
    )
    def test_an_event_without_an_effect_is_acknowledged(self, event: str):
        assert read(event_xml(event, EventKey="key")) is None

    @pytest.mark.parametrize("kind", ["file", "miniprogram", "entered", "pressed", "person", "due", "TEXT", "", None])
    def test_an_unknown_kind_is_acknowledged(self, kind: Kind | str | None):
        assert read(message_xml(MsgType=kind)) is None

    @pytest.mark.parametrize("message", [message_xml(FromUserName="sys"), event_xml("enter_agent", FromUserName="sys")])
    def test_the_system_is_never_answered(self, message: str):
        assert read(message) is None

    @pytest.mark.parametrize("sender", [None, "", "  "])
    def test_nobody_is_never_answered(self, sender: str | None):
        assert read(message_xml(FromUserName=sender)) is None

    def test_a_pressed_button_is_read_with_its_card(self):
        pressed = read_one(card_event_xml(EventKey="rating:good", TaskId="choice-1", ResponseCode="RC_1"))
        assert pressed == Inbound(
            channel="wecom_app",
            conversation=conversation_of(CUSTOMER),
            message_id=pressed.message_id,
            sender=CUSTOMER,
            kind=Kind.PRESSED,
            sent_at=NOW,
            received_at_ms=NOW_MS,
            text="",
            details={"key": "rating:good", "task_id": "choice-1", "response_code": "RC_1"},
        )

    def test_a_button_without_a_key_is_acknowledged(self):
        assert read(card_event_xml(EventKey=None)) is None

    def test_another_press_has_another_name_and_the_same_one_delivered_again_has_the_same(self):
        presses: list[dict[str, str | None]] = [
            {},
            {"EventKey": "rating:bad"},
            {"TaskId": "choice-2"},
            {"CreateTime": str(NOW + 1)},
            {"FromUserName": "wang.qi"},
            {"EventKey": "1rating:good", "TaskId": "choice-"},
        ]
        ids = [read_one(card_event_xml(**press)).message_id for press in presses]
        assert len(set(ids)) == len(presses)
        assert [read_one(card_event_xml(**press, ResponseCode="RC_2")).message_id for press in presses] == ids

    def test_upper_and_lower_case_are_the_same_conversation_but_the_address_stays(self):
        one, other = read_one(message_xml(FromUserName="Lin.Mei")), read_one(message_xml(FromUserName="LIN.MEI"))
        assert one.conversation == other.conversation == conversation_of("lin.mei")
        assert (one.sender, other.sender) == ("Lin.Mei", "LIN.MEI")

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("👩‍👩‍👧 [微笑] 你好🏽", None),
            ("if a[b[0]]> 1 then ]]>", None),
            ("你" * 682 + "ab", None),
            ("first\nsecond\tthird", None),
            ("  kept  ", None),
            ("a\x00b\x01c\x1fd\x0be", "abcde"),
            ("a\ufffeb\uffffc", "abc"),
            ("\x7f\x85\u2028", None),
            ("<b>&amp;</b>", None),
            ("<!DOCTYPE x>", None),
            ("", None),
        ],
    )
    def test_words_arrive_as_they_were_written_except_what_xml_cannot_hold(self, content: str, text: str | None):
        assert len(content.encode()) <= 2048
        assert read_one(message_xml(Content=content)).text == (content if text is None else text)

    def test_line_ends_are_those_of_xml(self):
        assert read_one(message_xml(Content="a\r\nb\rc")).text == "a\nb\nc"

    def test_a_text_without_content_is_an_empty_text(self):
        assert read_one(message_xml(Content=None)).text == ""

    def test_bytes_that_are_no_utf_8_do_not_lose_the_message(self):
        half_of_an_emoji = b"\xed\xa0\xbd"
        message = message_xml(Content="vorher|nachher").encode().replace(b"|", half_of_an_emoji)
        text = read_one(message).text
        assert text.startswith("vorher\ufffd")
        assert text.endswith("nachher")

    def test_a_declared_encoding_does_not_matter(self):
        message = "<?xml version='1.0' encoding='gb2312'?>" + message_xml(Content="你好")
        assert read_one(message).text == "你好"

    def test_a_byte_order_mark_does_not_matter(self):
        assert read_one(b"\xef\xbb\xbf" + message_xml(Content="hi").encode()).text == "hi"

    @pytest.mark.parametrize("message_id", [None, "", "abc", "1" * 21, "-5", "１２"])
    def test_a_message_without_an_id_is_named_by_its_writer_time_and_kind(self, message_id: str | None):
        assert read_one(message_xml(MsgId=message_id)).message_id == f"{conversation_of(CUSTOMER)}-{NOW}-text"

    def test_two_events_of_one_second_are_two(self):
        ids = {read_one(event_xml(event)).message_id for event in ("enter_agent", "subscribe")}
        assert len(ids) == 2

    def test_the_id_of_a_press_fits_the_queue_whatever_was_pressed(self):
        pressed = read_one(card_event_xml(CreateTime="9" * 20, EventKey="键" * 341, TaskId="t" * 128))
        assert len(pressed.message_id) <= 128
        assert pressed.message_id.isascii()

    def test_an_id_fits_the_queue_whatever_came_in(self):
        inbound = read_one(message_xml(MsgId=None, CreateTime="9" * 20, Event="e" * 64))
        other = read_one(message_xml(MsgId=None, CreateTime="9" * 20, Event="x!y"))
        assert len(inbound.message_id) <= 128
        assert other.message_id.endswith("-other")

    @pytest.mark.parametrize("time", [None, "", "soon", "-1", "1.5", "9" * 21, "１７９０００００００"])
    def test_a_message_of_no_time_is_malformed(self, time: str | None):
        with pytest.raises(MalformedCallbackError) as caught:
            read(message_xml(CreateTime=time))
        assert caught.value.code == "create_time_broken"

    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("", "xml_broken"),
            ("<xml>", "xml_broken"),
            ('{"MsgType": "text"}', "xml_broken"),
            ("<!DOCTYPE xml><xml/>", "xml_forbidden"),
            (
                "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><xml><MsgType>&e;</MsgType></xml>",
                "xml_forbidden",
            ),
        ],
    )
    def test_an_authentic_message_that_is_not_plain_xml_is_malformed(self, message: str, code: str):
        with pytest.raises(MalformedCallbackError) as caught:
            read(message)
        assert caught.value.code == code


def test_a_refusal_holds_nothing_of_what_was_sent():
    secret = "MarkedWordsOfACustomer"
    attempts = [
        lambda: callback().open(f"msg_signature={secret}&nonce={secret}", APP.body(secret)),
        lambda: callback().open("", f"<xml><{secret}".encode()),
        lambda: callback().open(f"{secret}=1&{secret}=2", APP.body(secret)),
        lambda: callback().read(message_xml(CreateTime=secret).encode(), received_at_ms=1),
        lambda: callback().read(f"<xml>&{secret};</xml>".encode(), received_at_ms=1),
        lambda: callback().check_url(f"echostr={secret}"),
    ]
    for attempt in attempts:
        with pytest.raises(RejectedCallbackError) as caught:
            attempt()
        assert secret not in f"{caught.value} {caught.value.code} {caught.value.__cause__}"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_callback_names_its_channel():
    assert callback().channel == "wecom_app"
