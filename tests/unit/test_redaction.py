"""What does not get into a log, and what has to."""

from __future__ import annotations

import pytest

from frontdesk.protection.redaction import SECRET, redact

KEY32, KEY64 = "0a1b2c3d" * 4, "0a1b2c3d" * 8
AES_KEY = "MarkedAesKeyMarkedAesKeyMarkedAesKeyMarkedA"


class TestPersonalData:
    @pytest.mark.parametrize(
        ("written", "kind"),
        [
            ("13812345678", "phone"),
            ("+86 138-1234-5678", "phone"),
            ("１３８１２３４５６７８", "phone"),
            ("一三八一二三四五六七八", "phone"),
            ("110199199003071212", "identity"),
            ("6222021234567890128", "card"),
            ("4111 1111 1111 1111", "card"),
            ("chen.xiao@example.com", "e-mail"),
            ("chen＠example。com", "e-mail"),
        ],
    )
    def test_it_is_told_by_kind_only(self, written: str, kind: str):
        assert redact(f"asked by {written}: no answer") == f"asked by [redacted {kind}]: no answer"

    def test_several_in_one_text(self):
        assert redact("13812345678, 19900001111, a@example.com") == (
            "[redacted phone], [redacted phone], [redacted e-mail]"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "message queued",
            "/var/task/frontdesk/storage/inbox.py:138 in put",
            "2026-11-22T22:53:45.123Z",
            "took 1300 ms, attempt 2 of 5",
            "wecom_45009",
            "at 1795380825123",
            "你好，客服",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "user@host",
        ],
    )
    def test_what_an_operator_needs_stays(self, text: str):
        assert redact(text) == text


class TestSecrets:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            (
                "/cgi-bin/gettoken?corpid=ww1&corpsecret=abc-DEF_123&x=1",
                f"/cgi-bin/gettoken?corpid=ww1&corpsecret={SECRET}&x=1",
            ),
            ("GET /send?access_token=abcdefgh", f"GET /send?access_token={SECRET}"),
            ("secret=abcdefgh, code 1", f"secret={SECRET}, code 1"),
            ("{'access_token': 'abc123def'}", f"{{'access_token': '{SECRET}'}}"),
            (r"{\"password\": \"abc123def\"}", rf"{{\"password\": \"{SECRET}\"}}"),
            ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {SECRET}"),
            ("app fastgpt-abcdefgh1", f"app {SECRET}"),
            ("app sk-abcdefgh1", f"app {SECRET}"),
            ("AKIA" + "ABCD" * 4, SECRET),
            (f"WECOM_ENCODING_AES_KEY: {AES_KEY}", f"WECOM_ENCODING_AES_KEY: {SECRET}"),
            (f"EncodingAESKey={AES_KEY}", f"EncodingAESKey={SECRET}"),
            (f'{{"current":"k2","keys":{{"k1":"{KEY32}"}}}}', f'{{"current":"k2","keys":{{"k1":"{SECRET}"}}}}'),
            (f"k12={KEY32}", f"k12={SECRET}"),
            (f"SM4_KEYRING {KEY32}", f"SM4_KEYRING {SECRET}"),
            (rf"{{\"SM2_PRIVATE_KEY\": \"{KEY64}\"}}", rf"{{\"SM2_PRIVATE_KEY\": \"{SECRET}\"}}"),
        ],
    )
    def test_they_are_told_by_name_only(self, text: str, left: str):
        assert redact(text) == left
        assert redact(left) == left

    @pytest.mark.parametrize(
        "text",
        [
            "WECOM_TOKEN is missing",
            "access token: missing",
            "the access token is no longer taken",
            "sealed value under key k1 does not open",
            f"conversation {KEY32}",
            f"key said#{KEY32}",
            "token: s1.k1.Zm9vYmFyYmF6cXV4",
            "token=s1.c0123456789ab.Zm9vYmFyYmF6cXV4",
            "task-abcdefgh risk-abcdefgh",
            AES_KEY,
        ],
    )
    def test_what_an_operator_needs_stays(self, text: str):
        assert redact(text) == text
