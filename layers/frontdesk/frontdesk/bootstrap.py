"""Composition: builds each function's use case with its real collaborators, once a process.

Heavy imports live inside the functions, so that each Lambda loads only what it uses.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.channels.wecom_calls import WecomCalls
    from frontdesk.channels.wecom_token import TokenStore
    from frontdesk.conversation.agents import Agents
    from frontdesk.conversation.alarming import Alarming
    from frontdesk.conversation.answering import Answering
    from frontdesk.conversation.archiving import Archiving
    from frontdesk.conversation.auditing import Auditing
    from frontdesk.conversation.collecting import Collecting
    from frontdesk.conversation.hours import Hours
    from frontdesk.conversation.ports import Channel, Desk
    from frontdesk.conversation.reception import Reception
    from frontdesk.conversation.reviewing import Reviewing
    from frontdesk.conversation.sweeping import Sweeping
    from frontdesk.conversation.ticketing import Ticketing
    from frontdesk.diagnosis import Checkup
    from frontdesk.errors import FrontdeskError
    from frontdesk.fastgpt.client import FastGptClient
    from frontdesk.fastgpt.ladder import Endpoint, Ladder
    from frontdesk.messages import Pull, Received
    from frontdesk.protection.answer_file import CurrentAnswers
    from frontdesk.protection.customer_keys import CustomerKeys
    from frontdesk.protection.rules import CurrentRules
    from frontdesk.protection.sealing import Keyring
    from frontdesk.records import SealedSession, TicketRequest
    from frontdesk.rehearsal import Rehearsal
    from frontdesk.settings import (
        CollectorSettings,
        DoctorSettings,
        ResponderSecrets,
        ResponderSettings,
        TicketsSettings,
    )
    from frontdesk.storage.allowance import DynamoAllowance
    from frontdesk.storage.attendances import DynamoAttendances
    from frontdesk.storage.canary import DynamoCanaryStops
    from frontdesk.storage.circuits import DynamoCircuits
    from frontdesk.storage.customer_keys import DynamoCustomerKeys
    from frontdesk.storage.duties import DynamoDuties
    from frontdesk.storage.inbox_writer import SqsInboxWriter
    from frontdesk.storage.ledger import DynamoLedger
    from frontdesk.storage.releases import CodeDeployReleases
    from frontdesk.storage.sessions import DynamoSessions
    from frontdesk.storage.signed import JsonService
    from frontdesk.storage.ticket_requests import SqsTicketRequests
    from frontdesk.storage.tickets import DynamoTickets
    from frontdesk.storage.tokens import DynamoTokenStore


_log = logging.getLogger("frontdesk.bootstrap")
_STANDBY = "standby"
_CHECKUP_S = 45.0  # the doctor's function has fifteen more, and who calls it waits as long as it may last


def in_lambda() -> bool:
    """Return whether this process is a Lambda execution environment: then everything is built while it initialises."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


