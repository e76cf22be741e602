"""Composition: builds each function's use case with its real collaborators, once a process.

Heavy imports live inside the functions, so that each Lambda loads only what it uses.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from frontdesk.conversation.answering import Answering
    from frontdesk.conversation.archiving import Archiving
    from frontdesk.conversation.auditing import Auditing
    from frontdesk.conversation.reception import Reception
    from frontdesk.conversation.reviewing import Reviewing
    from frontdesk.errors import FrontdeskError
    from frontdesk.messages import Received
    from frontdesk.protection.customer_keys import CustomerKeys
    from frontdesk.protection.rules import CurrentRules
    from frontdesk.protection.sealing import Keyring
    from frontdesk.records import SealedSession
    from frontdesk.storage.customer_keys import DynamoCustomerKeys
    from frontdesk.storage.signed import JsonService


_log = logging.getLogger("frontdesk.bootstrap")


def in_lambda() -> bool:
    """Return whether this process is a Lambda execution environment: then everything is built while it initialises."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


@cache
def reception() -> Reception:
    """Return the callback's use case, secrets read and connections open; raises `FrontdeskError`."""
    from frontdesk.channels.envelope import Envelope
    from frontdesk.channels.wecom_app import CHANNEL, WecomAppCallback
    from frontdesk.conversation.reception import Reception
    from frontdesk.errors import TransientError
    from frontdesk.protection.identity import Pseudonyms
    from frontdesk.protection.sealing import Keyring, verify_keyring
    from frontdesk.settings import CallbackSecrets, CallbackSettings
    from frontdesk.storage.inbox import SqsInbox, queue_service
    from frontdesk.storage.keyring_checks import dynamodb_service, read_checks
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
    keyring = Keyring.read(read_secret(vault, settings.keyring_secret_arn, "keyring").get("SM4_KEYRING"))
    dynamodb = dynamodb_service(
        os.environ, arn=settings.keyring_secret_arn, region=settings.region, credentials=credentials, http=http
    )
    try:
        verify_keyring(keyring, read_checks(dynamodb, settings.customer_keys_table))
    except TransientError as error:
        # A table that cannot be reached must not close the door; whoever opens the message checks again.
        _log.warning("keyring not checked", exc_info=error, extra={"code": error.code})
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
        inbox=SqsInbox(sqs, settings.inbox_url, seals=keyring),
        clock=time.time,
    )


@dataclass(frozen=True, slots=True)
class Responder:
    """The responder's use case, and the two things it does with the queue around it."""

    answering: Answering
    read: Callable[[Mapping[str, Any]], Received]
    max_receives: int
    retry_later: Callable[[Iterable[tuple[str, int]]], None]


