"""Composition: builds each function's use case with its real collaborators, once a process.

Heavy imports live inside the functions, so that each Lambda loads only what it uses.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from frontdesk.conversation.answering import Answering
    from frontdesk.conversation.archiving import Archiving
    from frontdesk.conversation.reception import Reception
    from frontdesk.messages import Received
    from frontdesk.records import Session


def in_lambda() -> bool:
    """Return whether this process is a Lambda execution environment: then everything is built while it initialises."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


@cache
def reception() -> Reception:
    """Return the callback's use case, secrets read and connections open; raises `FrontdeskError`."""
    from frontdesk.channels.envelope import Envelope
    from frontdesk.channels.wecom_app import CHANNEL, WecomAppCallback
    from frontdesk.conversation.reception import Reception
    from frontdesk.protection.identity import Pseudonyms
    from frontdesk.settings import CallbackSecrets, CallbackSettings
    from frontdesk.storage.inbox import SqsInbox, queue_service
    from frontdesk.storage.secrets import read_secret, secrets_manager
    from frontdesk.storage.signed import pool
    from frontdesk.storage.sigv4 import Credentials

    settings = CallbackSettings.read(os.environ)
    credentials = Credentials.read(os.environ)
    http = pool()
    vault = secrets_manager(
        os.environ, arn=settings.wecom_secret_arn, region=settings.region, credentials=credentials, http=http
    )
    secrets = CallbackSecrets.read(
        read_secret(vault, settings.wecom_secret_arn, "WeCom"),
        read_secret(vault, settings.identity_secret_arn, "identity"),
    )
    sqs = queue_service(settings.inbox_url, region=settings.region, credentials=credentials, http=http)
    envelope = Envelope(
        token=secrets.token,
        encoding_aes_key=secrets.encoding_aes_key,
        receive_id=settings.corp_id,
        clock=time.time,
    )
    pseudonyms = Pseudonyms(secrets.conversation_key)
    return Reception(
        callback=WecomAppCallback(
            envelope,
            conversation_of=lambda sender: pseudonyms.conversation(CHANNEL, settings.corp_id, sender),
        ),
        inbox=SqsInbox(sqs, settings.inbox_url),
        clock=time.time,
    )


@dataclass(frozen=True, slots=True)
class Responder:
    """The responder's use case, and the two things it does with the queue around it."""

    answering: Answering
    read: Callable[[Mapping[str, Any]], Received]
    retry_later: Callable[[Iterable[tuple[str, int]]], None]


@cache
def responder() -> Responder:
    """Return the responder with its real collaborators, secrets read; raises `FrontdeskError`."""
    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.channels.wecom_outbound import WecomOutbound
    from frontdesk.conversation.answering import Answering
    from frontdesk.fastgpt.client import FastGptClient
    from frontdesk.settings import ResponderSecrets, ResponderSettings
    from frontdesk.storage import aws
    from frontdesk.storage.inbox_records import read_record, retry_later
    from frontdesk.storage.ledger import DynamoLedger
    from frontdesk.storage.secrets import read_secret, secrets_manager
    from frontdesk.storage.sessions import DynamoSessions
    from frontdesk.storage.signed import pool
    from frontdesk.storage.sigv4 import Credentials
    from frontdesk.storage.tokens import DynamoTokenStore

    settings = ResponderSettings.read(os.environ)
    vault = secrets_manager(
        os.environ,
        arn=settings.wecom_secret_arn,
        region=settings.region,
        credentials=Credentials.read(os.environ),
        http=pool(),
    )
    secrets = ResponderSecrets.read(
        read_secret(vault, settings.wecom_secret_arn, "WeCom"),
        read_secret(vault, settings.fastgpt_secret_arn, "FastGPT"),
    )
    dynamodb, sqs = aws.dynamodb(), aws.sqs()
    api = WecomApi(
        base_url=settings.wecom_api_base,
        corp_id=settings.corp_id,
        agent_id=settings.agent_id,
        secret=secrets.wecom_secret,
        tokens=DynamoTokenStore(dynamodb, settings.ledger_table),
    )
    answering = Answering(
        sessions=DynamoSessions(dynamodb, settings.sessions_table),
        ledger=DynamoLedger(dynamodb, settings.ledger_table),
        model=FastGptClient(
            base_url=settings.fastgpt_base_url, api_key=secrets.fastgpt_api_key, app_id=settings.fastgpt_app_id
        ),
        channel=WecomOutbound(api),
        sentences=settings.sentences,
        session_ttl_s=settings.session_ttl_s,
        interim_after_s=settings.interim_after_s,
    )
    return Responder(
        answering=answering,
        read=partial(read_record, max_receives=settings.inbox_max_receives),
        retry_later=partial(retry_later, sqs, settings.inbox_url),
    )


@cache
def archiver() -> Archiving:
    """Return the sweep over idle sessions; raises `SettingsError`."""
    from frontdesk.conversation.archiving import Archiving
    from frontdesk.settings import ArchiverSettings
    from frontdesk.storage import aws
    from frontdesk.storage.archive import S3Archive
    from frontdesk.storage.sessions import DynamoSessions

    settings = ArchiverSettings.read(os.environ)
    return Archiving(
        sessions=DynamoSessions(aws.dynamodb(), settings.sessions_table, idle_index=settings.idle_index),
        archive=S3Archive(aws.s3(), settings.archive_bucket),
        idle_s=settings.session_idle_s,
        clock=time.time,
    )


@dataclass(frozen=True, slots=True)
class Rescuer:
    """The use case of the table's stream, and how it reads an item of it."""

    archiving: Archiving
    read: Callable[[Mapping[str, Any]], Session]


@cache
def rescuer() -> Rescuer:
    """Return what archives sessions that TTL removed; raises `SettingsError`."""
    from frontdesk.conversation.archiving import Archiving
    from frontdesk.settings import ArchiverStreamSettings
    from frontdesk.storage import aws
    from frontdesk.storage.archive import S3Archive
    from frontdesk.storage.items import to_session

    settings = ArchiverStreamSettings.read(os.environ)
    archiving = Archiving(archive=S3Archive(aws.s3(), settings.archive_bucket), clock=time.time)
    return Rescuer(archiving=archiving, read=to_session)