@cache
def reception() -> Reception:
    """Return the callback's use case, secrets read and connections open; raises `FrontdeskError`."""
    from frontdesk.channels.envelope import Envelope
    from frontdesk.channels.wecom_app import CHANNEL
    from frontdesk.channels.wecom_callback import WecomCallback
    from frontdesk.conversation.reception import Reception
    from frontdesk.errors import TransientError
    from frontdesk.protection.identity import Pseudonyms
    from frontdesk.protection.sealing import Keyring, verify_keyring
    from frontdesk.settings import CallbackSecrets, CallbackSettings
    from frontdesk.storage.inbox import SqsInbox, queue_service
    from frontdesk.storage.keyring_checks import dynamodb_service, read_checks
    from frontdesk.storage.pulls import PullQueue
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
    with _keyring_counted():
        keyring = Keyring.read(read_secret(vault, settings.keyring_secret_arn, "keyring").get("SM4_KEYRING"))
    dynamodb = dynamodb_service(
        os.environ, arn=settings.keyring_secret_arn, region=settings.region, credentials=credentials, http=http
    )
    try:
        with _keyring_counted():
            verify_keyring(keyring, read_checks(dynamodb, settings.customer_keys_table))
    except TransientError as error:
        # A table that cannot be reached must not close the door; whoever opens the message checks again.
        _log.warning("keyring not checked", exc_info=error, extra={"code": error.code})
    sqs = queue_service(settings.inbox_url, region=settings.region, credentials=credentials, http=http)
    envelopes = [
        Envelope(token=token, encoding_aes_key=key, receive_id=settings.corp_id, clock=time.time)
        for token, key in secrets.callbacks
    ]
    pseudonyms = Pseudonyms(secrets.conversation_key)
    return Reception(
        callback=WecomCallback(
            envelopes, conversation_of=lambda sender: pseudonyms.conversation(CHANNEL, settings.corp_id, sender)
        ),
        inbox=SqsInbox(sqs, settings.inbox_url, seals=keyring),
        # Both queues are of one service, at whose root its protocol is spoken.
        pulls=PullQueue(sqs, settings.pulls_url, seals=keyring),
        clock=time.time,
    )


@dataclass(frozen=True, slots=True)
class Collector:
    """The collector's use case, and what it does with the queue around it; ``channel`` is what it collects for."""

    collecting: Collecting
    read: Callable[[Mapping[str, Any]], Pull]
    max_receives: int
    retry_later: Callable[[Iterable[tuple[str, int]]], None]
    channel: str


@cache
def collector() -> Collector:
    """Return what fetches customer-service messages, secrets read; raises `FrontdeskError`."""
    from frontdesk.channels.wecom_kf import CHANNEL
    from frontdesk.channels.wecom_kf_api import WecomKfApi
    from frontdesk.channels.wecom_kf_puller import KfPuller
    from frontdesk.conversation.collecting import Collecting
    from frontdesk.protection.identity import Pseudonyms
    from frontdesk.protection.sealing import check_keyring
    from frontdesk.settings import CollectorSecrets, CollectorSettings
    from frontdesk.storage import aws
    from frontdesk.storage.accounts import DynamoAccounts
    from frontdesk.storage.customer_keys import DynamoCustomerKeys
    from frontdesk.storage.inbox_records import retry_later
    from frontdesk.storage.inbox_writer import SqsInboxWriter
    from frontdesk.storage.pull_records import read_pull
    from frontdesk.storage.secrets import read_secret
    from frontdesk.storage.tokens import DynamoTokenStore

    settings = CollectorSettings.read(os.environ)
    vault = _vault(settings.wecom_secret_arn, settings.region)
    secrets = CollectorSecrets.read(
        read_secret(vault, settings.wecom_secret_arn, "WeCom"),
        read_secret(vault, settings.identity_secret_arn, "identity"),
    )
    dynamodb, sqs = aws.dynamodb(), aws.sqs()
    keyring = _keyring(vault, settings.keyring_secret_arn)
    with _keyring_counted():
        check_keyring(keyring, DynamoCustomerKeys(dynamodb, settings.customer_keys_table))
    calls = _wecom_calls(
        settings,
        holder="kf" if secrets.own_kf_secret else str(settings.agent_id),
        secret=secrets.own_kf_secret or secrets.wecom_secret,
        proxy_url=secrets.egress_proxy_url,
        tokens=DynamoTokenStore(dynamodb, settings.ledger_table, seals=keyring),
    )
    pseudonyms = Pseudonyms(secrets.conversation_key)
    return Collector(
        collecting=Collecting(
            accounts=DynamoAccounts(dynamodb, settings.accounts_table),
            puller=KfPuller(
                WecomKfApi(calls),
                conversation_of=lambda address: pseudonyms.conversation(CHANNEL, settings.corp_id, address),
                clock=time.time,
            ),
            inbox=SqsInboxWriter(sqs, settings.inbox_url, seals=keyring),
        ),
        read=partial(read_pull, seals=keyring),
        max_receives=settings.pulls_max_receives,
        retry_later=partial(retry_later, sqs, settings.pulls_url),
        channel=CHANNEL,
    )


