"""The callback as it is deployed: composed by the real composition, with AWS's two services on a real connection."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.errors import SettingsError
from frontdesk.protection.identity import Pseudonyms
from frontdesk.protection.sealing import Keyring
from frontdesk.storage.inbox_records import read_record
from functions.callback.handler import lambda_handler
from tests.factories import CHANNEL, CORP_ID, CUSTOMER, NOW_MS, WORDS, gateway_event, sqs_record
from tests.integration.scripted_peer import Talk, peer
from tests.vendor_side import App, message_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.scripted_peer import Script

APP = App()
KEY = "a-key-of-at-least-thirty-two-characters"
WECOM_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:wecom-AbCdEf"
IDENTITY_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:identity-AbCdEf"
KEYRING_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:keyring-AbCdEf"
RING = "00112233445566778899aabbccddeeff"
SECRETS = {
    WECOM_ARN: {"WECOM_SECRET": "unused", "WECOM_TOKEN": APP.token, "WECOM_ENCODING_AES_KEY": APP.encoding_aes_key},
    IDENTITY_ARN: {"CONVERSATION_KEY": KEY},
    KEYRING_ARN: {"SM4_KEYRING": RING},
}
TARGETS_OF_A_START = ["secretsmanager.GetSecretValue"] * 3 + ["DynamoDB_20120810.GetItem"]


def aws(calls: int, secrets: dict[str, dict[str, str]] = SECRETS, checks: dict[str, str] | None = None) -> Script:
    """Return a script that serves so many calls on one connection; ``checks`` are the keyring's."""

    def script(talk: Talk) -> None:
        for _ in range(calls):
            request = talk.hear()
            answer: dict[str, Any] = {"MessageId": "1"}
            if request.headers["x-amz-target"] == "secretsmanager.GetSecretValue":
                answer = {"SecretString": json.dumps(secrets[request.body["SecretId"]])}
            elif request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem":
                answer = {"Item": {"checks": {"S": json.dumps(checks)}}} if checks else {}
            body = json.dumps(answer).encode()
            talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)

    return script


@pytest.fixture(autouse=True)
def fresh_composition() -> Iterator[None]:
    bootstrap.reception.cache_clear()
    yield
    bootstrap.reception.cache_clear()


def configure(monkeypatch: pytest.MonkeyPatch, port: int) -> str:
    """Set the environment of the function; return the queue's address."""
    queue_url = f"http://127.0.0.1:{port}/123456789012/inbox.fifo"
    for name, value in {
        "WECOM_CORP_ID": CORP_ID,
        "WECOM_AGENT_ID": "1000002",
        "WECOM_SECRET_ARN": WECOM_ARN,
        "IDENTITY_SECRET_ARN": IDENTITY_ARN,
        "KEYRING_SECRET_ARN": KEYRING_ARN,
        "CUSTOMER_KEYS_TABLE": "customer-keys",
        "INBOX_URL": queue_url,
        "PULLS_URL": f"http://127.0.0.1:{port}/123456789012/pulls.fifo",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    return queue_url


def test_a_message_goes_from_the_gateway_to_the_queue_and_secrets_are_read_once(monkeypatch: pytest.MonkeyPatch):
    timestamp = str(int(time.time()))
    callbacks = [APP.post(message_xml(MsgId=str(n)), timestamp=timestamp) for n in (1, 2)]
    with peer(aws(calls=6)) as server:
        queue_url = configure(monkeypatch, server.port)
        for query, body in callbacks:
            event = gateway_event("POST", query=query, body=body.decode(), at_ms=NOW_MS)
            assert lambda_handler(event, None)["statusCode"] == 200
        assert server.connections == 1
    targets = [request.headers["x-amz-target"] for request in server.requests]
    assert targets == TARGETS_OF_A_START + ["AmazonSQS.SendMessage"] * 2
    sent = server.requests[-1].body
    assert sent["QueueUrl"] == queue_url
    assert sent["MessageDeduplicationId"] == "2"
    assert sent["MessageGroupId"] == Pseudonyms(KEY).conversation(CHANNEL, CORP_ID, CUSTOMER)
    body = sent["MessageBody"]
    assert not any(words in body for words in (WORDS, CUSTOMER))
    opened = read_record(sqs_record(body), max_receives=5, seals=Keyring.read(RING)).inbound
    assert (opened.text, opened.sender) == (WORDS, CUSTOMER)


def test_the_function_does_not_start_with_a_wrong_key_and_names_it(monkeypatch: pytest.MonkeyPatch):
    another = Keyring.read("ffeeddccbbaa99887766554433221100")
    with peer(aws(calls=4, checks={"k1": another.check_token("k1")})) as server:
        configure(monkeypatch, server.port)
        with pytest.raises(SettingsError, match="key k1 is not the key that has been in use"):
            bootstrap.reception()


def test_a_table_that_cannot_be_reached_does_not_close_the_door(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")  # discards: nothing listens
    with peer(aws(calls=3)) as server:
        configure(monkeypatch, server.port)
        bootstrap.reception()
    assert "keyring not checked" in caplog.messages


def test_the_url_check_is_answered(monkeypatch: pytest.MonkeyPatch):
    encrypted = APP.encrypt(b"1616140317555161061")
    query = APP.query(encrypted, timestamp=str(int(time.time()))) + f"&echostr={encrypted}"
    with peer(aws(calls=4)) as server:
        configure(monkeypatch, server.port)
        answer = lambda_handler(gateway_event("GET", query=query), None)
    assert (answer["statusCode"], answer["body"]) == (200, "1616140317555161061")


def test_the_function_does_not_start_without_its_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(SettingsError) as caught:
        bootstrap.reception()
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "WECOM_CORP_ID",
        "AWS_REGION",
        "INBOX_URL",
        "PULLS_URL",
        "WECOM_SECRET_ARN",
        "IDENTITY_SECRET_ARN",
        "KEYRING_SECRET_ARN",
        "CUSTOMER_KEYS_TABLE",
    ]


def test_the_function_does_not_start_with_malformed_secrets(monkeypatch: pytest.MonkeyPatch):
    secrets = {WECOM_ARN: {"WECOM_TOKEN": "Marked Secret"}, IDENTITY_ARN: {}}
    with peer(aws(calls=2, secrets=secrets)) as server:
        configure(monkeypatch, server.port)
        with pytest.raises(SettingsError) as caught:
            bootstrap.reception()
    assert len(caught.value.problems) == 3
    assert "Marked" not in str(caught.value)
