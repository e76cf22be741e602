"""FastGPT's errors and the two forms they reach a caller in: a JSON envelope, or one event of a stream.

A listed error has a stable `statusText` and a code that depends on its place in the list; `message` is then an
untranslated translation key. An unlisted one is `statusText: "error"`, code 500 and free text. Source: labring/FastGPT
`packages/global/common/error`, `packages/service/common/response`. Where the key of a listed error's text was not
established, ours has the same form; no client should read it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from simulators.fastgpt.dialect import Dialect

_LISTED: dict[str, tuple[int, int, str]] = {
    # statusText: code, HTTP status when the code is no 4xx, message
    "unAuthApiKey": (514, 500, "common:code_error.error_message.514"),
    "unAuthorization": (403, 403, "common:code_error.error_message.403"),
    "unAuthApp": (502001, 500, "common:code_error.app_error.un_auth_app"),
    "appUnExist": (502000, 500, "common:code_error.app_error.not_exist"),
    "unAuthChat": (504000, 500, "common:code_error.chat_error.un_auth"),
    "chatIsGenerating": (504001, 500, "common:code_error.chat_error.chat_is_generating"),
    "aiPointsNotEnough": (500004, 500, "common:code_error.team_error.ai_points_not_enough"),
    "insufficientQuota": (510, 500, "common:code_error.error_message.510"),
    "unAuthModel": (511, 500, "common:code_error.error_message.511"),
    "unAuthFile": (507003, 500, "common:code_error.file_error.un_auth_file"),
    "tooManyRequest": (429, 429, "common:code_error.error_message.429"),
    "uploadFileIntervalLimit": (429, 429, "common:code_error.upload_file_interval_limit"),
    "commercialFeature": (509001, 403, "common:code_error.system_error.commercial_feature"),
    "fileNotFound": (507002, 404, "common:code_error.file_error.not_found"),
    "missingParams": (507004, 500, "common:code_error.common_error.missing_params"),
    "invalidParams": (507000, 500, "common:code_error.common_error.invalid_params"),
    "unAuthDataset": (501004, 500, "common:code_error.dataset_error.un_auth_dataset"),
    "unExistDataset": (501002, 500, "common:code_error.dataset_error.not_exist"),
    "unExistCollection": (501003, 500, "common:code_error.dataset_error.collection_not_exist"),
    "datasetSizeNotEnough": (500005, 500, "common:code_error.team_error.dataset_size_not_enough"),
    "outlinkUnExist": (505000, 500, "common:code_error.outlink_error.link_not_exist"),
    "linkUnInvalid": (501, 500, "common:code_error.outlink_error.invalid_link"),
    "unPermission": (500001, 500, "common:code_error.team_error.un_auth"),
}

LISTED_STATUS_TEXTS = frozenset(_LISTED)


class ApiError(Exception):
    """A request or a run that FastGPT answers with an error.

    `listed` says whether the server knows it by name; `user_error` marks those that carry `errorType: "UserError"`;
    `issues` are the fields that validation refused.
    """

    def __init__(
        self,
        message: str,
        *,
        status_text: str = "error",
        code: int = 500,
        http_status: int = 500,
        listed: bool = False,
        user_error: bool = False,
        issues: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_text = status_text
        self.code = code
        self.own_http_status = http_status
        self.listed = listed
        self.user_error = user_error
        self.issues = tuple(issues)

    def envelope(self, dialect: Dialect) -> dict[str, Any]:
        """Return the JSON body."""
        plain = dialect.plain_unlisted_errors and not self.listed
        body: dict[str, Any] = {
            "code": self.code,
            "statusText": "" if plain else self.status_text,
            "message": self.message,
            "data": None,
        }
        if self.issues:
            body["zodError"] = [dict(issue) for issue in self.issues]
        if self.user_error and not dialect.plain_unlisted_errors:
            body["errorType"] = "UserError"
        return body

    def event(self) -> dict[str, Any]:
        """Return the data of the stream's `error` event: the whole entry, or the text alone if unlisted."""
        if not self.listed:
            return {"message": self.message}
        return {
            "code": self.code,
            "statusText": self.status_text,
            "message": self.message,
            "data": None,
        }

    def http_status(self, dialect: Dialect) -> int:
        """Return the status of the JSON form."""
        if not dialect.statuses_follow_code:
            return 500
        return self.code if 400 <= self.code <= 499 else self.own_http_status

    @property
    def name(self) -> str:
        """What the log of runs calls it."""
        return self.status_text if self.listed else self.message

    @property
    def precedes_streaming(self) -> bool:
        """Whether it is answered in JSON even to a caller who asked for a stream."""
        return self.code in {400, 429}


def listed(status_text: str, message: str | None = None) -> ApiError:
    """Return the listed error of that name. Raises KeyError if there is none."""
    code, http_status, text = _LISTED[status_text]
    return ApiError(message or text, status_text=status_text, code=code, http_status=http_status, listed=True)


def refused_body(issues: Sequence[Mapping[str, Any]]) -> ApiError:
    """Return the error of a body that does not fit its schema."""
    return ApiError("Data validation error", code=400, http_status=400, issues=issues)


def team_limit(limit: int, seconds_left: int) -> ApiError:
    """Return the error of a team that asked more than its plan allows."""
    return ApiError(
        f"Rate limit exceeded. Maximum {limit} requests per 60 seconds for this team. "
        f"Please try again in {seconds_left} seconds.",
        code=429,
        http_status=429,
    )


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON as FastGPT writes it: unescaped UTF-8 on one line."""
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        status,
        headers=dict(headers or {}),
        media_type="application/json; charset=utf-8",
    )


def succeeded(data: Any) -> Response:
    """Return a success in the usual envelope."""
    return json_response({"code": 200, "statusText": "", "message": "", "data": data})


def failed(error: ApiError, dialect: Dialect, *, stream: bool = False) -> Response:
    """Return an error found before the run began.

    A caller who asked for a stream gets HTTP 200 with one `error` event and no content type, because the headers of the
    stream are only written once the run is prepared.
    """
    if stream and not error.precedes_streaming:
        data = json.dumps(error.event(), ensure_ascii=False, separators=(",", ":"))
        response = Response(f"event: error\ndata: {data}\n\n")
    else:
        response = json_response(error.envelope(dialect), error.http_status(dialect))
    if error.status_text == "unAuthorization":
        response.headers["set-cookie"] = "fastgpt_token=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
    return response
