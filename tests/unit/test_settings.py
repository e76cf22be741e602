"""Settings: read whole, or refused with every problem named and no value told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.errors import SettingsError
from frontdesk.settings import (
    WECOM_API_BASE,
    ArchiverSettings,
    ArchiverStreamSettings,
    AuditorSettings,
    CallbackSecrets,
    CallbackSettings,
    CollectorSecrets,
    CollectorSettings,
    ReleaseSecrets,
    ReleaseSettings,
    ResponderSecrets,
    ResponderSettings,
    ReviewerSettings,
    SweeperSettings,
    TicketsSecrets,
    TicketsSettings,
    local_problems,
)

AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"  # the vendor's published example
KEYRING_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:keyring-AbCdEf"
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:wecom-AbCdEf"

CALLBACK = {
    "WECOM_CORP_ID": "ww0a1b2c3d4e5f6a7b",
    "WECOM_AGENT_ID": "1000002",
    "AWS_REGION": "us-east-1",
    "INBOX_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/inbox.fifo",
    "PULLS_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/pulls.fifo",
    "WECOM_SECRET_ARN": SECRET_ARN,
    "IDENTITY_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:identity-AbCdEf",
    "KEYRING_SECRET_ARN": KEYRING_ARN,
    "CUSTOMER_KEYS_TABLE": "customer-keys",
}
RESPONDER = {
    "WECOM_CORP_ID": "ww0a1b2c3d4e5f6a7b",
    "WECOM_AGENT_ID": "1000002",
    "AWS_REGION": "us-east-1",
    "WECOM_API_BASE": WECOM_API_BASE,
    "WECOM_SECRET_ARN": SECRET_ARN,
    "FASTGPT_BASE_URL": "https://fastgpt.example.invalid/api",
    "FASTGPT_APP_ID": "0123456789abcdef01234567",
    "FASTGPT_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:fastgpt-AbCdEf",
    "KEYRING_SECRET_ARN": KEYRING_ARN,
    "INBOX_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/inbox.fifo",
    "INBOX_MAX_RECEIVES": "5",
    "SESSIONS_TABLE": "sessions",
    "LEDGER_TABLE": "ledger",
    "CUSTOMER_KEYS_TABLE": "customer-keys",
    "AUDIT_TABLE": "audit",
    "AUDIT_RETENTION_DAYS": "180",
    "RULES_BUCKET": "rules",
    "FASTGPT_LITE_APP_ID": "",
    "ATTENDANCE_TABLE": "attendance",
    "TICKETS_TABLE": "tickets",
    "TICKETS_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/tickets.fifo",
    "HANDOFF_THRESHOLD": "0.8",
    "HANDOFF_TRIGGERS": "asked,confidence",
    "HANDOFF_AGENTS": "zhou.min|he.yun",
    "HANDOFF_TIMEOUT_SECONDS": "180",
    "KF_HANDOFF_TO": "servicer",
    "BUSINESS_HOURS": "Mon-Fri 09:00-18:00",
    "SATISFACTION_CHANNELS": "wecom_kf",
    "SESSION_TTL_SECONDS": "900",
    "INTERIM_AFTER_SECONDS": "6",
    "WELCOME_TEXT": "您好",
    "INTERIM_TEXT": "请稍候",
    "FALLBACK_TEXT": "抱歉",
    "UNSUPPORTED_TEXT": "请发文字",
    "RESET_TEXT": "重新开始",
}
ARCHIVER = {
    "SESSIONS_TABLE": "sessions",
    "SESSIONS_IDLE_INDEX": "idle",
    "ARCHIVE_BUCKET": "archive",
    "SESSION_IDLE_SECONDS": "600",
    "INBOX_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/inbox.fifo",
    "SATISFACTION_CHANNELS": "",
}
COLLECTOR = {
    **{name: CALLBACK[name] for name in CALLBACK},
    "WECOM_API_BASE": WECOM_API_BASE,
    "LEDGER_TABLE": "ledger",
    "ACCOUNTS_TABLE": "accounts",
    "PULLS_MAX_RECEIVES": "5",
}
SWEEPER = {
    "ACCOUNTS_TABLE": "accounts",
    "ATTENDANCE_TABLE": "attendance",
    "ATTENDANCE_DUE_INDEX": "due",
    "TICKETS_TABLE": "tickets",
    "TICKETS_OFFER_INDEX": "offer",
    "INBOX_URL": CALLBACK["INBOX_URL"],
    "PULLS_URL": CALLBACK["PULLS_URL"],
    "TICKETS_URL": RESPONDER["TICKETS_URL"],
    "LEDGER_TABLE": "ledger",
}
TICKETS = {
    "WECOM_CORP_ID": "ww0a1b2c3d4e5f6a7b",
    "WECOM_AGENT_ID": "1000002",
    "AWS_REGION": "us-east-1",
    "WECOM_API_BASE": WECOM_API_BASE,
    "WECOM_SECRET_ARN": SECRET_ARN,
    "KEYRING_SECRET_ARN": KEYRING_ARN,
    "CUSTOMER_KEYS_TABLE": "customer-keys",
    "LEDGER_TABLE": "ledger",
    "TICKETS_TABLE": "tickets",
    "TICKETS_URL": RESPONDER["TICKETS_URL"],
    "TICKETS_MAX_RECEIVES": "5",
    "INBOX_URL": CALLBACK["INBOX_URL"],
    "HANDOFF_AGENTS": "",
    "BUSINESS_HOURS": "",
    "TICKET_WEBHOOK_URL": "",
    "TICKET_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:ticket-AbCdEf",
}
STREAM = {"ARCHIVE_BUCKET": "archive"}
AUDITOR = {
    "AWS_REGION": "us-east-1",
    "AUDIT_TABLE": "audit",
    "AUDIT_DAY_INDEX": "day",
    "AUDIT_BUCKET": "audit-bucket",
    "AUDIT_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:audit-AbCdEf",
}
REVIEWER = {
    "AWS_REGION": "us-east-1",
    "KEYRING_SECRET_ARN": KEYRING_ARN,
    "CUSTOMER_KEYS_TABLE": "customer-keys",
    "AUDIT_TABLE": "audit",
    "AUDIT_DAY_INDEX": "day",
    "AUDIT_BUCKET": "audit-bucket",
    "REVIEWS_TABLE": "reviews",
    "RULES_BUCKET": "rules",
    "REVIEW_SAMPLE_PERCENT": "100",
}
RELEASE = {
    "WECOM_CORP_ID": "ww0a1b2c3d4e5f6a7b",
    "WECOM_AGENT_ID": "1000002",
    "AWS_REGION": "us-east-1",
    "WECOM_SECRET_ARN": SECRET_ARN,
    "RELEASE_CHECK_USER": "lin.mei",
}
WECOM = {"WECOM_SECRET": "an-invented-secret", "WECOM_TOKEN": "QDG6eK", "WECOM_ENCODING_AES_KEY": AES_KEY}
IDENTITY = {"CONVERSATION_KEY": "k" * 32}
FASTGPT = {"FASTGPT_API_KEY": "fastgpt-an-invented-key"}

READERS = [
    (CallbackSettings.read, CALLBACK, {"WECOM_AGENT_ID"}),
    (
        ResponderSettings.read,
        RESPONDER,
        {
            "WELCOME_TEXT",
            "FASTGPT_LITE_APP_ID",
            "HANDOFF_TRIGGERS",
            "HANDOFF_AGENTS",
            "BUSINESS_HOURS",
            "SATISFACTION_CHANNELS",
        },
    ),
    (ArchiverSettings.read, ARCHIVER, {"SATISFACTION_CHANNELS"}),
    (CollectorSettings.read, COLLECTOR, set()),
    (SweeperSettings.read, SWEEPER, set()),
    (TicketsSettings.read, TICKETS, {"HANDOFF_AGENTS", "BUSINESS_HOURS", "TICKET_WEBHOOK_URL"}),
    (ArchiverStreamSettings.read, STREAM, set()),
    (AuditorSettings.read, AUDITOR, set()),
    (ReviewerSettings.read, REVIEWER, set()),
    (ReleaseSettings.read, RELEASE, {"RELEASE_CHECK_USER"}),
]


def problems_of(read: Any, *sources: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(*sources)
    return caught.value.problems


class TestEnvironment:
    def test_the_callbacks_are_read(self):
        settings = CallbackSettings.read(CALLBACK)
        assert settings.corp_id == "ww0a1b2c3d4e5f6a7b"
        assert settings.region == "us-east-1"
        assert settings.inbox_url == CALLBACK["INBOX_URL"]
        assert settings.wecom_secret_arn == SECRET_ARN
        assert settings.identity_secret_arn == CALLBACK["IDENTITY_SECRET_ARN"]

    def test_the_responders_are_read(self):
        settings = ResponderSettings.read(RESPONDER)
        assert (settings.agent_id, settings.inbox_max_receives) == (1000002, 5)
        assert (settings.session_ttl_s, settings.interim_after_s) == (900, 6)
        assert settings.wecom_api_base == "https://qyapi.weixin.qq.com"
        assert settings.fastgpt_base_url == "https://fastgpt.example.invalid/api"
        assert settings.sentences.welcome == "您好"
        assert settings.sentences.reset == "重新开始"

    def test_the_hand_overs_are_read(self):
        handoff = ResponderSettings.read(RESPONDER).handoff
        assert (handoff.threshold, handoff.timeout_s, handoff.kf_handoff_to) == (0.8, 180, "servicer")
        assert handoff.agents == ("zhou.min", "he.yun")
        assert handoff.triggers == {"asked", "confidence"}
        assert handoff.rating_channels == {"wecom_kf"}

    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("HANDOFF_THRESHOLD", "1.5", "HANDOFF_THRESHOLD must be a number from 0 to 1"),
            ("HANDOFF_THRESHOLD", ".8", "HANDOFF_THRESHOLD must be a number from 0 to 1"),
            ("HANDOFF_TRIGGERS", "asked,whim", "HANDOFF_TRIGGERS must be some of asked, confidence, intent,"),
            ("HANDOFF_AGENTS", "zhou.min he.yun", "HANDOFF_AGENTS must be user ids separated by |"),
            ("HANDOFF_TIMEOUT_SECONDS", "29", "HANDOFF_TIMEOUT_SECONDS must be a whole number from 30 to 3600"),
            ("KF_HANDOFF_TO", "anybody", "KF_HANDOFF_TO must be servicer or queue"),
            ("SATISFACTION_CHANNELS", "fax", "SATISFACTION_CHANNELS must be some of wecom_app, wecom_kf"),
            ("FASTGPT_LITE_APP_ID", "0123", "FASTGPT_LITE_APP_ID must be 24 hexadecimal digits"),
        ],
    )
    def test_what_a_hand_over_cannot_mean_is_refused(self, name: str, value: str, problem: str):
        (told,) = problems_of(ResponderSettings.read, RESPONDER | {name: value})
        assert told.startswith(problem)

    def test_the_collectors_the_sweeps_and_the_tickets_are_read(self):
        assert CollectorSettings.read(COLLECTOR).pulls_max_receives == 5
        assert SweeperSettings.read(SWEEPER).attendance_due_index == "due"
        assert TicketsSettings.read(TICKETS).webhook_url == ""
        hooked = TicketsSettings.read(TICKETS | {"TICKET_WEBHOOK_URL": "https://tickets.example.invalid/in/"})
        assert hooked.webhook_url == "https://tickets.example.invalid/in"

    def test_the_archivers_are_read(self):
        assert ArchiverSettings.read(ARCHIVER).session_idle_s == 600
        assert ArchiverStreamSettings.read(STREAM).archive_bucket == "archive"

    def test_the_auditors_and_the_reviewers_are_read(self):
        assert AuditorSettings.read(AUDITOR).audit_bucket == "audit-bucket"
        assert ReviewerSettings.read(REVIEWER).sample_percent == 100

    @pytest.mark.parametrize("days", ["179", "0", "half a year"])
    def test_the_audit_is_kept_for_six_months_at_least(self, days: str):
        assert problems_of(ResponderSettings.read, RESPONDER | {"AUDIT_RETENTION_DAYS": days}) == [
            "AUDIT_RETENTION_DAYS must be a whole number from 180 to 36500"
        ]

    @pytest.mark.parametrize(("read", "source", "optional"), READERS)
    def test_every_missing_setting_is_named_at_once(self, read: Any, source: dict[str, str], optional: set[str]):
        expected = [f"{name} is missing" for name in source if name not in optional]
        assert sorted(problems_of(read, {})) == sorted(expected)

    @pytest.mark.parametrize(("read", "source", "optional"), READERS)
    def test_blanks_are_nothing(self, read: Any, source: dict[str, str], optional: set[str]):
        assert problems_of(read, dict.fromkeys(source, " \t\n")) == problems_of(read, {})

    @pytest.mark.parametrize(("read", "source", "optional"), READERS)
    def test_each_missing_setting_is_named_alone(self, read: Any, source: dict[str, str], optional: set[str]):
        for name in set(source) - optional:
            rest = {key: value for key, value in source.items() if key != name}
            assert problems_of(read, rest) == [f"{name} is missing"]

    @pytest.mark.parametrize(("read", "source", "optional"), READERS)
    def test_blanks_around_a_value_do_not_count(self, read: Any, source: dict[str, str], optional: set[str]):
        assert read({name: f" {value}\n" for name, value in source.items()}) == read(source)

    def test_an_empty_welcome_turns_it_off(self):
        without = {name: value for name, value in RESPONDER.items() if name != "WELCOME_TEXT"}
        assert ResponderSettings.read(without).sentences.welcome == ""

    def test_zero_turns_the_interim_notice_off(self):
        assert ResponderSettings.read(RESPONDER | {"INTERIM_AFTER_SECONDS": "0"}).interim_after_s == 0

    @pytest.mark.parametrize(
        ("base", "read"),
        [
            ("https://fastgpt.example.invalid", "https://fastgpt.example.invalid/api"),
            ("https://fastgpt.example.invalid/", "https://fastgpt.example.invalid/api"),
            ("https://fastgpt.example.invalid/api/", "https://fastgpt.example.invalid/api"),
            ("http://127.0.0.1:8080/fastgpt/api", "http://127.0.0.1:8080/fastgpt/api"),
        ],
    )
    def test_the_end_of_the_fastgpt_address_is_completed(self, base: str, read: Any):
        assert ResponderSettings.read(RESPONDER | {"FASTGPT_BASE_URL": base}).fastgpt_base_url == read

    @pytest.mark.parametrize(
        "url",
        [
            "qyapi.weixin.qq.com",
            "ftp://qyapi.weixin.qq.com",
            "https://",
            "https:///cgi-bin",
            "https://host/?a=1",
            "https://host/?",
            "https://host/#top",
            "https://host/#",
            "https://user:password@host",
            "https://@host",
            "https://host:port",
            "https://host:0",
            "https://host:70000",
            "https://ho st",
            "https://ho\nst",
            "https://[::1",
            "https://企业微信.invalid",
        ],
    )
    def test_an_address_must_be_plain(self, url: str):
        assert problems_of(ResponderSettings.read, RESPONDER | {"WECOM_API_BASE": url}) == [
            "WECOM_API_BASE must be an http(s) address without a query"
        ]

    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [
            ("WECOM_AGENT_ID", 1, 2**31 - 1),
            ("INBOX_MAX_RECEIVES", 1, 1000),
            ("SESSION_TTL_SECONDS", 1, 86_400),
            ("INTERIM_AFTER_SECONDS", 0, 100),
        ],
    )
    def test_a_number_has_bounds(self, name: str, low: int, high: int):
        for good in (low, high):
            ResponderSettings.read(RESPONDER | {name: str(good)})
        for bad in (str(low - 1), str(high + 1), "1.5", "five", "+5", "1e2", "５", "0x5", "1_0", "5" * 5000):
            problems = problems_of(ResponderSettings.read, RESPONDER | {name: bad})
            assert problems == [f"{name} must be a whole number from {low} to {high}"]

    @pytest.mark.parametrize(
        "corp_id", ["ww", "ab0a1b2c3d4e5f6a7b", "ww0a1b-2c3d", "ww" + "a" * 31, "WW0a1b2c3d4e5f6a7b"]
    )
    def test_a_corp_id_has_a_shape(self, corp_id: str):
        assert problems_of(CallbackSettings.read, CALLBACK | {"WECOM_CORP_ID": corp_id}) == [
            "WECOM_CORP_ID must be a corp id such as ww followed by 16 characters"
        ]

    @pytest.mark.parametrize("app_id", ["0123", "z" * 24, "0" * 25])
    def test_an_app_id_has_a_shape(self, app_id: str):
        assert problems_of(ResponderSettings.read, RESPONDER | {"FASTGPT_APP_ID": app_id}) == [
            "FASTGPT_APP_ID must be 24 hexadecimal digits"
        ]


class TestSecrets:
    def test_the_callbacks_are_read(self):
        secrets = CallbackSecrets.read(WECOM, IDENTITY)
        assert (secrets.callbacks, secrets.conversation_key) == ((("QDG6eK", AES_KEY),), "k" * 32)

    def test_the_responders_are_read(self):
        secrets = ResponderSecrets.read(WECOM, FASTGPT)
        assert (secrets.wecom_secret, secrets.fastgpt_api_key) == ("an-invented-secret", "fastgpt-an-invented-key")

    def test_customer_service_uses_the_applications_unless_it_has_its_own(self):
        assert CallbackSecrets.read(WECOM, IDENTITY).callbacks == (("QDG6eK", AES_KEY),)
        own = {"WECOM_KF_TOKEN": "kf", "WECOM_KF_ENCODING_AES_KEY": AES_KEY, "WECOM_KF_SECRET": "kf-secret"}
        assert CallbackSecrets.read(WECOM | own, IDENTITY).callbacks == (("QDG6eK", AES_KEY), ("kf", AES_KEY))
        assert ReleaseSecrets.read(WECOM | own).callbacks == (("QDG6eK", AES_KEY), ("kf", AES_KEY))
        assert ResponderSecrets.read(WECOM | own, FASTGPT).own_kf_secret == "kf-secret"
        assert ResponderSecrets.read(WECOM, FASTGPT).own_kf_secret == ""
        assert CollectorSecrets.read(WECOM | own, IDENTITY).own_kf_secret == "kf-secret"

    def test_a_callback_of_customer_services_own_is_whole(self):
        assert problems_of(CallbackSecrets.read, WECOM | {"WECOM_KF_TOKEN": "kf"}, IDENTITY) == [
            "WECOM_KF_ENCODING_AES_KEY (in the WeCom secret) is missing"
        ]

    def test_the_sweep_watches_a_canary_where_there_is_one(self):
        assert SweeperSettings.read(SWEEPER).canary_alarms == ()
        canary = {"CANARY_ALARM": "app", "CANARY_KF_ALARM": "kf", "FASTGPT_CANARY_APP_ID": "0123456789abcdef01234567"}
        assert SweeperSettings.read(SWEEPER | canary).canary_alarms == ("app", "kf")

    def test_a_release_is_tried_for_one_colleague(self):
        assert ReleaseSettings.read(RELEASE).member == "lin.mei"
        assert problems_of(ReleaseSettings.read, RELEASE | {"RELEASE_CHECK_USER": "lin.mei|he.yun"}) == [
            "RELEASE_CHECK_USER must be one user id"
        ]

    def test_the_ticket_systems_are_read(self):
        secrets = TicketsSecrets.read(WECOM, {"TICKET_WEBHOOK_SECRET": "shared"})
        assert (secrets.wecom_secret, secrets.webhook_secret) == ("an-invented-secret", "shared")
        assert problems_of(TicketsSecrets.read, WECOM, {}) == [
            "TICKET_WEBHOOK_SECRET (in the ticket secret) is missing"
        ]

    @pytest.mark.parametrize("read", [ResponderSecrets.read, CollectorSecrets.read, TicketsSecrets.read])
    def test_whoever_calls_wecom_is_told_of_the_proxy(self, read: Any):
        others = FASTGPT | IDENTITY | {"TICKET_WEBHOOK_SECRET": "shared"}
        proxy = "http://desk:p%40ss@proxy.example.com:3128"
        assert read(WECOM, others).egress_proxy_url == ""
        assert read(WECOM | {"EGRESS_PROXY_URL": proxy}, others).egress_proxy_url == proxy

    @pytest.mark.parametrize(
        "value",
        [
            "proxy.example.com:3128",
            "socks5://proxy.example.com",
            "http://proxy.example.com/path",
            "http://desk:p@ss@proxy.example.com",
            "http://proxy.example.com:66000",
            "http://proxy.example.com:3128?a=b",
        ],
    )
    def test_a_proxys_address_that_is_none_is_refused_and_not_shown(self, value: str):
        (problem,) = problems_of(ResponderSecrets.read, WECOM | {"EGRESS_PROXY_URL": value}, FASTGPT)
        assert problem.startswith("EGRESS_PROXY_URL (in the WeCom secret) must be ")
        assert "example" not in problem
        (problem,) = local_problems({"EGRESS_PROXY_URL": value})
        assert problem.startswith("EGRESS_PROXY_URL must be ")

    def test_the_light_app_is_optional(self):
        assert ResponderSecrets.read(WECOM, FASTGPT).fastgpt_lite_api_key == ""
        assert ResponderSecrets.read(WECOM, FASTGPT | {"FASTGPT_LITE_API_KEY": "lite"}).fastgpt_lite_api_key == "lite"

    def test_the_problems_of_all_secrets_are_named_with_the_place(self):
        assert problems_of(CallbackSecrets.read, {}, {}) == [
            "WECOM_TOKEN (in the WeCom secret) is missing",
            "WECOM_ENCODING_AES_KEY (in the WeCom secret) is missing",
            "CONVERSATION_KEY (in the identity secret) is missing",
        ]
        assert problems_of(ResponderSecrets.read, {}, {}) == [
            "WECOM_SECRET (in the WeCom secret) is missing",
            "FASTGPT_API_KEY (in the FastGPT secret) is missing",
        ]

    @pytest.mark.parametrize("token", ["a" * 33, "with space", "with-dash", "é"])
    def test_a_token_is_letters_and_digits(self, token: str):
        assert problems_of(CallbackSecrets.read, WECOM | {"WECOM_TOKEN": token}, IDENTITY) == [
            "WECOM_TOKEN (in the WeCom secret) must be 1 to 32 letters and digits"
        ]

    @pytest.mark.parametrize(
        "key", [AES_KEY[:-1], AES_KEY + "C", AES_KEY + "=", "-" * 43, "é" * 43, AES_KEY[:-2] + "=="]
    )
    def test_an_aes_key_is_the_43_characters_that_wecom_shows(self, key: str):
        assert problems_of(CallbackSecrets.read, WECOM | {"WECOM_ENCODING_AES_KEY": key}, IDENTITY) == [
            "WECOM_ENCODING_AES_KEY (in the WeCom secret) must be the 43 characters that WeCom shows"
        ]

    @pytest.mark.parametrize("last", ["A", "B", "C", "D"])
    def test_an_aes_key_may_have_spare_bits(self, last: Any):
        CallbackSecrets.read(WECOM | {"WECOM_ENCODING_AES_KEY": "A" * 42 + last}, IDENTITY)

    def test_a_conversation_key_is_long(self):
        assert problems_of(CallbackSecrets.read, WECOM, {"CONVERSATION_KEY": "k" * 31}) == [
            "CONVERSATION_KEY (in the identity secret) must be at least 32 characters"
        ]

    @pytest.mark.parametrize("value", [5, None, True, ["x"], {"a": "b"}])
    def test_a_value_that_is_no_text_is_a_problem_not_a_crash(self, value: Any):
        problems = problems_of(CallbackSecrets.read, WECOM | {"WECOM_TOKEN": value}, IDENTITY)
        assert problems == ["WECOM_TOKEN (in the WeCom secret) must be a text"]

    @pytest.mark.parametrize("value", ["with space", "tab\tinside", "密钥", "line\nbreak"])
    def test_a_vendors_key_is_visible_ascii(self, value: Any):
        assert problems_of(ResponderSecrets.read, {"WECOM_SECRET": value}, {"FASTGPT_API_KEY": value}) == [
            "WECOM_SECRET (in the WeCom secret) must be printable ASCII without spaces",
            "FASTGPT_API_KEY (in the FastGPT secret) must be printable ASCII without spaces",
        ]


class TestLocalRun:
    def test_nothing_set_is_nothing_wrong(self):
        assert local_problems({}) == []
        assert local_problems({"WECOM_TOKEN": " ", "FRONTDESK_PORT": ""}) == []

    def test_whole_vendors_are_nothing_wrong(self):
        environ = {
            "WECOM_CORP_ID": "ww0a1b2c3d4e5f6a7b",
            "WECOM_AGENT_ID": "1000002",
            **WECOM,
            "FASTGPT_BASE_URL": "https://fastgpt.example.invalid/api",
            "FASTGPT_APP_ID": "0123456789abcdef01234567",
            **FASTGPT,
            "WECOM_API_BASE": WECOM_API_BASE,
            "SESSION_TTL_SECONDS": "900",
            "SESSION_IDLE_SECONDS": "600",
            "INTERIM_AFTER_SECONDS": "0",
            "FRONTDESK_PORT": "8080",
            "AWS_LOCAL_PORT": "4566",
        }
        assert local_problems(environ) == []

    def test_half_a_vendor_is_told_what_the_other_half_is(self):
        assert local_problems({"WECOM_CORP_ID": "ww0a1b2c3d4e5f6a7b"}) == [
            "WECOM_AGENT_ID is missing",
            "WECOM_SECRET is missing",
            "WECOM_TOKEN is missing",
            "WECOM_ENCODING_AES_KEY is missing",
        ]
        assert local_problems({"FASTGPT_API_KEY": "key"}) == [
            "FASTGPT_BASE_URL is missing",
            "FASTGPT_APP_ID is missing",
        ]

    def test_what_goes_together_is_told_together(self):
        whole = {
            "WECOM_CORP_ID": "ww0a1b2c3d4e5f6a7b",
            "WECOM_AGENT_ID": "1000002",
            **WECOM,
            "FASTGPT_BASE_URL": "https://fastgpt.example.invalid/api",
            "FASTGPT_APP_ID": "0123456789abcdef01234567",
            **FASTGPT,
        }
        assert local_problems(whole | {"WECOM_KF_TOKEN": "kf"}) == ["WECOM_KF_ENCODING_AES_KEY is missing"]
        assert local_problems(whole | {"FASTGPT_LITE_API_KEY": "lite"}) == ["FASTGPT_LITE_APP_ID is missing"]
        lite = {"FASTGPT_LITE_API_KEY": "lite", "FASTGPT_LITE_APP_ID": "0123456789abcdef01234567"}
        assert local_problems(whole | lite) == []
        (told,) = local_problems(lite)
        assert told.startswith("FASTGPT_LITE_API_KEY, FASTGPT_LITE_APP_ID: only with FASTGPT_BASE_URL,")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("HANDOFF_THRESHOLD", "2"),
            ("HANDOFF_TRIGGERS", "whim"),
            ("HANDOFF_AGENTS", "zhou min"),
            ("KF_HANDOFF_TO", "anybody"),
            ("SATISFACTION_CHANNELS", "fax"),
            ("TICKET_WEBHOOK_URL", "nowhere"),
        ],
    )
    def test_what_a_hand_over_cannot_mean_is_told(self, name: str, value: str):
        (told,) = local_problems({name: value})
        assert told.startswith(f"{name} must be")
        assert value not in told.removeprefix(f"{name} must be an http(s) address without a query")

    @pytest.mark.parametrize(
        ("name", "bounds"),
        [
            ("HANDOFF_TIMEOUT_SECONDS", "30 to 3600"),
            ("SESSION_TTL_SECONDS", "1 to 86400"),
            ("SESSION_IDLE_SECONDS", "1 to 86400"),
            ("INTERIM_AFTER_SECONDS", "0 to 100"),
            ("FRONTDESK_PORT", "1 to 65535"),
            ("AWS_LOCAL_PORT", "1 to 65535"),
        ],
    )
    def test_a_number_out_of_bounds_is_told(self, name: str, bounds: str):
        assert local_problems({name: "99999999"}) == [f"{name} must be a whole number from {bounds}"]

    def test_a_session_must_be_archived_before_it_ends(self):
        told = ["SESSION_IDLE_SECONDS must be less than SESSION_TTL_SECONDS"]
        assert local_problems({"SESSION_IDLE_SECONDS": "900"}) == told
        assert local_problems({"SESSION_TTL_SECONDS": "600"}) == told
        assert local_problems({"SESSION_TTL_SECONDS": "1000", "SESSION_IDLE_SECONDS": "999"}) == []

    def test_all_problems_are_told_at_once(self):
        problems = local_problems({"WECOM_API_BASE": "nowhere", "FRONTDESK_PORT": "http", "AWS_LOCAL_PORT": "0"})
        assert [problem.split()[0] for problem in problems] == ["WECOM_API_BASE", "FRONTDESK_PORT", "AWS_LOCAL_PORT"]


# Each kind of secret under each name: marked so that none can stand in our own sentences by chance.
SECRETS = st.one_of(
    st.text(min_size=1).map(lambda words: f"§{words}§"),
    st.integers(10**17, 10**40).map(str),
    st.from_regex(r"(ww|wx)[0-9]{20}[0-9a-zA-Z]{0,8}", fullmatch=True),
    st.binary(min_size=32, max_size=32).map(lambda key: "0" + key.hex()),
)


@given(st.fixed_dictionaries(dict.fromkeys(RESPONDER | CALLBACK | ARCHIVER | WECOM | IDENTITY | FASTGPT, SECRETS)))
def test_no_value_is_ever_told(values: dict[str, str]):
    told = local_problems(values)
    for read, count in (
        (CallbackSettings.read, 1),
        (ResponderSettings.read, 1),
        (ArchiverSettings.read, 1),
        (CallbackSecrets.read, 2),
        (ResponderSecrets.read, 2),
    ):
        try:
            read(*[values] * count)
        except SettingsError as error:
            told += [str(error), *error.problems]
    text = "\n".join(told)
    assert "WECOM_AGENT_ID must be" in text
    assert "§" not in text
    assert not [value for value in values.values() if value in text]
