"""The queue of the runs does what SQS documents of FIFO queues."""

from __future__ import annotations

import pytest

from tests.chaos.fifo import FifoQueue
from tests.fakes.clock import FakeClock

HIDDEN_S = 30.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> FifoQueue:
    return FifoQueue(clock=clock, visibility_s=HIDDEN_S, max_receives=3)


def put(queue: FifoQueue, *names: str) -> None:
    """Put messages whose first letter is their group."""
    for name in names:
        queue.put(name[0], name, name)


def bodies(queue: FifoQueue, most: int = 10) -> list[str]:
    return [each.body for each in queue.receive(most)]


def test_messages_of_a_group_come_in_order_and_up_to_ten_at_once(queue: FifoQueue):
    put(queue, *(f"a{number:02d}" for number in range(12)))

    assert bodies(queue) == [f"a{number:02d}" for number in range(10)]


def test_of_a_group_in_flight_nothing_more_is_handed_out_and_of_others_it_is(queue: FifoQueue):
    put(queue, "a1", "a2", "b1")

    assert bodies(queue, most=1) == ["a1"]
    assert bodies(queue) == ["b1"]
    assert bodies(queue) == []


def test_what_is_deleted_makes_room_for_the_next_of_its_group(queue: FifoQueue):
    put(queue, "a1", "a2")
    (first,) = queue.receive(1)

    assert queue.delete(first.receipt) is True

    assert bodies(queue) == ["a2"]


def test_what_is_not_deleted_in_time_comes_again_at_its_place_and_is_counted(queue: FifoQueue, clock: FakeClock):
    put(queue, "a1", "a2")
    queue.receive(1)
    clock.advance(HIDDEN_S)

    again = queue.receive()

    assert [(each.body, each.attempt) for each in again] == [("a1", 2), ("a2", 1)]
    assert queue.redelivered == 1


def test_a_receipt_of_an_earlier_time_deletes_nothing(queue: FifoQueue, clock: FakeClock):
    put(queue, "a1")
    (early,) = queue.receive()
    clock.advance(HIDDEN_S)
    assert queue.delete(early.receipt) is False
    queue.receive()

    assert queue.delete(early.receipt) is False
    assert queue.depth == 1


def test_a_shortened_visibility_lets_it_come_sooner_and_holds_back_its_group_until_then(
    queue: FifoQueue, clock: FakeClock
):
    put(queue, "a1", "a2")
    first, second = queue.receive()
    queue.change_visibility(first.receipt, 10)
    queue.change_visibility(second.receipt, 2)

    clock.advance(5)
    assert bodies(queue) == []
    assert queue.next_at() == clock() + 5
    clock.advance(5)
    assert bodies(queue) == ["a1", "a2"]


def test_the_same_message_within_five_minutes_is_there_once(queue: FifoQueue, clock: FakeClock):
    put(queue, "a1", "a1")
    clock.advance(299)
    put(queue, "a1")
    assert (queue.depth, queue.dropped) == (1, 2)

    clock.advance(2)
    put(queue, "a1")
    assert queue.depth == 2
    assert queue.put("b", "a1", "of another group") is True


def test_after_the_last_receive_it_is_a_dead_letter_and_the_next_of_its_group_goes_on(
    queue: FifoQueue, clock: FakeClock
):
    put(queue, "a1", "a2")
    for _ in range(3):
        assert bodies(queue, most=1) == ["a1"]
        clock.advance(HIDDEN_S)

    assert bodies(queue) == ["a2"]
    assert queue.dead == [("a", "a1")]


def test_a_dead_letter_that_is_put_back_begins_anew_behind_the_others(queue: FifoQueue, clock: FakeClock):
    put(queue, "a1", "a2")
    for _ in range(3):
        queue.receive(1)
        clock.advance(HIDDEN_S)
    assert bodies(queue) == ["a2"]

    assert queue.redrive() == ["a1"]
    clock.advance(HIDDEN_S)

    assert [(each.body, each.attempt) for each in queue.receive()] == [("a2", 2), ("a1", 1)]


def test_an_empty_queue_has_nothing_to_wait_for(queue: FifoQueue):
    assert queue.next_at() is None
    put(queue, "a1")
    (taken,) = queue.receive()
    queue.delete(taken.receipt)
    assert queue.next_at() is None
