"""What the meter adds up is what DynamoDB says that it asks money for."""

from __future__ import annotations

import pytest

from bench.figures.cost import _Run
from bench.meter import units_in


@pytest.mark.parametrize(
    ("answer", "units"),
    [
        ({"ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.5}}, 1.5),
        ({"ConsumedCapacity": [{"CapacityUnits": 4.0}, {"CapacityUnits": 2.0}]}, 6.0),
        ({"Item": {}}, 0.0),
    ],
)
def test_units_are_read_from_one_table_and_from_several(answer: dict[str, object], units: float):
    assert units_in(answer) == units


def test_processor_time_is_stretched_to_the_share_of_a_core_that_memory_buys_and_waiting_is_not():
    run = _Run(took_s=1.0, processor_s=0.2, log_bytes=0, used={})

    assert run.lambda_s(1769) == pytest.approx(1.0)
    assert run.lambda_s(1769 // 2) == pytest.approx(0.8 + 0.4, rel=0.01)
    assert run.lambda_s(10_240) == pytest.approx(1.0), "more than one core is of no use to one thread"
