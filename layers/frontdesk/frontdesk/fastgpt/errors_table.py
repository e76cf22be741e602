"""What each refusal of FastGPT means to us: the only place where its error names and numbers are translated.

FastGPT answers nearly every business error with HTTP 500 (before 4.14.11 all of them) and, once a stream was
asked for, with HTTP 200. So the name ``statusText`` decides, then the number ``code``, and the HTTP status last.
Numbers are positions in a list and can move between versions; names are stable (FastGPT 4.16 source,
packages/global/common/error/code/*, packages/service/common/response).

Two kinds of "no" are told apart. `MisconfiguredError`: a person must change the key, the app, the plan or the
workflow, and until then other messages fail too. `PermanentError`: it is about this one request.

The vendor's free text is read for a waiting time and compared with names; it never enters an error's text,
because it may quote what a customer wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt import untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_WAIT_S = 120.0
"""No waiting time that the other side names is believed beyond this: its own window is 60 seconds."""

_WAIT_IN_TEXT = re.compile(r"\b(?:again in|every) (\d{1,6}) seconds?\b")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is known of a reply that is no answer: any part may be missing.

    ``retry_after_s`` is the value of an HTTP ``Retry-After`` header in seconds (FastGPT sends none, a proxy may).
    """

    status_text: str = ""
    code: int | None = None
    message: str = ""
    http_status: int | None = None
    retry_after_s: float = 0.0

    @classmethod
    def read(cls, entry: Any, *, http_status: int | None = None, retry_after_s: float = 0.0) -> Refusal:
        """Return the refusal that an error object (or a bare error text) describes."""
        fields = untrusted.mapping(entry)
        return cls(
            status_text=untrusted.text(fields.get("statusText")),
            code=untrusted.integer(fields.get("code")),
            message=untrusted.text(fields.get("message")) or untrusted.text(entry),
            http_status=http_status,
            retry_after_s=retry_after_s,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Our side of one row: the error to raise. ``wait_s`` is the shortest wait that can help, when it is transient."""

    kind: type[FrontdeskError]
    code: str
    meaning: str
    wait_s: float = 0.0


_KEY_UNKNOWN = Verdict(MisconfiguredError, "fastgpt_key_unknown", "FastGPT does not know the API key")
_CREDENTIALS = Verdict(MisconfiguredError, "fastgpt_credentials_refused", "FastGPT refused the credentials")
_APP_FORBIDDEN = Verdict(MisconfiguredError, "fastgpt_app_forbidden", "the API key may not use the app")
_APP_UNKNOWN = Verdict(MisconfiguredError, "fastgpt_app_unknown", "the app does not exist")
_CHAT_FORBIDDEN = Verdict(PermanentError, "fastgpt_chat_forbidden", "the chat belongs to somebody else")
_CHAT_BUSY = Verdict(TransientError, "fastgpt_chat_busy", "the chat is still answering an earlier question", 3.0)
_OUT_OF_QUOTA = Verdict(MisconfiguredError, "fastgpt_out_of_quota", "the team has no balance left")
_MODEL_FORBIDDEN = Verdict(MisconfiguredError, "fastgpt_model_forbidden", "the team may not use the model")
_FILE_FORBIDDEN = Verdict(PermanentError, "fastgpt_file_forbidden", "a file may not be read")
_FILE_UNKNOWN = Verdict(PermanentError, "fastgpt_file_unknown", "a file does not exist")
_TOO_MANY_REQUESTS = Verdict(TransientError, "fastgpt_too_many_requests", "too many requests", 5.0)
_TOO_MANY_UPLOADS = Verdict(TransientError, "fastgpt_too_many_uploads", "too many uploads", 5.0)
_TEAM_LIMIT = Verdict(TransientError, "fastgpt_team_limit", "the team's requests per minute are used up", 5.0)
_INVALID = Verdict(PermanentError, "fastgpt_request_invalid", "FastGPT refused the request as invalid")
_SERVER_ERROR = Verdict(TransientError, "fastgpt_server_error", "FastGPT failed")
_COMMERCIAL = Verdict(MisconfiguredError, "fastgpt_commercial_only", "the app needs the commercial edition")
_DATASET_FORBIDDEN = Verdict(MisconfiguredError, "fastgpt_dataset_forbidden", "a knowledge base may not be read")
_DATASET_UNKNOWN = Verdict(MisconfiguredError, "fastgpt_dataset_unknown", "a knowledge base does not exist")
_COLLECTION_UNKNOWN = Verdict(MisconfiguredError, "fastgpt_collection_unknown", "a collection does not exist")
_DATASET_FULL = Verdict(MisconfiguredError, "fastgpt_dataset_full", "the plan's knowledge base size is used up")
_LINK_UNKNOWN = Verdict(MisconfiguredError, "fastgpt_link_unknown", "the share link does not exist")
_LINK_INVALID = Verdict(MisconfiguredError, "fastgpt_link_invalid", "the share link is not valid")
_NO_PERMISSION = Verdict(MisconfiguredError, "fastgpt_no_permission", "the API key's owner lacks a permission")
_ANSWER_UNKNOWN = Verdict(PermanentError, "fastgpt_answer_unknown", "FastGPT keeps no answer of that id in the chat")
_PARAMS_MISSING = Verdict(PermanentError, "fastgpt_params_missing", "FastGPT misses a parameter")
_PARAMS_INVALID = Verdict(PermanentError, "fastgpt_params_invalid", "FastGPT refused a parameter")
_KEY_KIND = Verdict(MisconfiguredError, "fastgpt_key_kind", "this version wants the app's own API key")
_APP_MISSING = Verdict(MisconfiguredError, "fastgpt_app_missing", "the request reached FastGPT without an app id")
_WRONG_ADDRESS = Verdict(MisconfiguredError, "fastgpt_wrong_address", "nothing answers for FastGPT at the address")
_REDIRECTED = Verdict(MisconfiguredError, "fastgpt_redirected", "the address redirects; the key was not sent on")
_PROXY_REFUSED = Verdict(MisconfiguredError, "fastgpt_access_refused", "access to FastGPT was refused on the way")
_TOO_LARGE = Verdict(PermanentError, "fastgpt_request_too_large", "the request is too large")
_REFUSED = Verdict(PermanentError, "fastgpt_request_refused", "FastGPT refused the request")
_UNAVAILABLE = Verdict(TransientError, "fastgpt_unavailable", "FastGPT is restarting or not reachable by its proxy")
_UNREADABLE = Verdict(TransientError, "fastgpt_reply_unreadable", "the reply is none that FastGPT gives")

_OUT_OF_POINTS = Verdict(MisconfiguredError, "fastgpt_out_of_points", "the team has no AI points left")

_BY_STATUS_TEXT: Mapping[str, Verdict] = {
    "unAuthApiKey": _KEY_UNKNOWN,
    "unAuthorization": _CREDENTIALS,
    "unAuthApp": _APP_FORBIDDEN,
    "appUnExist": _APP_UNKNOWN,
    "unAuthChat": _CHAT_FORBIDDEN,
    "chatIsGenerating": _CHAT_BUSY,
    "aiPointsNotEnough": _OUT_OF_POINTS,
    "insufficientQuota": _OUT_OF_QUOTA,
    "unAuthModel": _MODEL_FORBIDDEN,
    "unAuthFile": _FILE_FORBIDDEN,
    "fileNotFound": _FILE_UNKNOWN,
    "tooManyRequest": _TOO_MANY_REQUESTS,
    "uploadFileIntervalLimit": _TOO_MANY_UPLOADS,
    "commercialFeature": _COMMERCIAL,
    "missingParams": _PARAMS_MISSING,
    "invalidParams": _PARAMS_INVALID,
    "unAuthDataset": _DATASET_FORBIDDEN,
    "unExistDataset": _DATASET_UNKNOWN,
    "unExistCollection": _COLLECTION_UNKNOWN,
    "datasetSizeNotEnough": _DATASET_FULL,
    "outlinkUnExist": _LINK_UNKNOWN,
    "linkUnInvalid": _LINK_INVALID,
    "unPermission": _NO_PERMISSION,
}

_BY_CODE: Mapping[int, Verdict] = {
    400: _INVALID,
    403: _CREDENTIALS,
    429: _TEAM_LIMIT,
    500: _SERVER_ERROR,
    501: _LINK_INVALID,
    510: _OUT_OF_QUOTA,
    511: _MODEL_FORBIDDEN,
    513: _FILE_FORBIDDEN,
    514: _KEY_UNKNOWN,
    500001: _NO_PERMISSION,
    500004: _OUT_OF_POINTS,
    500005: _DATASET_FULL,
    501002: _DATASET_UNKNOWN,
    501003: _COLLECTION_UNKNOWN,
    501004: _DATASET_FORBIDDEN,
    502000: _APP_UNKNOWN,
    502001: _APP_FORBIDDEN,
    504000: _CHAT_FORBIDDEN,
    504001: _CHAT_BUSY,
    505000: _LINK_UNKNOWN,
    507000: _PARAMS_INVALID,
    507002: _FILE_UNKNOWN,
    507003: _FILE_FORBIDDEN,
    507004: _PARAMS_MISSING,
    509001: _COMMERCIAL,
}

# Mistakes that FastGPT reports as "error, 500" like any accident; only these exact texts tell them apart.
_BY_MESSAGE: Mapping[str, Verdict] = {
    "Key is error. You need to use the app key rather than the account key.": _KEY_KIND,
    "appId is empty": _APP_MISSING,
    "app is empty": _APP_UNKNOWN,
    "Chat item not found": _ANSWER_UNKNOWN,
}

_BY_HTTP_STATUS: Mapping[int, Verdict] = {
    400: _INVALID,
    401: _PROXY_REFUSED,
    403: _PROXY_REFUSED,
    404: _WRONG_ADDRESS,
    405: _WRONG_ADDRESS,
    407: _PROXY_REFUSED,
    408: _UNAVAILABLE,
    410: _WRONG_ADDRESS,
    413: _TOO_LARGE,
    425: _UNAVAILABLE,
    429: _TOO_MANY_REQUESTS,
    500: _SERVER_ERROR,
}


_MISCONFIGURED = frozenset(
    verdict.code
    for table in (_BY_STATUS_TEXT, _BY_CODE, _BY_MESSAGE, _BY_HTTP_STATUS, {"": _REDIRECTED})
    for verdict in table.values()
    if verdict.kind is MisconfiguredError
)


def needs_person(code: str) -> bool:
    """Return whether the error of this code is over only when a person has changed something."""
    return code in _MISCONFIGURED


def classify(refusal: Refusal) -> FrontdeskError:
    """Return the error that ``refusal`` means, ready to be raised."""
    verdict = listed(refusal) or _by_number(refusal)
    numbers = [
        f"{name} {value}"
        for name, value in (("HTTP", refusal.http_status), ("code", refusal.code))
        if value is not None and 0 <= value <= 999_999
    ]
    text = f"{verdict.meaning} ({', '.join(numbers)})" if numbers else verdict.meaning
    if verdict.kind is TransientError:
        return TransientError(text, code=verdict.code, retry_after_s=_wait_s(verdict, refusal))
    return verdict.kind(text, code=verdict.code)


def listed(refusal: Refusal) -> Verdict | None:
    """Return the row that the refusal names, or None when only numbers can tell.

    A message that equals an error's name stands for that error: FastGPT itself looks thrown texts up in its list.
    """
    return (
        _BY_STATUS_TEXT.get(refusal.status_text)
        or _BY_STATUS_TEXT.get(refusal.message)
        or _BY_MESSAGE.get(refusal.message)
    )


def _by_number(refusal: Refusal) -> Verdict:
    if refusal.code is not None and refusal.code != 200:
        verdict = _BY_CODE.get(refusal.code)
        if verdict is not None:
            return verdict
        if 400 <= refusal.code < 500:
            return _by_http_status(refusal.code)
    if refusal.http_status is not None and refusal.http_status >= 300:
        return _by_http_status(refusal.http_status)
    return _SERVER_ERROR if refusal.message or refusal.code else _UNREADABLE


def _by_http_status(status: int) -> Verdict:
    verdict = _BY_HTTP_STATUS.get(status)
    if verdict is not None:
        return verdict
    if status < 400:
        return _REDIRECTED
    return _REFUSED if status < 500 else _UNAVAILABLE


def _wait_s(verdict: Verdict, refusal: Refusal) -> float:
    """Return the server's own word on when to come back, where it gave one, else the row's."""
    named = _WAIT_IN_TEXT.search(refusal.message) if verdict in (_TEAM_LIMIT, _TOO_MANY_REQUESTS) else None
    wait_s = float(named[1]) if named else max(verdict.wait_s, refusal.retry_after_s)
    return min(wait_s, LONGEST_WAIT_S)