@cache
def responder() -> Responder:
    """Return the responder with its real collaborators, secrets read; raises `FrontdeskError`."""
    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.channels.wecom_outbound import WecomOutbound
    from frontdesk.conversation.answering import Answering
    from frontdesk.conversation.guarding import Guard
    from frontdesk.fastgpt.client import FastGptClient
    from frontdesk.protection import chain
    from frontdesk.protection.current_masking import CurrentMasking
    from frontdesk.settings import ResponderSecrets, ResponderSettings
    from frontdesk.storage import aws
    from frontdesk.storage.audit import DynamoAudit
    from frontdesk.storage.customer_keys import DynamoCustomerKeys
    from frontdesk.storage.inbox_records import read_record, retry_later
    from frontdesk.storage.ledger import DynamoLedger
    from frontdesk.storage.secrets import read_secret
    from frontdesk.storage.sessions import DynamoSessions
    from frontdesk.storage.tokens import DynamoTokenStore

    settings = ResponderSettings.read(os.environ)
    vault = _vault(settings.wecom_secret_arn, settings.region)
    secrets = ResponderSecrets.read(
        read_secret(vault, settings.wecom_secret_arn, "WeCom"),
        read_secret(vault, settings.fastgpt_secret_arn, "FastGPT"),
    )
    dynamodb, sqs = aws.dynamodb(), aws.sqs()
    keyring = _keyring(vault, settings.keyring_secret_arn)
    seals = _customer_keys(keyring, DynamoCustomerKeys(dynamodb, settings.customer_keys_table))
    api = WecomApi(
        base_url=settings.wecom_api_base,
        corp_id=settings.corp_id,
        agent_id=settings.agent_id,
        secret=secrets.wecom_secret,
        tokens=DynamoTokenStore(dynamodb, settings.ledger_table, seals=keyring),
    )
    audit = DynamoAudit(
        dynamodb, settings.audit_table, seals=seals, chain=chain, retention_days=settings.audit_retention_days
    )
    rules = _rules(settings.rules_bucket)
    answering = Answering(
        sessions=DynamoSessions(dynamodb, settings.sessions_table, seals=seals),
        ledger=DynamoLedger(dynamodb, settings.ledger_table, seals=seals, audit=audit),
        model=FastGptClient(
            base_url=settings.fastgpt_base_url, api_key=secrets.fastgpt_api_key, app_id=settings.fastgpt_app_id
        ),
        guard=Guard(rules=rules, masking=CurrentMasking(rules)),
        channel=WecomOutbound(api),
        sentences=settings.sentences,
        session_ttl_s=settings.session_ttl_s,
        interim_after_s=settings.interim_after_s,
    )
    return Responder(
        answering=answering,
        read=partial(read_record, max_receives=settings.inbox_max_receives, seals=keyring),
        max_receives=settings.inbox_max_receives,
        retry_later=partial(retry_later, sqs, settings.inbox_url),
    )


def _vault(arn: str, region: str) -> JsonService:
    """Return the Secrets Manager of this deployment; ``arn`` is that of any of its secrets."""
    from frontdesk.storage.secrets import secrets_manager
    from frontdesk.storage.signed import pool
    from frontdesk.storage.sigv4 import Credentials

    return secrets_manager(os.environ, arn=arn, region=region, credentials=Credentials.read(os.environ), http=pool())


def _keyring(vault: JsonService, arn: str) -> Keyring:
    """Return the keyring, which reads its secret again when it meets a key that was added since."""
    from frontdesk.protection.sealing import Keyring
    from frontdesk.storage.secrets import read_secret

    def read() -> object:
        return read_secret(vault, arn, "keyring").get("SM4_KEYRING")

    return Keyring.read(read(), reread=read)


def _customer_keys(keyring: Keyring, store: DynamoCustomerKeys) -> CustomerKeys:
    """Return what seals for each customer; raises `SettingsError` when the ring is not the one that has been in use."""
    from frontdesk.protection.customer_keys import CustomerKeys
    from frontdesk.protection.sealing import check_keyring

    check_keyring(keyring, store)
    return CustomerKeys(keyring=keyring, store=store, clock=time.time)


def _rules(bucket: str) -> CurrentRules:
    """Return the rules in force; what is wrong with their file is logged and counted, and stops nobody."""
    from frontdesk import telemetry
    from frontdesk.protection.rules import CurrentRules
    from frontdesk.storage import aws
    from frontdesk.storage.rule_files import S3RuleFiles

    def broken(error: FrontdeskError, version_id: str) -> None:
        _log.error("rules not loaded", exc_info=error, extra={"code": error.code, "rules_version_id": version_id})
        telemetry.emit_metrics("system", {"RulesInvalid": [1]})

    def late(rule_id: str) -> None:
        _log.error("rule out of time", extra={"code": "rule_timeout", "rule_id": rule_id})
        telemetry.emit_metrics("system", {"RulesInvalid": [1]})

    files = S3RuleFiles(aws.s3_at_once(), bucket)
    rules = CurrentRules(files=files, clock=time.time, on_broken=broken, on_timeout=late)
    rules.current()  # read while the function initialises, not while a customer waits
    return rules


