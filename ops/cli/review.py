"""`review`: what the daily review found, and what people decide about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from frontdesk.errors import ConflictError
from frontdesk.storage.reviews import DECISIONS, OPEN, DynamoReviews
from ops.cli.audit import record_lines
from ops.cli.disclosing import opened_record
from ops.cli.frame import FOUND, Outcome, moment, of_person, operates, plural

if TYPE_CHECKING:
    from frontdesk.records import ReviewItem
    from ops.desk import Desk

_SEQ = click.option("--seq", type=click.IntRange(min=1), required=True, help="The number of the audit record.")


@click.group()
def review() -> None:
    """List, show and decide review items."""


def _reviews(desk: Desk) -> DynamoReviews:
    return DynamoReviews(desk.dynamodb, desk.resource("Reviews"))


def _line(item: ReviewItem) -> str:
    decided = f"  by {item.decided_by} on {moment(item.decided_at)}" if item.decided_at is not None else ""
    return (
        f"{item.state}  {item.day}  --conversation {item.conversation} --seq {item.seq}  "
        f"{', '.join(item.rule_ids)} ({item.rules_version}){decided}"
    )


def _facts(item: ReviewItem) -> dict[str, Any]:
    return {**asdict(item), "rule_ids": list(item.rule_ids)}


@review.command("list")
@operates
@click.option("--state", type=click.Choice([OPEN, *DECISIONS]), default=OPEN, show_default=True)
def list_items(desk: Desk, *, state: str) -> Outcome:
    """List the items in one state, the oldest first; without words."""
    items = list(_reviews(desk).list(state))
    lines = [_line(item) for item in items]
    return Outcome({"items": [_facts(item) for item in items]}, [*lines, f"{plural(len(items), 'item')}."])


@review.command()
@operates
@of_person
@_SEQ
def show(desk: Desk, *, conversation: str, seq: int) -> Outcome:
    """Print one item and the words it is about; that they were shown is recorded."""
    item = _reviews(desk).get(conversation, seq)
    record = desk.audit.get(conversation, seq)
    if item is None or record is None:
        return Outcome({"item": None}, ["There is no such item."], FOUND)
    told = opened_record(record, desk.audit)
    desk.note("shown", conversation, details={"first": seq, "last": seq})
    facts = {"item": _facts(item), "record": told}
    return Outcome(facts, [_line(item), *record_lines(told)], FOUND if "unopened" in told else 0)


@review.command()
@operates
@of_person
@_SEQ
@click.option("--state", type=click.Choice(DECISIONS), required=True, help="What you make of it.")
@click.option("--note", required=True, help="Why; kept sealed in the audit.")
def decide(desk: Desk, *, conversation: str, seq: int, state: str, note: str) -> Outcome:
    """Decide one open item, once. Who decided, when and why is recorded in the audit first."""
    reviews = _reviews(desk)
    item = reviews.get(conversation, seq)
    if item is None:
        return Outcome({"item": None}, ["There is no such item."], FOUND)
    if item.state != OPEN:
        return Outcome({"item": _facts(item)}, [f"It is decided already: {_line(item)}"], FOUND)
    _record(desk, item, state, note)
    try:
        item = reviews.decide(conversation, seq, state, by=desk.actor, at=int(desk.clock()))
    except ConflictError:
        raise ConflictError("somebody else decided it at the same moment", code="review_conflict") from None
    return Outcome({"item": _facts(item)}, [_line(item)])


def _record(desk: Desk, item: ReviewItem, state: str, note: str) -> None:
    """Record the decision, unless that was done by a run which then broke off."""
    details = {"seq": str(item.seq), "state": state, "rule_ids": ",".join(item.rule_ids)}
    record = desk.audit.get(item.conversation, item.seq)
    for earlier in desk.audit.of(item.conversation):
        if (earlier.kind, earlier.actor, dict(earlier.details)) == ("reviewed", desk.actor, details):
            return
    desk.note("reviewed", item.conversation, about=record.about if record else "", after=note, details=details)
