"""`keys`: the keyring and the data keys under it. No key is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ops.cli.frame import FOUND, Outcome, operates, plural
from ops.cli.holdings import ArchiveObjects, waiting
from ops.cli.resealing import Resealing, S3SealedDocuments, Tally, rewrap_all
from ops.cli.ring import Ring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.desk import Desk

# What lies in them was sealed under the ring as it was then. Nothing seals it anew: it is opened with that key.
_QUEUES = ("Inbox", "InboxDeadLetters", "Pulls", "PullsDeadLetters", "TicketQueue", "TicketQueueDeadLetters")
_REREAD = (
    "Functions that are running go on with the ring they have, and read it anew when they meet a value under a key "
    "that they lack."
)


@click.group()
def keys() -> None:
    """Show and change the keyring."""


def _ring(desk: Desk) -> Ring:
    return Ring(
        desk.client("secretsmanager"),
        desk.resource("KeyringSecret"),
        keys=desk.key_store,
        clock=desk.clock,
        sleep=desk.sleep,
    )


@keys.command()
@operates
def show(desk: Desk) -> Outcome:
    """Tell the ring's key ids, and how many data keys are wrapped under each."""
    state = _ring(desk).look()
    lines = [
        f"{key_id}  {plural(state.wrapped.get(key_id, 0), 'data key')}{'  current' if key_id == state.current else ''}"
        for key_id in state.ids
    ]
    lines += [f"{key_id}  {plural(state.wrapped[key_id], 'data key')}  NOT IN THE RING" for key_id in state.lacking]
    facts = {
        "current": state.current,
        "ids": list(state.ids),
        "wrapped": dict(state.wrapped),
        "lacking": list(state.lacking),
    }
    return Outcome(facts, lines, FOUND if state.lacking else 0)


@keys.command()
@operates
def rotate(desk: Desk) -> Outcome:
    """Add a key to the ring and make it current; the earlier ones still open."""
    current = _ring(desk).rotate(before=lambda key_id: desk.note("rotated", details={"ring_key": key_id}))
    return Outcome({"current": current}, [f"{current} is the current key.", _REREAD])


@keys.command("re-seal")
@click.option("--keys-only", is_flag=True, help="Leave the archive alone, where no plain document is left.")
@operates
def re_seal(desk: Desk, *, keys_only: bool) -> Outcome:
    """Wrap all data keys under the current key, and seal what a release before sealing left plain in the archive."""
    seals = desk.seals
    desk.note("resealed", details={"ring_key": desk.keyring.current})
    wrapped = rewrap_all(store=desk.key_store, keeping=desk.keeping, say=desk.say)
    documents = Tally()
    if not keys_only:
        bucket = desk.resource("ArchiveBucket")
        documents = Resealing(
            archive=ArchiveObjects(desk.s3, bucket),
            documents=S3SealedDocuments(desk.s3, bucket),
            seals=seals,
            say=desk.say,
        ).seal_all()
    failed = wrapped.failed + documents.failed
    waits = _waiting(desk)
    facts = {
        "customers": {"wrapped_anew": wrapped.done, "already": wrapped.already},
        "documents": {"sealed": documents.done, "already": documents.already},
        "waiting": waits,
        "failed": [{"what": what, "code": code} for what, code in failed],
    }
    lines = [
        f"{plural(wrapped.done, 'customer')} wrapped anew, {wrapped.already} already under {desk.keyring.current}.",
        "The archive was not looked at."
        if keys_only
        else f"{plural(documents.done, 'document version')} sealed, {documents.already} already sealed.",
        *(
            f"{queue} has {plural(count, 'message')}, sealed as they came: keep the earlier keys until it is empty."
            for queue, count in waits.items()
        ),
        *(f"Not done: {what} ({code})" for what, code in failed),
    ]
    return Outcome(facts, lines, FOUND if failed else 0)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--force", is_flag=True, help="Also while messages may be sealed under it.")
@operates
def retire(desk: Desk, *, key_id: str, force: bool) -> Outcome:
    """Take a key out of the ring for good. What is still sealed under it never opens again."""
    was_in = _ring(desk).retire(
        key_id,
        doubts=_doubts(desk),
        force=force,
        before=lambda each: desk.note("retired", details={"ring_key": each, "forced": force}),
    )
    text = f"{key_id} is out of the ring." if was_in else f"{key_id} was out of the ring already."
    return Outcome({"retired": key_id, "was_in_ring": was_in}, [text])


def _doubts(desk: Desk) -> Iterator[str]:
    for queue, count in _waiting(desk).items():
        yield f"{queue} has {plural(count, 'message')}, which may be sealed under it"


def _waiting(desk: Desk) -> dict[str, int]:
    """Return how many messages each queue has that has any."""
    counts = {queue: waiting(desk.client("sqs"), desk.resource(queue)) for queue in _QUEUES}
    return {queue: count for queue, count in counts.items() if count}