@cache
def archiver() -> Archiving:
    """Return the sweep over idle sessions; raises `SettingsError`."""
    from frontdesk.conversation.archiving import Archiving
    from frontdesk.settings import ArchiverSettings
    from frontdesk.storage import aws
    from frontdesk.storage.archive import S3Archive
    from frontdesk.storage.sessions import DynamoIdleSessions

    settings = ArchiverSettings.read(os.environ)
    return Archiving(
        sessions=DynamoIdleSessions(aws.dynamodb(), settings.sessions_table, idle_index=settings.idle_index),
        archive=S3Archive(aws.s3(), settings.archive_bucket),
        idle_s=settings.session_idle_s,
        clock=time.time,
    )


@dataclass(frozen=True, slots=True)
class Rescuer:
    """The use case of the table's stream, and how it reads an item of it."""

    archiving: Archiving
    read: Callable[[Mapping[str, Any]], SealedSession]


@cache
def rescuer() -> Rescuer:
    """Return what archives sessions that TTL removed; raises `SettingsError`."""
    from frontdesk.conversation.archiving import Archiving
    from frontdesk.settings import ArchiverStreamSettings
    from frontdesk.storage import aws
    from frontdesk.storage.archive import S3Archive
    from frontdesk.storage.items import to_sealed_session

    settings = ArchiverStreamSettings.read(os.environ)
    archiving = Archiving(archive=S3Archive(aws.s3(), settings.archive_bucket), clock=time.time)
    return Rescuer(archiving=archiving, read=to_sealed_session)


@cache
def auditor() -> Auditing:
    """Return the export of the audit; raises `FrontdeskError`."""
    from frontdesk.conversation.auditing import Auditing
    from frontdesk.protection import chain
    from frontdesk.protection.signing import SigningKey
    from frontdesk.settings import AuditorSettings
    from frontdesk.storage import aws
    from frontdesk.storage.audit import DynamoAuditRecords
    from frontdesk.storage.audit_export import S3AuditStore
    from frontdesk.storage.secrets import read_secret

    settings = AuditorSettings.read(os.environ)
    vault = _vault(settings.audit_secret_arn, settings.region)
    return Auditing(
        records=DynamoAuditRecords(aws.dynamodb(), settings.audit_table, day_index=settings.audit_day_index),
        store=S3AuditStore(aws.s3(), settings.audit_bucket),
        chain=chain,
        signer=SigningKey(read_secret(vault, settings.audit_secret_arn, "audit").get("SM2_PRIVATE_KEY", "")),
        clock=time.time,
    )


@cache
def reviewer() -> Reviewing:
    """Return the review of what was said, with the keys to read it; raises `FrontdeskError`."""
    from frontdesk.conversation.reviewing import Reviewing
    from frontdesk.protection import chain
    from frontdesk.settings import ReviewerSettings
    from frontdesk.storage import aws
    from frontdesk.storage.audit import DynamoAudit
    from frontdesk.storage.customer_keys import DynamoCustomerKeys
    from frontdesk.storage.reports import S3Reports
    from frontdesk.storage.reviews import DynamoReviews

    settings = ReviewerSettings.read(os.environ)
    dynamodb = aws.dynamodb()
    keyring = _keyring(_vault(settings.keyring_secret_arn, settings.region), settings.keyring_secret_arn)
    seals = _customer_keys(keyring, DynamoCustomerKeys(dynamodb, settings.customer_keys_table))
    audit = DynamoAudit(dynamodb, settings.audit_table, seals=seals, chain=chain, day_index=settings.audit_day_index)
    return Reviewing(
        audit=audit,
        words=audit,
        rules=_rules(settings.rules_bucket),
        reviews=DynamoReviews(dynamodb, settings.reviews_table),
        reports=S3Reports(aws.s3(), settings.audit_bucket),
        clock=time.time,
        sample_percent=settings.sample_percent,
    )
