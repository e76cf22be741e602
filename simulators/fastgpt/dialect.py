"""What differs between FastGPT versions, as seen by a caller. One flag a difference; no behaviour."""

from dataclasses import dataclass

from simulators.fastgpt.settings import Version


@dataclass(frozen=True, slots=True)
class Dialect:
    """The habits of one version. Source: the public code of labring/FastGPT at the tags named at the bottom."""

    statuses_follow_code: bool
    """An error's HTTP status is its code when that is 4xx, or its own; before 4.14.11 it is always 500."""
    plain_unlisted_errors: bool
    """Errors outside the list have an empty `statusText` (up to 4.13.1)."""
    checks_body: bool
    """The body is validated field by field, answered with 400 (zod)."""
    limits_rate: bool
    """A team has a limit of completions a minute (since 4.14.1)."""
    locks_chats: bool
    """A chat that is generating refuses a second question (v1 since 4.15)."""
    unique_item_ids: bool
    """`responseChatItemId` must be new in the chat; question and answer share it (4.15)."""
    makes_titles: bool
    """The first round of a chat gets a title (4.15)."""
    call_names_app: bool
    """`appId` of the call wins over the key's own app, and endpoints require it (4.15)."""
    done_last: bool
    """`[DONE]` comes after `flowResponses` (4.14.11); before it otherwise."""
    scores_are_lists: bool
    """A quote's score is a list with types; a bare number in the oldest form."""
    reasoning_in_json: bool
    """The non-stream answer has `reasoning_content` (v1 since 4.14.4)."""
    error_is_text: bool
    """The non-stream answer's top-level `error` is a text (since 4.14.4), or an object."""
    key_health: bool
    """GET /support/openapi/health exists (since 4.13.2)."""
    request_ids: bool
    """Responses carry `x-request-id`."""


_DIALECTS: dict[Version, Dialect] = {
    # v4.12.1-fix (2025-08-15)
    "4.12": Dialect(
        statuses_follow_code=False,
        plain_unlisted_errors=True,
        checks_body=False,
        limits_rate=False,
        locks_chats=False,
        unique_item_ids=False,
        makes_titles=False,
        call_names_app=False,
        done_last=False,
        scores_are_lists=False,
        reasoning_in_json=False,
        error_is_text=False,
        key_health=False,
        request_ids=False,
    ),
    # v4.14.10.1 (2026-04-01)
    "4.14": Dialect(
        statuses_follow_code=False,
        plain_unlisted_errors=False,
        checks_body=False,
        limits_rate=True,
        locks_chats=False,
        unique_item_ids=False,
        makes_titles=False,
        call_names_app=False,
        done_last=False,
        scores_are_lists=True,
        reasoning_in_json=True,
        error_is_text=True,
        key_health=True,
        request_ids=False,
    ),
    # main at f88b51b5c (2026-08-04, package version 4.16.0)
    "4.16": Dialect(
        statuses_follow_code=True,
        plain_unlisted_errors=False,
        checks_body=True,
        limits_rate=True,
        locks_chats=True,
        unique_item_ids=True,
        makes_titles=True,
        call_names_app=True,
        done_last=True,
        scores_are_lists=True,
        reasoning_in_json=True,
        error_is_text=True,
        key_health=True,
        request_ids=True,
    ),
}


def dialect_of(version: Version) -> Dialect:
    """Return the habits of a version."""
    return _DIALECTS[version]
