"""What each of WeCom's error codes leads to."""

from __future__ import annotations

import pytest

from frontdesk.channels.wecom_errcodes import Policy, Trouble, classify, failure, is_explained, trouble
from frontdesk.errors import (
    AllowanceError,
    MisconfiguredError,
    NobodyError,
    PermanentError,
    TakenOverError,
    TransientError,
)


@pytest.mark.parametrize(
    ("policy", "codes"),
    [
        (Policy.DONE, [0]),
        (Policy.RENEW, [40001, 40014, 42001]),
        (Policy.REPEAT, [-1, 6000]),
        (Policy.WAIT, [45009, 45033]),
        (Policy.DROP, [40003, 40008, 40033, 40058, 44004, 45002, 46004, 60011, 60111, 81013, 82001, 82004, 85002]),
        (Policy.ASK_A_PERSON, [40013, 40056, 40091, 41002, 41004, 48001, 48002, 50003, 60020, 84074, 301002]),
        (Policy.DROP, [1, 99999, -2]),
    ],
)
def test_each_code_has_its_policy(policy: Policy, codes: list[int]):
    assert {code: classify(code) for code in codes} == dict.fromkeys(codes, policy)


def test_a_refused_credential_means_a_wrong_secret_when_a_token_was_asked_for():
    assert classify(40001, fetching_token=True) is Policy.ASK_A_PERSON
    assert classify(40001) is Policy.RENEW


@pytest.mark.parametrize(
    ("errcode", "fetching_token", "found"),
    [
        (60020, False, Trouble.ADDRESS),
        (60020, True, Trouble.ADDRESS),
        *((errcode, False, Trouble.TOKEN) for errcode in (40001, 40014, 42001)),
        *((errcode, True, Trouble.TOKEN) for errcode in (40001, 40013, 40091, 41002, 41004)),
        *((errcode, fetching, Trouble.QUOTA) for errcode in (45009, 45033) for fetching in (False, True)),
        *((errcode, False, None) for errcode in (0, -1, 40003, 48002, 81013, 95001, 301002)),
        (0, True, None),
        (-1, True, None),
    ],
)
def test_what_an_answer_tells_of_the_whole_connection(errcode: int, *, fetching_token: bool, found: Trouble | None):
    assert trouble(errcode, fetching_token=fetching_token) == found


def test_success_is_no_failure():
    assert failure("message/send", 0) is None


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [
        (-1, TransientError),
        (45009, TransientError),
        (40014, TransientError),
        (60020, MisconfiguredError),
        (60111, PermanentError),
        (123456, PermanentError),
    ],
)
def test_a_failure_has_the_kind_and_the_code_of_its_policy(errcode: int, kind: type[Exception]):
    error = failure("message/send", errcode)

    assert type(error) is kind
    assert error.code == f"wecom_{errcode}"
    assert str(errcode) in str(error)


def test_a_limit_per_minute_is_waited_out():
    limit, crowd = failure("message/send", 45009), failure("message/send", 45033)

    assert isinstance(limit, TransientError)
    assert isinstance(crowd, TransientError)
    assert limit.retry_after_s == 60
    assert 0 < crowd.retry_after_s < 10


@pytest.mark.parametrize(
    ("errcode", "advice"), [(60020, "trusted IPs"), (40056, "WECOM_AGENT_ID"), (301002, "WECOM_SECRET")]
)
def test_what_a_person_must_change_is_said(errcode: int, advice: str):
    assert advice in str(failure("message/send", errcode))


def test_a_wrong_secret_is_said_to_be_one():
    error = failure("gettoken", 40001, fetching_token=True)

    assert type(error) is MisconfiguredError
    assert "WECOM_SECRET" in str(error)


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [
        (95001, AllowanceError),
        (95002, AllowanceError),
        (95013, TakenOverError),
        (95018, TakenOverError),
        (95014, NobodyError),
        (95019, NobodyError),
        (95016, PermanentError),
        (95007, PermanentError),
        (41050, AllowanceError),
        (95011, MisconfiguredError),
        (95012, MisconfiguredError),
    ],
)
def test_a_refusal_of_customer_service_has_the_kind_of_what_it_means(errcode: int, kind: type[Exception]):
    error = failure("kf/send_msg", errcode)

    assert type(error) is kind
    assert error.code == f"wecom_{errcode}"


@pytest.mark.parametrize("errcode", [48007, 95000, 95004])
def test_only_fetching_tells_one_account_from_all(errcode: int):
    assert type(failure("kf/sync_msg", errcode)) is PermanentError


@pytest.mark.parametrize("errcode", [48007, 95004])
def test_an_account_that_is_not_ours_is_a_misconfiguration_of_any_other_call(errcode: int):
    assert type(failure("kf/send_msg", errcode)) is MisconfiguredError


@pytest.mark.parametrize(
    ("errcode", "explained"),
    [(95001, True), (95018, True), (95016, True), (60020, True), (40096, True), (40058, False), (95099, False)],
)
def test_a_refusal_is_explained_where_the_documentation_says_what_it_means(errcode: int, *, explained: bool):
    error = failure("kf/send_msg", errcode)

    assert isinstance(error, PermanentError)
    assert is_explained(error) is explained