@cache
def sweeper() -> Sweeping:
    """Return what looks each minute for what nobody calls about; raises `SettingsError`."""
    from frontdesk.conversation.sweeping import Sweeping
    from frontdesk.settings import SweeperSettings
    from frontdesk.storage import aws
    from frontdesk.storage.accounts import DynamoAccounts
    from frontdesk.storage.attendances import DynamoDueAttendances
    from frontdesk.storage.canary import AlarmedCanary, DynamoCanaryStops, cloudwatch
    from frontdesk.storage.inbox_writer import SqsInboxWriter
    from frontdesk.storage.pull_records import SqsPulls
    from frontdesk.storage.ticket_requests import SqsTicketOffers
    from frontdesk.storage.tickets import DynamoTicketsToOffer

    settings = SweeperSettings.read(os.environ)
    dynamodb, sqs = aws.dynamodb(), aws.sqs()
    canary = None
    if settings.canary_alarms:
        stops = DynamoCanaryStops(dynamodb, settings.ledger_table)
        canary = AlarmedCanary(
            cloudwatch(), stops, alarms=settings.canary_alarms, app_id=settings.canary_app_id, clock=time.time
        )
    return Sweeping(
        accounts=DynamoAccounts(dynamodb, settings.accounts_table),
        pulls=SqsPulls(sqs, settings.pulls_url),
        attendances=DynamoDueAttendances(dynamodb, settings.attendance_table, due_index=settings.attendance_due_index),
        inbox=SqsInboxWriter(sqs, settings.inbox_url),
        tickets=DynamoTicketsToOffer(dynamodb, settings.tickets_table, offer_index=settings.tickets_offer_index),
        offers=SqsTicketOffers(sqs, settings.tickets_url),
        hours=_hours(settings.business_hours),
        canary=canary,
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
    from frontdesk.conversation.answering import Answering
    from frontdesk.conversation.guarding import Guard
    from frontdesk.conversation.handing_over import Handover, HandoverPolicy
    from frontdesk.conversation.speaking import Speaker
    from frontdesk.protection.current_masking import CurrentMasking
    from frontdesk.settings import ResponderSecrets, ResponderSettings
    from frontdesk.storage import aws
    from frontdesk.storage.inbox_records import read_record, retry_later
    from frontdesk.storage.secrets import read_secret

    settings = ResponderSettings.read(os.environ)
    vault = _vault(settings.wecom_secret_arn, settings.region)
    secrets = ResponderSecrets.read(
        read_secret(vault, settings.wecom_secret_arn, "WeCom"),
        read_secret(vault, settings.fastgpt_secret_arn, "FastGPT"),
    )
    keyring = _keyring(vault, settings.keyring_secret_arn)
    stores = _Stores.open(settings, keyring)
    ways = _Ways.open(settings, secrets, stores)
    rules = _rules(settings.rules_bucket)
    guard = Guard(rules=rules, masking=CurrentMasking(rules))
    speaker = Speaker(ledger=stores.ledger, channels=ways.channels, desks=ways.desks, clock=time.time)
    handover = Handover(
        attendances=stores.attendances,
        desks=ways.desks,
        tickets=stores.ticket_requests,
        sessions=stores.sessions,
        ledger=stores.ledger,
        speaker=speaker,
        guard=guard,
        summariser=_light_app(settings, secrets),
        hours=_hours(settings.handoff.business_hours),
        sentences=settings.sentences,
        policy=HandoverPolicy(
            triggers=settings.handoff.triggers,
            threshold=settings.handoff.threshold,
            timeout_s=settings.handoff.timeout_s,
            rating_channels=settings.handoff.rating_channels,
        ),
        clock=time.time,
        monotonic=time.monotonic,
    )
    ladder = _ladder(settings, secrets, stores)
    answering = Answering(
        sessions=stores.sessions,
        ledger=stores.ledger,
        model=ladder,
        variant_of=ladder.variant,
        guard=guard,
        speaker=speaker,
        handover=handover,
        agents=_agents(settings, stores, ways),
        sentences=settings.sentences,
        session_ttl_s=settings.session_ttl_s,
        interim_after_s=settings.interim_after_s,
    )
    return Responder(
        answering=answering,
        read=partial(read_record, max_receives=settings.inbox_max_receives, seals=keyring),
        max_receives=settings.inbox_max_receives,
        retry_later=partial(retry_later, aws.sqs(), settings.inbox_url),
    )


@dataclass(frozen=True, slots=True)
class _Stores:
    """What the responder keeps, and the queues it puts into."""

    sessions: DynamoSessions
    ledger: DynamoLedger
    attendances: DynamoAttendances
    allowance: DynamoAllowance
    duties: DynamoDuties
    tickets: DynamoTickets
    ticket_requests: SqsTicketRequests
    inbox: SqsInboxWriter
    tokens: DynamoTokenStore
    circuits: DynamoCircuits
    canary_stops: DynamoCanaryStops

    @classmethod
    def open(cls, settings: ResponderSettings, keyring: Keyring) -> _Stores:
        from frontdesk.protection import chain
        from frontdesk.storage import aws
        from frontdesk.storage.allowance import DynamoAllowance
        from frontdesk.storage.attendances import DynamoAttendances
        from frontdesk.storage.audit import DynamoAudit
        from frontdesk.storage.canary import DynamoCanaryStops
        from frontdesk.storage.circuits import DynamoCircuits
        from frontdesk.storage.customer_keys import DynamoCustomerKeys
        from frontdesk.storage.duties import DynamoDuties
        from frontdesk.storage.inbox_writer import SqsInboxWriter
        from frontdesk.storage.ledger import DynamoLedger
        from frontdesk.storage.sessions import DynamoSessions
        from frontdesk.storage.ticket_requests import SqsTicketRequests
        from frontdesk.storage.tickets import DynamoTickets
        from frontdesk.storage.tokens import DynamoTokenStore

        dynamodb, sqs = aws.dynamodb(), aws.sqs()
        seals = _customer_keys(keyring, DynamoCustomerKeys(dynamodb, settings.customer_keys_table))
        audit = DynamoAudit(
            dynamodb, settings.audit_table, seals=seals, chain=chain, retention_days=settings.audit_retention_days
        )
        return cls(
            sessions=DynamoSessions(dynamodb, settings.sessions_table, seals=seals),
            ledger=DynamoLedger(dynamodb, settings.ledger_table, seals=seals, audit=audit),
            attendances=DynamoAttendances(dynamodb, settings.attendance_table, seals=seals),
            allowance=DynamoAllowance(dynamodb, settings.ledger_table),
            duties=DynamoDuties(dynamodb, settings.attendance_table),
            tickets=DynamoTickets(dynamodb, settings.tickets_table, seals=seals),
            ticket_requests=SqsTicketRequests(sqs, settings.tickets_url, seals=keyring),
            inbox=SqsInboxWriter(sqs, settings.inbox_url, seals=keyring),
            tokens=DynamoTokenStore(dynamodb, settings.ledger_table, seals=keyring),
            circuits=DynamoCircuits(aws.dynamodb_at_once(), settings.ledger_table),
            canary_stops=DynamoCanaryStops(aws.dynamodb_at_once(), settings.ledger_table),
        )


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ways out to customers and people, by channel; ``app`` is the application's own."""

    app: WecomApi
    channels: Mapping[str, Channel]
    desks: Mapping[str, Desk]

    @classmethod
    def open(cls, settings: ResponderSettings, secrets: ResponderSecrets, stores: _Stores) -> _Ways:
        from frontdesk.channels import wecom_app, wecom_kf
        from frontdesk.channels.wecom_api import WecomApi
        from frontdesk.channels.wecom_app_desk import AppDesk
        from frontdesk.channels.wecom_kf_api import WecomKfApi
        from frontdesk.channels.wecom_kf_desk import KfDesk
        from frontdesk.channels.wecom_kf_outbound import KfOutbound
        from frontdesk.channels.wecom_outbound import WecomOutbound

        handoff = settings.handoff
        calling = partial(_wecom_calls, settings, proxy_url=secrets.egress_proxy_url, tokens=stores.tokens)
        calls = kf_calls = calling(holder=str(settings.agent_id), secret=secrets.wecom_secret)
        if secrets.own_kf_secret:
            kf_calls = calling(holder="kf", secret=secrets.own_kf_secret)
        app, kf = WecomApi(calls, agent_id=settings.agent_id), WecomKfApi(kf_calls)
        to: Literal["servicer", "queue"] = "queue" if handoff.kf_handoff_to == "queue" else "servicer"
        # Customer service always has its servicers; the application has the people whom the settings name.
        desks: dict[str, Desk] = {wecom_kf.CHANNEL: KfDesk(kf, app, to=to, agents=handoff.agents)}
        if handoff.agents:
            desks[wecom_app.CHANNEL] = AppDesk(
                app, attendances=stores.attendances, agents=handoff.agents, clock=time.time
            )
        channels: dict[str, Channel] = {
            wecom_app.CHANNEL: WecomOutbound(app),
            wecom_kf.CHANNEL: KfOutbound(kf, allowance=stores.allowance),
        }
        return cls(app=app, channels=channels, desks=desks)


def _agents(settings: ResponderSettings, stores: _Stores, ways: _Ways) -> Agents | None:
    """Return what does as the people of the company ask in the application's chat, if the settings name any."""
    from frontdesk.channels.wecom_staff import WecomStaff
    from frontdesk.conversation.agents import Agents

    if not settings.handoff.agents:
        return None
    staff = WecomStaff(ways.app)
    return Agents(
        attendances=stores.attendances,
        duties=stores.duties,
        tickets=stores.tickets,
        ticket_requests=stores.ticket_requests,
        cards=staff,
        sessions=stores.sessions,
        queue=stores.inbox,
        staff=staff,
        agents=settings.handoff.agents,
        handoff_timeout_s=settings.handoff.timeout_s,
        clock=time.time,
    )


def _wecom_calls(
    settings: ResponderSettings | CollectorSettings | TicketsSettings,
    *,
    holder: str,
    secret: str,
    proxy_url: str,
    tokens: TokenStore,
) -> WecomCalls:
    from frontdesk import telemetry
    from frontdesk.channels.wecom_calls import WecomCalls
    from frontdesk.channels.wecom_errcodes import Trouble

    metrics = {Trouble.ADDRESS: "UntrustedAddress", Trouble.TOKEN: "TokenRefused", Trouble.QUOTA: "QuotaSpent"}
    return WecomCalls(
        base_url=settings.wecom_api_base,
        corp_id=settings.corp_id,
        holder=holder,
        secret=secret,
        proxy_url=proxy_url,
        tokens=tokens,
        on_trouble=lambda trouble: telemetry.emit_metrics("system", {metrics[trouble]: [1]}),
    )


def _hours(written: str) -> Hours:
    """Return when people are there; raises `SettingsError`. A year whose holidays are not known yet is told."""
    from frontdesk.conversation.hours import Hours

    hours = Hours.read(written)
    if written and not hours.calendar_known(time.time()):
        _log.warning("the holidays of this year are not known", extra={"code": "calendar_unknown"})
    return hours


def _endpoints(
    settings: ResponderSettings | DoctorSettings, secrets: ResponderSecrets
) -> list[tuple[str, str, str, str]]:
    """Return rung, address, app id and key of each endpoint of the model that is set, in the order of the ladder."""
    from frontdesk.messages import CANARY, PRIMARY

    first, ladder = settings.fastgpt_base_url, secrets.ladder
    given = [
        (CANARY, first, ladder.canary_app_id, ladder.canary_api_key),
        (PRIMARY, first, settings.fastgpt_app_id, secrets.fastgpt_api_key),
        (_STANDBY, ladder.standby_base_url, ladder.standby_app_id, ladder.standby_api_key),
        ("lite", first, settings.fastgpt_lite_app_id, secrets.fastgpt_lite_api_key),
    ]
    return [(rung, base_url, app_id, api_key) for rung, base_url, app_id, api_key in given if app_id and api_key]


def _ladder(settings: ResponderSettings, secrets: ResponderSecrets, stores: _Stores) -> Ladder:
    """Return the endpoints of the model in their order, each with what is known of it."""
    from concurrent.futures import ThreadPoolExecutor

    from frontdesk import telemetry
    from frontdesk.fastgpt.breaker import Breaker
    from frontdesk.fastgpt.canary import CanaryStop
    from frontdesk.fastgpt.client import FastGptClient
    from frontdesk.fastgpt.ladder import SILENCE_ABOVE_S, Endpoint, Ladder
    from frontdesk.fastgpt.transport import SILENCE_S
    from frontdesk.messages import PRIMARY

    metrics = {"opened": "EndpointOpened", "met_open": "EndpointOpen", "out_of_points": "OutOfPoints"}

    def happened(what: str) -> None:
        telemetry.emit_metrics("system", {metrics[what]: [1]})

    ladder = secrets.ladder
    given = _endpoints(settings, secrets)
    background = ThreadPoolExecutor(max_workers=2, thread_name_prefix="circuits")
    endpoints: list[Endpoint] = []
    for rung, base_url, app_id, api_key in given:
        silence_s = SILENCE_S if rung == given[-1][0] else SILENCE_ABOVE_S
        client = FastGptClient(base_url=base_url, api_key=api_key, app_id=app_id, silence_s=silence_s)
        breaker = Breaker(
            rung,
            circuits=stores.circuits,
            probe=client.probe,
            on_opened=partial(happened, "opened"),
            submit=background.submit,
            clock=time.time,
        )
        team = rung if rung == _STANDBY and not ladder.standby_shares_team else PRIMARY
        breaker.refresh()  # while the function initialises, not while a customer waits
        endpoints.append(Endpoint(rung, client, breaker, team))
    return Ladder(
        endpoints,
        approved=_approved_answers(settings.rules_bucket),
        canary_percent=ladder.canary_percent,
        canary_stopped=CanaryStop(stores.canary_stops, ladder.canary_app_id, clock=time.monotonic),
        hedge_after_s=ladder.hedge_after_s,
        happened=happened,
    )


def _approved_answers(bucket: str) -> CurrentAnswers:
    """Return the approved answers in force; what is wrong with their file is logged and counted, and stops nobody."""
    from frontdesk import telemetry
    from frontdesk.protection.answer_file import CurrentAnswers
    from frontdesk.storage import aws
    from frontdesk.storage.rule_files import ANSWERS_KEY, S3RuleFiles

    def broken(error: FrontdeskError, version_id: str) -> None:
        _log.error("answers not loaded", exc_info=error, extra={"code": error.code, "rules_version_id": version_id})
        telemetry.emit_metrics("system", {"AnswersInvalid": [1]})

    files = S3RuleFiles(aws.s3_at_once(), bucket, ANSWERS_KEY)
    answers = CurrentAnswers(files=files, clock=time.time, on_broken=broken)
    answers.current()  # read while the function initialises: S3 may be out of reach when they are needed
    return answers


def _light_app(settings: ResponderSettings, secrets: ResponderSecrets) -> FastGptClient | None:
    """Return the light app that summarises a talk for the person who takes it over, if the company has one."""
    from frontdesk.fastgpt.client import FastGptClient

    if not (settings.fastgpt_lite_app_id and secrets.fastgpt_lite_api_key):
        return None
    return FastGptClient(
        base_url=settings.fastgpt_base_url,
        api_key=secrets.fastgpt_lite_api_key,
        app_id=settings.fastgpt_lite_app_id,
    )


@dataclass(frozen=True, slots=True)
class TicketWorker:
    """The use case of tickets, and what it does with the queue around it."""

    ticketing: Ticketing
    read: Callable[[Mapping[str, Any]], TicketRequest]
    max_receives: int
    retry_later: Callable[[Iterable[tuple[str, int]]], None]


@cache
def tickets() -> TicketWorker:
    """Return what opens tickets, secrets read; raises `FrontdeskError`."""
    from frontdesk.channels.ticket_webhook import TicketWebhook
    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.channels.wecom_staff import WecomStaff
    from frontdesk.conversation.ticketing import Ticketing
    from frontdesk.settings import TicketsSecrets, TicketsSettings
    from frontdesk.storage import aws
    from frontdesk.storage.customer_keys import DynamoCustomerKeys
    from frontdesk.storage.inbox_records import retry_later
    from frontdesk.storage.inbox_writer import SqsInboxWriter
    from frontdesk.storage.secrets import read_secret
    from frontdesk.storage.ticket_requests import read_ticket_request
    from frontdesk.storage.tickets import DynamoTickets
    from frontdesk.storage.tokens import DynamoTokenStore

    settings = TicketsSettings.read(os.environ)
    vault = _vault(settings.wecom_secret_arn, settings.region)
    secrets = TicketsSecrets.read(
        read_secret(vault, settings.wecom_secret_arn, "WeCom"),
        read_secret(vault, settings.ticket_secret_arn, "ticket"),
    )
    dynamodb, sqs = aws.dynamodb(), aws.sqs()
    keyring = _keyring(vault, settings.keyring_secret_arn)
    seals = _customer_keys(keyring, DynamoCustomerKeys(dynamodb, settings.customer_keys_table))
    calls = _wecom_calls(
        settings,
        holder=str(settings.agent_id),
        secret=secrets.wecom_secret,
        proxy_url=secrets.egress_proxy_url,
        tokens=DynamoTokenStore(dynamodb, settings.ledger_table, seals=keyring),
    )
    webhook = TicketWebhook(settings.webhook_url, secrets.webhook_secret) if settings.webhook_url else None
    return TicketWorker(
        ticketing=Ticketing(
            tickets=DynamoTickets(dynamodb, settings.tickets_table, seals=seals),
            queue=SqsInboxWriter(sqs, settings.inbox_url, seals=keyring),
            cards=WecomStaff(WecomApi(calls, agent_id=settings.agent_id)),
            system=webhook,
            hours=_hours(settings.business_hours),
            agents=settings.agents,
            clock=time.time,
        ),
        read=partial(read_ticket_request, seals=keyring),
        max_receives=settings.tickets_max_receives,
        retry_later=partial(retry_later, sqs, settings.tickets_url),
    )


@cache
def alarming() -> Alarming:
    """Return what has tickets opened about alarms; raises `SettingsError`."""
    from frontdesk.conversation.alarming import Alarming
    from frontdesk.settings import AlarmTicketsSettings
    from frontdesk.storage import aws
    from frontdesk.storage.ticket_requests import SqsAlarmTickets

    settings = AlarmTicketsSettings.read(os.environ)
    return Alarming(requests=SqsAlarmTickets(aws.sqs(), settings.tickets_url), clock=time.time)


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

    with _keyring_counted():
        return Keyring.read(read(), reread=read)


@contextmanager
def _keyring_counted() -> Iterator[None]:
    """Count a keyring that cannot be used: without it the function does not start, and says why in its log alone."""
    from frontdesk import telemetry
    from frontdesk.errors import SettingsError

    try:
        yield
    except SettingsError:
        telemetry.emit_metrics("system", {"KeyringInvalid": [1]})
        raise


def _customer_keys(keyring: Keyring, store: DynamoCustomerKeys) -> CustomerKeys:
    """Return what seals for each customer; raises `SettingsError` when the ring is not the one that has been in use."""
    from frontdesk.protection.customer_keys import CustomerKeys
    from frontdesk.protection.sealing import check_keyring

    with _keyring_counted():
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
    from frontdesk.storage.inbox_writer import SqsInboxWriter
    from frontdesk.storage.sessions import DynamoIdleSessions

    settings = ArchiverSettings.read(os.environ)
    return Archiving(
        sessions=DynamoIdleSessions(aws.dynamodb(), settings.sessions_table, idle_index=settings.idle_index),
        archive=S3Archive(aws.s3(), settings.archive_bucket),
        idle_s=settings.session_idle_s,
        inbox=SqsInboxWriter(aws.sqs(), settings.inbox_url),
        rating_channels=settings.rating_channels,
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


def doctor(*, ask: bool) -> list[Checkup]:
    """Return what tries WeCom and FastGPT as the responder calls them; raises `FrontdeskError`.

    With ``ask``, each FastGPT app is asked one question, which costs points. Not kept between runs: secrets are read,
    and tokens fetched, as they are now.
    """
    from frontdesk.channels import wecom_checkup
    from frontdesk.channels.wecom_http import WecomHttp
    from frontdesk.diagnosis import Checkup
    from frontdesk.fastgpt import checkup
    from frontdesk.fastgpt.client import FastGptClient
    from frontdesk.settings import DoctorSettings, ResponderSecrets
    from frontdesk.storage.secrets import read_secret

    settings = DoctorSettings.read(os.environ)
    vault = _vault(settings.wecom_secret_arn, settings.region)
    secrets = ResponderSecrets.read(
        read_secret(vault, settings.wecom_secret_arn, "WeCom"),
        read_secret(vault, settings.fastgpt_secret_arn, "FastGPT"),
    )
    wecom = wecom_checkup.WecomCheckup(
        WecomHttp(settings.wecom_api_base, proxy_url=secrets.egress_proxy_url),
        corp_id=settings.corp_id,
        agent_id=settings.agent_id,
        secret=secrets.wecom_secret,
        own_kf_secret=secrets.own_kf_secret,
        agents=settings.agents,
    )
    checkups = [Checkup(wecom_checkup.NAMES, wecom.examine, limit_s=_CHECKUP_S)]
    for rung, base_url, app_id, api_key in _endpoints(settings, secrets):
        client = FastGptClient(base_url=base_url, api_key=api_key, app_id=app_id)
        examine = partial(checkup.examine, client, rung, ask=ask)
        checkups.append(Checkup(checkup.NAMES, examine, limit_s=_CHECKUP_S, about=rung))
    return checkups


@dataclass(frozen=True, slots=True)
class Releases:
    """The use case of a release's hook, and CodeDeploy, which asks for it and waits for the outcome."""

    rehearsal: Rehearsal
    deployments: CodeDeployReleases


@cache
def releases() -> Releases:
    """Return what tries new versions, secrets read; raises `FrontdeskError`."""
    from frontdesk.channels.envelope_writer import EnvelopeWriter
    from frontdesk.rehearsal import Rehearsal
    from frontdesk.settings import ReleaseSecrets, ReleaseSettings
    from frontdesk.storage import releases as aws
    from frontdesk.storage.inbox import encode_bare
    from frontdesk.storage.secrets import read_secret

    settings = ReleaseSettings.read(os.environ)
    vault = _vault(settings.wecom_secret_arn, settings.region)
    secrets = ReleaseSecrets.read(read_secret(vault, settings.wecom_secret_arn, "WeCom"))
    return Releases(
        rehearsal=Rehearsal(
            versions=aws.LambdaVersions(aws.lambda_()),
            writers=[
                EnvelopeWriter(token=token, encoding_aes_key=key, receive_id=settings.corp_id, clock=time.time)
                for token, key in secrets.callbacks
            ],
            encode_due=encode_bare,
            agent_id=settings.agent_id,
            member=settings.member,
            clock=time.time,
        ),
        deployments=aws.CodeDeployReleases(aws.codedeploy()),
    )
