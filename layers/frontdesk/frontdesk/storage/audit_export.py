"""The audit bucket: objects that are written once. S3's Object Lock keeps every version for the retention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.errors import ConflictError
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

_TYPES = {"jsonl": "application/x-ndjson; charset=utf-8", "json": "application/json; charset=utf-8"}


class S3AuditStore:
    """Stores the export. Every method raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        """``bucket`` is the audit's own."""
        self._client = client
        self._bucket = bucket

    def put(self, name: str, body: bytes) -> bool:
        """Store ``body`` under ``name``, unless something is there: then return false."""
        kind = _TYPES.get(name.removesuffix(".sig").rpartition(".")[2], "application/octet-stream")
        try:
            with translated("audit"):
                # A bucket with a default retention takes no object without a checksum; boto3 adds one by itself.
                self._client.put_object(Bucket=self._bucket, Key=name, Body=body, ContentType=kind, IfNoneMatch="*")
        except ConflictError:
            return False
        return True

    def read(self, name: str) -> bytes | None:
        """Return the newest version of what is stored under ``name``."""
        with translated("audit"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
            except self._client.exceptions.NoSuchKey:
                return None
            return answer["Body"].read()

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with ``prefix``, in their order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with translated("audit"):
            for page in pages:
                yield from (each["Key"] for each in page.get("Contents", []))
