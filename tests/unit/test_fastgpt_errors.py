from __future__ import annotations

import json

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.errors_table import LONGEST_WAIT_S, Refusal, classify
from frontdesk.fastgpt.reply import ReplyReader

SPOKEN = "我的身份证号是 110101199003070000"
LIMIT_TEXT = "Rate limit exceeded. Maximum 500 requests per 60 seconds for this team. Please try again in 41 seconds."

# statusText, code, HTTP status, our class, our code: the whole table of FastGPT 4.16
LISTED = [
    ("unAuthApiKey", 514, 500, MisconfiguredError, "fastgpt_key_unknown"),
    ("unAuthorization", 403, 403, MisconfiguredError, "fastgpt_credentials_refused"),
    ("unAuthApp", 502001, 500, MisconfiguredError, "fastgpt_app_forbidden"),
    ("appUnExist", 502000, 500, MisconfiguredError, "fastgpt_app_unknown"),
    ("unAuthChat", 504000, 500, PermanentError, "fastgpt_chat_forbidden"),
    ("chatIsGenerating", 504001, 500, TransientError, "fastgpt_chat_busy"),
    ("aiPointsNotEnough", 500004, 500, MisconfiguredError, "fastgpt_out_of_points"),
    ("insufficientQuota", 510, 500, MisconfiguredError, "fastgpt_out_of_quota"),
    ("unAuthModel", 511, 500, MisconfiguredError, "fastgpt_model_forbidden"),
    ("unAuthFile", 507003, 500, PermanentError, "fastgpt_file_forbidden"),
    ("unAuthFile", 513, 500, PermanentError, "fastgpt_file_forbidden"),
    ("tooManyRequest", 429, 429, TransientError, "fastgpt_too_many_requests"),
    ("uploadFileIntervalLimit", 429, 429, TransientError, "fastgpt_too_many_uploads"),
    ("commercialFeature", 509001, 403, MisconfiguredError, "fastgpt_commercial_only"),
    ("fileNotFound", 507002, 404, PermanentError, "fastgpt_file_unknown"),
    ("missingParams", 507004, 500, PermanentError, "fastgpt_params_missing"),
    ("invalidParams", 507000, 500, PermanentError, "fastgpt_params_invalid"),
    ("unAuthDataset", 501004, 500, MisconfiguredError, "fastgpt_dataset_forbidden"),
    ("unExistDataset", 501002, 500, MisconfiguredError, "fastgpt_dataset_unknown"),
    ("unExistCollection", 501003, 500, MisconfiguredError, "fastgpt_collection_unknown"),
    ("datasetSizeNotEnough", 500005, 500, MisconfiguredError, "fastgpt_dataset_full"),
    ("outlinkUnExist", 505000, 500, MisconfiguredError, "fastgpt_link_unknown"),
    ("linkUnInvalid", 501, 500, MisconfiguredError, "fastgpt_link_invalid"),
    ("unPermission", 500001, 500, MisconfiguredError, "fastgpt_no_permission"),
]
UNLISTED = [
    ("error", 429, 429, TransientError, "fastgpt_team_limit"),
    ("error", 400, 400, PermanentError, "fastgpt_request_invalid"),
    ("error", 500, 500, TransientError, "fastgpt_server_error"),
]
ROWS = LISTED + UNLISTED
row = pytest.mark.parametrize(("name", "number", "http_status", "kind", "code"), ROWS)
listed_row = pytest.mark.parametrize(("name", "number", "http_status", "kind", "code"), LISTED)


def error_of(body: bytes, http_status: int = 200) -> FrontdeskError:
    reader = ReplyReader(http_status=http_status)
    reader.feed(body)
    with pytest.raises(FrontdeskError) as raised:
        reader.finish()
    assert SPOKEN not in str(raised.value) + repr(raised.value)
    return raised.value


def entry(name: str | None, number: int | None, message: str = SPOKEN) -> bytes:
    fields = {"code": number, "statusText": name, "message": message, "data": None}
    return json.dumps({key: value for key, value in fields.items() if value is not None or key == "data"}).encode()


def event(data: bytes) -> bytes:
    return b"event: error\ndata: " + data + b"\n\n"


@row
def test_a_json_error_means_what_the_table_says(
    name: str, number: int, http_status: int, kind: type[FrontdeskError], code: str
) -> None:
    error = error_of(entry(name, number), http_status)

    assert (type(error), error.code) == (kind, code)


@row
def test_a_json_error_means_the_same_where_every_error_is_http_500(
    name: str, number: int, http_status: int, kind: type[FrontdeskError], code: str
) -> None:
    assert error_of(entry(name, number), 500).code == code


@row
def test_an_error_event_in_http_200_means_the_same(
    name: str, number: int, http_status: int, kind: type[FrontdeskError], code: str
) -> None:
    error = error_of(event(entry(name, number)))

    assert (type(error), error.code) == (kind, code)


@listed_row
def test_the_name_counts_when_the_number_has_moved(
    name: str, number: int, http_status: int, kind: type[FrontdeskError], code: str
) -> None:
    assert error_of(entry(name, 999_123), http_status).code == code
    assert error_of(event(entry(name, None))).code == code


