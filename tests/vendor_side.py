"""WeCom's side of its callback, written from the vendor's documentation and sharing no code with the package.

Sources: WeCom developer docs, paths 90968 (encryption), 90930 (callback), 90239 and 90240 (messages and events), 94670
(what an account of 微信客服 has received).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.factories import AGENT_ID, CORP_ID, CUSTOMER, MESSAGE_ID, NOW, WORDS

BLOCK = 32  # what WeCom pads to
PREFIX = b"0123456789abcdef"  # 16 random bytes, where a test does not care
NONCE = "8812345"
KF_ACCOUNT = "wkAbCdEf0001"
KF_CUSTOMER = "wmXYZ001"
KF_TOKEN = "ENC7fQ2nXexample0TokenValue0000000000000001"


@dataclass(frozen=True)
class App:
    """One callback's settings, as WeCom holds them."""

    token: str = "QDG6eK"
    encoding_aes_key: str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
    receive_id: str = CORP_ID

    def encrypt_blocks(self, padded: bytes) -> str:
        """Encrypt ``padded`` as it is: whole AES blocks, whatever they hold."""
        key = base64.b64decode(self.encoding_aes_key + "=")
        encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def encrypt(self, message: bytes, *, prefix: bytes = PREFIX, receive_id: str | None = None) -> str:
        """Return the envelope of ``message``, for this app's receiver or another."""
        receiver = self.receive_id if receive_id is None else receive_id
        plain = prefix + len(message).to_bytes(4, "big") + message + receiver.encode()
        missing = BLOCK - len(plain) % BLOCK
        return self.encrypt_blocks(plain + bytes([missing]) * missing)

    def sign(self, encrypted: str, *, timestamp: str = str(NOW), nonce: str = NONCE) -> str:
        """Return the signature over the four parts."""
        return hashlib.sha1("".join(sorted([self.token, timestamp, nonce, encrypted])).encode()).hexdigest()  # noqa: S324

    def query(self, encrypted: str, *, timestamp: str = str(NOW), nonce: str = NONCE) -> str:
        """Return the raw query string of a POST."""
        signature = self.sign(encrypted, timestamp=timestamp, nonce=nonce)
        return f"msg_signature={signature}&timestamp={timestamp}&nonce={nonce}"

    def check_query(self, echo: bytes, *, safe: str = "") -> str:
        """Return the raw query string of a URL check; characters in ``safe`` are sent as they are."""
        encrypted = self.encrypt(echo)
        return f"{self.query(encrypted)}&echostr={quote(encrypted, safe=safe)}"

    def body(self, encrypted: str) -> bytes:
        """Return the body of a POST."""
        return (
            f"<xml><ToUserName><![CDATA[{self.receive_id}]]></ToUserName>"
            f"<AgentID><![CDATA[{AGENT_ID}]]></AgentID><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        ).encode()

    def post(self, message: str | bytes, *, timestamp: str = str(NOW)) -> tuple[str, bytes]:
        """Return the raw query string and the body that deliver ``message``."""
        encrypted = self.encrypt(message.encode() if isinstance(message, str) else message)
        return self.query(encrypted, timestamp=timestamp), self.body(encrypted)


def cdata(text: str) -> str:
    """Return ``text`` as character data; "]]>" needs two sections."""
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def message_xml(**fields: str | None) -> str:
    """Return a decrypted text message; ``fields`` are put over its own, ``None`` takes one away."""
    chosen = {
        "ToUserName": CORP_ID,
        "FromUserName": CUSTOMER,
        "CreateTime": str(NOW),
        "MsgType": "text",
        "Content": WORDS,
        "MsgId": MESSAGE_ID,
        "AgentID": str(AGENT_ID),
        **fields,
    }
    return "<xml>" + "".join(f"<{tag}>{cdata(v)}</{tag}>" for tag, v in chosen.items() if v is not None) + "</xml>"


def event_xml(event: str, **fields: str | None) -> str:
    """Return a decrypted event: no MsgId, no Content."""
    return message_xml(**{"MsgType": "event", "Event": event, "Content": None, "MsgId": None, **fields})


def card_event_xml(**fields: str | None) -> str:
    """Return a decrypted event of a pressed button."""
    pressed = {
        "EventKey": "rating:good",
        "TaskId": "choice-1",
        "CardType": "button_interaction",
        "ResponseCode": "RC_1",
    }
    return event_xml("template_card_event", **{**pressed, **fields})


def kf_notice_xml(**fields: str | None) -> str:
    """Return a decrypted notice that an account of 微信客服 has news: nobody sent it, and it says nothing else."""
    chosen = {
        "ToUserName": CORP_ID,
        "CreateTime": str(NOW),
        "MsgType": "event",
        "Event": "kf_msg_or_event",
        "Token": KF_TOKEN,
        "OpenKfId": KF_ACCOUNT,
        **fields,
    }
    return "<xml>" + "".join(f"<{tag}>{cdata(v)}</{tag}>" for tag, v in chosen.items() if v is not None) + "</xml>"


def kf_message(msgtype: str = "text", body: Any = None, **fields: Any) -> dict[str, Any]:
    """Return one entry of sync_msg: what a customer wrote, unless ``fields`` say otherwise."""
    return {
        "msgid": "m_901",
        "open_kfid": KF_ACCOUNT,
        "external_userid": KF_CUSTOMER,
        "send_time": NOW,
        "origin": 3,
        "servicer_userid": "",
        "msgtype": msgtype,
        msgtype: {"content": WORDS} if body is None else body,
        **fields,
    }


def kf_event(event_type: str, *, at: int = NOW, msgid: str = "m_902", **event: Any) -> dict[str, Any]:
    """Return one entry of sync_msg that is an event: account and customer are inside of it only."""
    about = {"event_type": event_type, "open_kfid": KF_ACCOUNT, "external_userid": KF_CUSTOMER, **event}
    return {"msgid": msgid, "send_time": at, "origin": 4, "msgtype": "event", "event": about}
