"""The DynamoDB that the contract suites of the tables run against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from frontdesk.storage import aws
from tests.contract.aws_in_memory import aws_in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBClient]:
    """Return a client as the functions build it, to a DynamoDB in this process."""
    with aws_in_memory():
        yield aws.dynamodb()
