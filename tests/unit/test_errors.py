"""The error tree: stable codes, and whether a retry can help."""

from __future__ import annotations

import inspect
import re

import pytest

from frontdesk import errors
from frontdesk.errors import (
    ChargeUnknownError,
    ConflictError,
    ErasedError,
    ForbiddenCallbackError,
    FrontdeskError,
    MalformedCallbackError,
    MisconfiguredError,
    PermanentError,
    RejectedCallbackError,
    SettingsError,
    TransientError,
    UnopenableError,
)

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass)]


def test_every_error_is_one_of_ours_and_says_so_in_its_name():
    assert all(issubclass(each, FrontdeskError) and each.__name__.endswith("Error") for each in CLASSES)


def test_every_error_has_a_code_of_its_own_in_snake_case():
    codes = [each.code for each in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_codes_that_runbooks_look_for_do_not_change():
    assert {each.__name__: each.code for each in CLASSES} == {
        "FrontdeskError": "frontdesk_error",
        "SettingsError": "settings_invalid",
        "RejectedCallbackError": "callback_rejected",
        "ForbiddenCallbackError": "callback_forbidden",
        "MalformedCallbackError": "callback_malformed",
        "MalformedMessageError": "message_malformed",
        "UnopenableError": "unopened",
        "ErasedError": "erased",
        "ConflictError": "conflict",
        "TransientError": "transient",
        "ChargeUnknownError": "charge_unknown",
        "PermanentError": "permanent",
        "AllowanceError": "allowance_spent",
        "TakenOverError": "taken_over",
        "NobodyError": "nobody",
        "MisconfiguredError": "misconfigured",
    }


def test_only_conflicts_and_passing_failures_may_be_tried_again():
    assert {each for each in CLASSES if each.retryable} == {ConflictError, TransientError, ChargeUnknownError}


def test_the_drawing_of_the_tree_is_the_tree():
    drawn = re.findall(r"(?:├──|└──|^ {4})\s*(\w+Error)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(each.__name__ for each in CLASSES)
    assert ForbiddenCallbackError.__mro__[1] is MalformedCallbackError.__mro__[1] is RejectedCallbackError
    assert MisconfiguredError.__mro__[1] is PermanentError


@pytest.mark.parametrize("key_id", ["k1", "c0123456789ab", ""])
def test_what_does_not_open_names_the_key(key_id: str):
    error = UnopenableError("a value does not open", key_id=key_id)
    assert (error.key_id, error.code, error.retryable) == (key_id, "unopened", False)
    assert isinstance(ErasedError("gone", key_id=key_id), UnopenableError)
    assert UnopenableError("text", key_id="k1", code="special").code == "special"


@pytest.mark.parametrize("each", [c for c in CLASSES if c not in {SettingsError, UnopenableError, ErasedError}])
def test_a_code_given_to_one_error_is_its_own_alone(each: type[FrontdeskError]):
    usual = each.code
    error = each("text", code="special")
    assert (str(error), error.code) == ("text", "special")
    assert (each.code, each("other").code) == (usual, usual)


def test_a_passing_failure_can_name_the_wait_that_helps():
    assert TransientError("busy").retry_after_s == 0.0
    assert TransientError("busy", retry_after_s=2.5).retry_after_s == 2.5


def test_a_settings_error_names_every_problem():
    error = SettingsError(["A is missing", "B must be a number"])
    assert error.problems == ["A is missing", "B must be a number"]
    assert str(error) == "settings are missing or malformed: A is missing; B must be a number"
    assert error.code == "settings_invalid"
