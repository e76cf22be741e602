"""The callback's processor time for a message: check, decrypt, read; no queue.

The baseline is wechatpy, the field's own library, doing its check, decryption and parsing of the same bodies. It checks
less: no age of the timestamp, no document types, no padding, no length.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wechatpy.work import parse_message
from wechatpy.work.crypto import WeChatCrypto

from bench.messages import CallbackMaker
from bench.sampling import MeasurementError, in_turns, median
from bench.table import Row
from frontdesk.channels.envelope import Envelope, query_values
from frontdesk.channels.wecom_app import CHANNEL
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.messages import Inbound
from frontdesk.protection.identity import Pseudonyms

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.lab import Lab
    from bench.messages import Callback

_MESSAGES = 500
_ROUNDS = 15


def measure(lab: Lab) -> list[Row]:
    """Return the row; one sample is the mean of 500 different messages, in microseconds of processor time."""
    given = lab.vendors.settings
    corp_id, token, key = given["WECOM_CORP_ID"], given["WECOM_TOKEN"], given["WECOM_ENCODING_AES_KEY"]
    maker = CallbackMaker(lab.vendors)
    callbacks = [maker.text() for _ in range(_MESSAGES)]
    pseudonyms = Pseudonyms("0123456789abcdef0123456789abcdef")
    ours = WecomCallback(
        [Envelope(token=token, encoding_aes_key=key, receive_id=corp_id, clock=time.time)],
        conversation_of=lambda sender: pseudonyms.conversation(CHANNEL, corp_id, sender),
    )
    theirs = WeChatCrypto(token, key, corp_id)

    def frontdesk(callback: Callback) -> str:
        (inbound,) = ours.read(ours.open(callback.query, callback.body), received_at_ms=0)
        return inbound.text if isinstance(inbound, Inbound) else ""

    def wechatpy(callback: Callback) -> str:
        query = query_values(callback.query)
        opened = theirs.decrypt_message(callback.body, query["msg_signature"], query["timestamp"], query["nonce"])
        return str(parse_message(opened).content)

    if {frontdesk(each) for each in callbacks} != {wechatpy(each) for each in callbacks}:
        raise MeasurementError("the two do not read the same words: the comparison would mean nothing")
    samples = in_turns(
        {"ours": lambda: _per_message_us(frontdesk, callbacks), "theirs": lambda: _per_message_us(wechatpy, callbacks)},
        rounds=_ROUNDS,
    )
    return [
        Row(
            figure="callback: processor time a message (check, decrypt, read)",
            ours=median(samples["ours"]),
            baseline=median(samples["theirs"]),
            unit="µs",
            note="baseline: wechatpy 2 doing the same; it checks less (neither age, nor padding, nor document types)",
            ours_samples=samples["ours"],
            baseline_samples=samples["theirs"],
        )
    ]


def _per_message_us(read: Callable[[Callback], str], callbacks: list[Callback]) -> float:
    start = time.process_time()
    for callback in callbacks:
        read(callback)
    return (time.process_time() - start) / len(callbacks) * 1e6
