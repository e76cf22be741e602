"""`audit`: proves the audit whole, and shows one conversation of it to a person with the key."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from frontdesk.protection import chain
from frontdesk.protection.signing import SigningKey
from frontdesk.protection.signing import verify as verify_signature
from frontdesk.storage.audit import DynamoAuditRecords
from frontdesk.storage.audit_export import S3AuditStore
from ops.cli.disclosing import opened_record
from ops.cli.frame import FOUND, Outcome, moment, of_person, operates, plural, printable
from ops.cli.verifying import Verification

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from frontdesk.conversation.auditing import Finding
    from ops.desk import Desk

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def audit() -> None:
    """Verify the audit, and read it."""


@audit.command()
@click.option("--from", "first", type=_DAY, help="Tell what is found from this day on (UTC).")
@click.option("--to", "last", type=_DAY, help="… and up to this day.")
@click.option("--public-key", "public_keys", multiple=True, metavar="HEX", help="Trust this key, not the secret's.")
@operates
def verify(desk: Desk, *, first: datetime | None, last: datetime | None, public_keys: tuple[str, ...]) -> Outcome:
    """Check the whole export and the table; name what was altered, removed, inserted or reordered. Needs no key.

    The days chosen limit what is told, not what is checked: a chain is whole or it is not.
    """
    verification = Verification(
        store=S3AuditStore(desk.s3, desk.resource("AuditBucket")),
        chain=chain,
        verify=verify_signature,
        public_keys=public_keys or (_public_key(desk),),
        clock=desk.clock,
        records=DynamoAuditRecords(desk.dynamodb, desk.resource("Audit")),
        retention_days=desk.retention_days,
    )
    found = list(_within(verification.findings(), _date(first), _date(last)))
    lines = [_line(each) for each in found]
    lines.append(f"{plural(len(found), 'finding')}." if found else "The audit is whole.")
    return Outcome({"findings": [asdict(each) for each in found]}, lines, FOUND if found else 0)


def _date(day: datetime | None) -> str:
    return day.date().isoformat() if day else ""


def _within(findings: Iterable[Finding], first: str, last: str) -> Iterator[Finding]:
    """Yield the findings of the days from ``first`` to ``last``, and those that are of no day."""
    for each in findings:
        if not each.day or (first <= each.day and (not last or each.day <= last)):
            yield each


def _line(finding: Finding) -> str:
    told = [finding.what]
    told += [f"day {finding.day}"] if finding.day else []
    told += [f"conversation {finding.conversation}"] if finding.conversation else []
    told += [f"number {finding.seq}"] if finding.seq else []
    told += [finding.object] if finding.object else []
    told += [f"and {finding.count - 1} more"] if finding.count > 1 else []
    return "  ".join(told)


@audit.command("public-key")
@operates
def public_key(desk: Desk) -> Outcome:
    """Tell the public half of the key that signs the exports."""
    key = _public_key(desk)
    return Outcome({"public_key": key}, [key])


def _public_key(desk: Desk) -> str:
    return SigningKey(desk.secret("AuditSecret", "SM2_PRIVATE_KEY")).public_key


@audit.command()
@operates
@of_person
@click.option("--seq", type=click.IntRange(min=1), help="One record only.")
def show(desk: Desk, *, conversation: str, seq: int | None) -> Outcome:
    """Print one conversation with its words, for a person who may read them; that it was shown is recorded."""
    records = [record for record in desk.audit.of(conversation) if seq in {None, record.seq}]
    if not records:
        return Outcome({"conversation": conversation, "records": []}, ["There is no such record."], FOUND)
    told = [opened_record(record, desk.audit) for record in records]
    desk.note("shown", conversation, details={"first": records[0].seq, "last": records[-1].seq})
    unopened = any("unopened" in each for each in told)
    lines = [line for each in told for line in record_lines(each)]
    return Outcome({"conversation": conversation, "records": told}, lines, FOUND if unopened else 0)


def record_lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield what a person reads of an `opened_record`."""
    at = moment(told["at_ms"] / 1000)
    about = f"  about {told['about']}" if told["about"] else ""
    yield printable(f"{told['seq']}  {at}  {told['kind']}  {told['actor']}{about}")
    if told["details"]:
        yield printable("    " + "  ".join(f"{name}={value}" for name, value in sorted(told["details"].items())))
    if "erased" in told:
        yield "    (the words were erased)"
    elif "unopened" in told:
        yield printable(f"    (the words do not open: key {told['unopened'] or 'unknown'})")
    for name in ("before", "after"):
        if told.get(name):
            yield f"    {name}: " + printable(told[name]).replace("\n", "\n            ")
