"""Checks of WeCom and FastGPT, made where it matters: inside the deployment, by its own function.

From this machine they would be made from another address, which WeCom may refuse while it trusts the deployment's, or
the other way round; and the vendors' secrets stay where they are.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from frontdesk.channels import wecom_checkup
from frontdesk.fastgpt import checkup
from frontdesk.records import Checked
from frontdesk.storage.aws import translated
from ops.doctor.ground import ALIAS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.doctor.ground import Ground

NAMES = ("doctor_function", *wecom_checkup.NAMES, *checkup.NAMES)


def examine(ground: Ground, *, ask: bool) -> Iterator[Checked]:
    """Yield what the deployment's own function finds. With ``ask`` it puts a question, which costs points."""
    function = ground.desk.resource("DoctorFunction")
    with translated("lambda"):
        answer = ground.desk.client("lambda").invoke(
            FunctionName=function, Qualifier=ALIAS, Payload=json.dumps({"ask": ask})
        )
        payload = answer["Payload"].read()
    told = json.loads(payload)
    if "FunctionError" in answer:
        seen = {"error": str(told.get("errorType", ""))}
        yield Checked("doctor_function", "failed", "function_failed", seen=seen)
        return
    yield Checked("doctor_function", "ok")
    in_use = _customer_service_is_used(ground)
    for each in (Checked(**fields) for fields in told["checks"]):
        optional = each.name.startswith("kf_") and each.result == "failed" and not in_use
        yield replace(each, result="warning") if optional else each


def _customer_service_is_used(ground: Ground) -> bool:
    """Return whether WeCom has ever called about an account, or a Secret says that it will: else it may be left out."""
    if ground.values_of("WecomSecret").get("WECOM_KF_SECRET"):
        return True
    try:
        found = ground.desk.dynamodb.scan(TableName=ground.desk.resource("Accounts"), Limit=1)
    except (ClientError, BotoCoreError):
        return True
    return bool(found.get("Count"))
