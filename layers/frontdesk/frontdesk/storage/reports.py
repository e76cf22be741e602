"""The reports of the reviews, in the audit bucket: whoever writes a name first has it, and nobody after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.errors import ConflictError, TransientError
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Reports:
    """Keeps texts for good. Every method raises `TransientError` or `MisconfiguredError`."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        """``bucket`` is the audit's."""
        self._client = client
        self._bucket = bucket

    def get(self, name: str) -> str | None:
        """Return what is kept under ``name``."""
        with translated("reports"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
            except self._client.exceptions.NoSuchKey:
                return None
            return answer["Body"].read().decode()

    def put(self, name: str, text: str, *, content_type: str) -> str:
        """Keep ``text`` unless something is there already; return what is kept under ``name`` then."""
        try:
            with translated("reports"):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=name,
                    Body=text.encode(),
                    ContentType=content_type,
                    # A bucket that retains what it is given wants to know that it was given it whole.
                    ChecksumAlgorithm="SHA256",
                    IfNoneMatch="*",
                )
        except ConflictError:
            kept = self.get(name)
            if kept is None:  # S3 answers so, too, while another write of the name is under way
                raise TransientError("the report is being written by another run", code="reports_contended") from None
            return kept
        return text
