"""The archive bucket: JSON documents, versioned by S3, under the names the archiver gives them.

A document never gives way to an older one, whatever was delayed on the way: S3 takes a write only when the object
is still as it was seen (S3 user guide, "Conditional requests"), and each object carries its session's version.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError, TransientError
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

_TRIES = 4


def put_request(bucket: str, name: str, document: dict[str, Any], *, version: int) -> PutObjectRequestTypeDef:
    """Return the request that stores ``document``; on which condition is the caller's to add."""
    return {
        "Bucket": bucket,
        "Key": name,
        "Body": json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode(),
        "ContentType": "application/json; charset=utf-8",
        "Metadata": {"version": str(version)},
    }


class S3Archive:
    """Stores documents."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        """``bucket`` is the archive's own."""
        self._client = client
        self._bucket = bucket

    def put(self, name: str, document: dict[str, Any], *, version: int) -> None:
        """Store ``document`` under ``name`` unless this ``version``, or a later one, is there already.

        Raises `TransientError` or `MisconfiguredError`.
        """
        request = put_request(self._bucket, name, document, version=version)
        attempt: PutObjectRequestTypeDef = {**request, "IfNoneMatch": "*"}  # most sessions are archived once
        for _ in range(_TRIES):
            try:
                with translated("archive"):
                    self._client.put_object(**attempt)
            except ConflictError:
                with translated("archive"):
                    stored = self._client.head_object(Bucket=self._bucket, Key=name)
                if int(stored["Metadata"].get("version", 0)) >= version:
                    return
                attempt = {**request, "IfMatch": stored["ETag"]}
            else:
                return
        raise TransientError("the document kept changing", code="archive_contended")
