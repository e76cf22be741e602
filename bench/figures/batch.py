"""Ten conversations in one batch: they are worked on side by side, so the model is waited for once, not ten times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.desk import Desk
from bench.messages import WORDS
from bench.sampling import in_turns, median
from bench.table import Goal, Row

if TYPE_CHECKING:
    from bench.lab import Lab
    from bench.relay import Call

_ROUNDS = 5
_CONVERSATIONS = 10  # what the queue hands over at most
_MODEL_MS = 1000
_ANSWER = "您的订单已经发出，预计明天送到。"
_GOAL = Goal(1500)


def measure(lab: Lab) -> list[Row]:
    """Return the whole invoke, and how much of it the AWS emulator worked for it."""
    with Desk(lab, "batch") as desk:
        desk.let_model_say(_ANSWER, delay_ms=_MODEL_MS)
        recorded: list[list[Call]] = []

        def emulator_ms() -> float:
            recorded.append(desk.recorded(_CONVERSATIONS, WORDS))
            return sum(call.took_ms for call in recorded[-1])

        samples = in_turns(
            {
                "ten": lambda: desk.answer_ms(_CONVERSATIONS, WORDS),
                "one": lambda: desk.answer_ms(1, WORDS),
                "emulator": emulator_ms,
            },
            rounds=_ROUNDS,
        )
    calls = len(recorded[-1])
    return [
        Row(
            figure="responder: ten conversations in one batch, model of 1 s",
            ours=median(samples["ten"]),
            baseline=median(samples["one"]),
            unit="ms",
            goals=(_GOAL,),
            note="baseline: one conversation with the same model",
            ours_samples=samples["ten"],
            baseline_samples=samples["one"],
        ),
        Row(
            figure=f"  calls of the batch to the AWS emulator ({calls}), added up",
            ours=median(samples["emulator"]),
            unit="ms",
            note="the emulator works on one call at a time: waiting for each other is part of the calls' times",
            ours_samples=samples["emulator"],
        ),
    ]
