"""What must never be read where it does not belong: marked secrets and marked personal data, and the search for them.

Everything here is invented. A mark is looked for as it is and in each form in which text travels: base64, percent
and JSON escapes, hex digits, UTF-16. Letters count in either case, and backslashes as often as they were escaped.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

_BACKSLASHES = re.compile(rb"\\+")
# A shorter piece of base64 turns up by chance in the tokens and hashes that a run produces.
_LEAST_BASE64 = 8


class Sort(StrEnum):
    """What a mark is."""

    SECRET = "secret"
    USER_ID = "user id"
    STAFF = "staff"  # the user id of a person of the company
    PERSONAL = "personal"  # what identifies somebody outside of WeCom: a phone, a card, an address …
    WORDS = "words"


@dataclass(frozen=True)
class Mark:
    """One text to look for."""

    name: str
    sort: Sort
    text: str

    @cached_property
    def _as_letters(self) -> tuple[tuple[str, bytes], ...]:
        data = self.text.encode()
        escaped = json.dumps(self.text)[1:-1]
        forms = {
            "plain": data,
            "JSON escapes": escaped.encode(),
            "hex digits": data.hex().encode(),
            "UTF-16": self.text.encode("utf-16-le"),
        }
        return tuple((form, written.lower()) for form, written in forms.items())

    @cached_property
    def _as_base64(self) -> tuple[tuple[str, bytes], ...]:
        """The characters that stand for the whole mark, wherever in the encoded bytes it begins."""
        data = self.text.encode()
        found = []
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + data)
            first = -(-before * 8 // 6)
            last = (before + len(data)) * 8 // 6
            piece = encoded[first:last]
            if len(piece) >= _LEAST_BASE64:
                found += [("base64", piece), ("base64", piece.translate(bytes.maketrans(b"+/", b"-_")))]
        return tuple(found)

    def form_in(self, haystack: Haystack) -> str:
        """Return the form in which the mark is in ``haystack``, "" when it is not."""
        for form, written in self._as_letters:
            if any(written in each for each in haystack.lowered):
                return form
        for form, written in self._as_base64:
            if any(written in each for each in haystack.as_written):
                return form
        return ""


class Haystack:
    """Bytes that got somewhere, made ready for looking through."""

    def __init__(self, data: bytes) -> None:
        single = _BACKSLASHES.sub(rb"\\", data)
        unescaped = unquote_to_bytes(single) if b"%" in single else single
        spaced = unescaped.replace(b"+", b" ")
        self.as_written = tuple(dict.fromkeys((data, single, unescaped)))
        self.lowered = tuple(each.lower() for each in dict.fromkeys((*self.as_written, spaced)))


@dataclass(frozen=True)
class Find:
    """A mark where it does not belong. Its own text stays out of what a failing test prints."""

    place: str
    mark: str
    form: str


def look(place: str, data: bytes | str, marks: Iterable[Mark]) -> list[Find]:
    """Return which of ``marks`` can be read in ``data``."""
    haystack = Haystack(data.encode(errors="surrogatepass") if isinstance(data, str) else data)
    return [Find(place, mark.name, form) for mark in marks if (form := mark.form_in(haystack))]


WECOM_SECRET = "wcMarkedSecret-7Qz0vXr2LkP9tYb4Nf6Hs8Jd1Ga3Uw5E"
WECOM_TOKEN = "MarkedTokenQ7z0vXr2LkP9tYb4"
ENCODING_AES_KEY = "ji2uWbaq7BQvZcFUiRMGt5PFfTlyMHdAdbXBRXPqZzU"
KF_SECRET = "kfMarkedSecret-3Tn8Wc5Xe1Rj6Mb0Vz9Lq4Hs7Gd2Pf"
KF_TOKEN = "MarkedKfTokenH4s8Dk2Wm6Qx1Zb"
KF_ENCODING_AES_KEY = "Yb7TqLw2ZkR9vXc4NmH8sJd1Ga3Uf5EoPi6Kt0WxQzM"
FASTGPT_KEY = "fastgpt-MarkedKeyR8w1yUs3MjQ0uZc5Og7It9Ke2Hb4Vx6F"
FASTGPT_LITE_KEY = "fastgpt-MarkedLiteN5d8Ks2Ym7Wp1Bq4Xc9Lv6Jr3Tg0Hz"
TICKET_SECRET = "marked-webhook-secret-6b1e9d4f8a2c7053e6d1b9f4"
PROXY_PASSWORD = "pxMarkedPassword-4Lr8Wd2Qn6Ty1Bk9"
CONVERSATION_KEY = "marked-conversation-key-4f9d2c7b1e8a6053d9f2"
KEYRING = {"k1": "9c3e5b7a1d2f4068b6a4c2e0f1d3b597", "k2": "4d8f1a6c3b5e7092e4c6a8f0b2d41739"}
AWS_SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # the one that every test has
SM2_KEY = "6e4b1f8c3a7d2059e1c6b4f09d8a7352c4e6f1b0a9d8375261b0c9e8f7a6d543"

USER_ID = "quill.heron-7f3a"  # each customer's has a number after it
EXTERNAL_USERID = "wmQuillHeron7f3a"  # likewise
NICKNAME = "鸬鹚小夏的微信"
AGENT, OTHER_AGENT = "kestrel.desk-5c1e", "wren.desk-9b2d"
QUESTION = "蓝鲸钟摆第七号"
ANSWER = "琥珀灯塔第九层"
SUMMARY = "青金罗盘第二章"
AGENT_LINE = "孔雀齿轮第四页"
TICKET_ANSWER = "珊瑚滑轮第六封"
PHONE = "13847629051"
PHONES = {
    "phone": PHONE,
    "phone with dashes": "138-4762-9051",
    "phone with spaces": "138 4762 9051",
    "phone in full width": "１３８４７６２９０５１",
    "phone in Chinese numerals": "一三八四七六二九零五一",
    "phone with a country code": "+86 13847629051",
}
IDENTITY = "330106198711034722"
CARD = "6222023612088374615"
CARD_IN_GROUPS = "6222 0236 1208 8374 615"
EMAIL = "quill.heron@mail.example.com"
PLATE = "浙A8K3M7"
ADDRESS = "浙江省杭州市西湖区文三路478号3幢502室"
LINK = "https://files.example.com/marked-picture-5d2e8b"

SECRETS = (
    Mark("WeCom Secret", Sort.SECRET, WECOM_SECRET),
    Mark("WeCom Token", Sort.SECRET, WECOM_TOKEN),
    Mark("EncodingAESKey", Sort.SECRET, ENCODING_AES_KEY),
    Mark("Secret of 微信客服", Sort.SECRET, KF_SECRET),
    Mark("Token of 微信客服", Sort.SECRET, KF_TOKEN),
    Mark("EncodingAESKey of 微信客服", Sort.SECRET, KF_ENCODING_AES_KEY),
    Mark("FastGPT key", Sort.SECRET, FASTGPT_KEY),
    Mark("FastGPT key of the light app", Sort.SECRET, FASTGPT_LITE_KEY),
    Mark("ticket secret", Sort.SECRET, TICKET_SECRET),
    Mark("proxy password", Sort.SECRET, PROXY_PASSWORD),
    Mark("conversation key", Sort.SECRET, CONVERSATION_KEY),
    Mark("SM2 key", Sort.SECRET, SM2_KEY),
    Mark("AWS secret key", Sort.SECRET, AWS_SECRET_KEY),
    *(Mark(f"keyring key {key_id}", Sort.SECRET, key) for key_id, key in KEYRING.items()),
)
PERSONAL = (
    *(Mark(name, Sort.PERSONAL, text) for name, text in PHONES.items()),
    Mark("identity number", Sort.PERSONAL, IDENTITY),
    Mark("card", Sort.PERSONAL, CARD),
    Mark("card in groups", Sort.PERSONAL, CARD_IN_GROUPS),
    Mark("e-mail", Sort.PERSONAL, EMAIL),
    Mark("licence plate", Sort.PERSONAL, PLATE),
    Mark("address", Sort.PERSONAL, ADDRESS),
)
SPOKEN = (
    Mark("user id", Sort.USER_ID, USER_ID),
    Mark("external user id", Sort.USER_ID, EXTERNAL_USERID),
    Mark("a nickname", Sort.WORDS, NICKNAME),
    Mark("the customer's words", Sort.WORDS, QUESTION),
    Mark("the model's words", Sort.WORDS, ANSWER),
    Mark("a summary", Sort.WORDS, SUMMARY),
    Mark("an agent's line", Sort.WORDS, AGENT_LINE),
    Mark("the answer to a ticket", Sort.WORDS, TICKET_ANSWER),
    Mark("a link", Sort.WORDS, LINK),
)
STAFF = (Mark("an agent", Sort.STAFF, AGENT), Mark("another agent", Sort.STAFF, OTHER_AGENT))
MARKS = (*SECRETS, *PERSONAL, *SPOKEN, *STAFF)
# What somebody else's error text may quote of a request: everything.
QUOTED = " ".join(mark.text for mark in MARKS)