@listed_row
def test_a_message_that_is_a_listed_name_stands_for_it(
    name: str, number: int, http_status: int, kind: type[FrontdeskError], code: str
) -> None:
    assert error_of(event(entry(None, None, name))).code == code


@pytest.mark.parametrize("name", [None, "", "error", "someNameOfTomorrow"])
@pytest.mark.parametrize(
    ("number", "code"),
    [(row[1], row[4]) for row in ROWS if row[0] not in {"tooManyRequest", "uploadFileIntervalLimit"}],
)
def test_the_number_counts_when_the_name_is_not_listed(name: str | None, number: int, code: str) -> None:
    assert error_of(entry(name, number), 500).code == code


def test_an_error_event_with_a_text_alone_may_pass() -> None:
    error = error_of(event(b'{"message":"Connection error."}'))

    assert (type(error), error.code) == (TransientError, "fastgpt_server_error")


def test_an_error_event_that_is_no_json_is_still_an_error() -> None:
    assert isinstance(error_of(event(SPOKEN.encode())), TransientError)


@pytest.mark.parametrize("number", [None, 500, 777_777])
def test_an_unlisted_server_error_may_pass(number: int | None) -> None:
    error = error_of(entry("error", number), 500)

    assert (type(error), error.code) == (TransientError, "fastgpt_server_error")


@pytest.mark.parametrize(("number", "code"), [(404, "fastgpt_wrong_address"), (418, "fastgpt_request_refused")])
def test_an_unlisted_number_of_the_http_kind_counts_before_the_status(number: int, code: str) -> None:
    assert error_of(entry("error", number), 500).code == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Key is error. You need to use the app key rather than the account key.", "fastgpt_key_kind"),
        ("appId is empty", "fastgpt_app_missing"),
        ("app is empty", "fastgpt_app_unknown"),
    ],
)
def test_a_settings_mistake_that_looks_like_an_accident_is_told_by_its_exact_text(message: str, code: str) -> None:
    error = error_of(entry("error", 500, message), 500)

    assert (type(error), error.code) == (MisconfiguredError, code)


@pytest.mark.parametrize(
    ("http_status", "kind", "code"),
    [
        (302, MisconfiguredError, "fastgpt_redirected"),
        (401, MisconfiguredError, "fastgpt_access_refused"),
        (403, MisconfiguredError, "fastgpt_access_refused"),
        (404, MisconfiguredError, "fastgpt_wrong_address"),
        (405, MisconfiguredError, "fastgpt_wrong_address"),
        (408, TransientError, "fastgpt_unavailable"),
        (409, PermanentError, "fastgpt_request_refused"),
        (413, PermanentError, "fastgpt_request_too_large"),
        (429, TransientError, "fastgpt_too_many_requests"),
        (500, TransientError, "fastgpt_server_error"),
        (502, TransientError, "fastgpt_unavailable"),
        (503, TransientError, "fastgpt_unavailable"),
        (504, TransientError, "fastgpt_unavailable"),
        (599, TransientError, "fastgpt_unavailable"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html><h1>nginx</h1></html>", b"{}", b"data: x\n\n", b"[1]"])
def test_a_proxys_reply_is_judged_by_its_status(
    http_status: int, kind: type[FrontdeskError], code: str, body: bytes
) -> None:
    error = error_of(body, http_status)

    assert (type(error), error.code) == (kind, code)


def test_a_busy_chat_is_worth_asking_again_in_three_seconds() -> None:
    error = classify(Refusal(status_text="chatIsGenerating"))

    assert isinstance(error, TransientError)
    assert error.retry_after_s == 3.0


@pytest.mark.parametrize(
    ("refusal", "wait_s"),
    [
        (Refusal(code=429, message=LIMIT_TEXT), 41.0),
        (Refusal(status_text="tooManyRequest", message="Too many request, request 1 times every 9 seconds"), 9.0),
        (Refusal(code=429, message="Please try again in 999999 seconds."), LONGEST_WAIT_S),
        (Refusal(code=429, message=""), 5.0),
        (Refusal(code=429, message="", retry_after_s=17.0), 17.0),
        (Refusal(http_status=503, retry_after_s=8.0), 8.0),
        (Refusal(http_status=503, retry_after_s=9_999.0), LONGEST_WAIT_S),
        (Refusal(http_status=503), 0.0),
        (Refusal(code=500, message="Please try again in 41 seconds."), 0.0),
    ],
)
def test_the_wait_is_what_the_server_names_within_reason(refusal: Refusal, wait_s: float) -> None:
    error = classify(refusal)

    assert isinstance(error, TransientError)
    assert error.retry_after_s == wait_s


def test_an_errors_text_gives_the_numbers_and_nothing_that_was_sent() -> None:
    error = classify(Refusal(status_text=SPOKEN, code=514, message=SPOKEN, http_status=500))

    assert str(error) == "FastGPT does not know the API key (HTTP 500, code 514)"


def test_a_number_that_cannot_be_a_code_is_not_repeated() -> None:
    assert str(classify(Refusal(code=110101199003070000, http_status=500))) == "FastGPT failed (HTTP 500)"
