"""The files that people write, in the bucket of rules: the rules themselves, and the approved answers.

S3 keeps every version that was ever put there, so a broken one has predecessors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from frontdesk.errors import TransientError
from frontdesk.storage.aws import code_of, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

RULES_KEY = "rules/rules.yaml"
ANSWERS_KEY = "answers/answers.yaml"
_MOST_BYTES = 4_000_000  # more than any file of rules may have, so that one which is too large is seen to be
_UNCHANGED = frozenset({"304", "NotModified"})
_ABSENT = frozenset({"404", "NoSuchKey"})


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One version of the file; all three are empty when there is none.

    Bytes that are no UTF-8 stand in ``text`` as lone surrogates, so that whoever reads the rules can refuse them.
    """

    text: str = ""
    etag: str = ""
    version_id: str = ""


class S3RuleFiles:
    """One object of a bucket with versions."""

    def __init__(self, client: S3Client, bucket: str, key: str = RULES_KEY) -> None:
        """``bucket`` must also be listable: without that right S3 refuses what it would otherwise call absent."""
        self._client = client
        self._bucket = bucket
        self._key = key

    def newest(self, known: str) -> RuleFile | None:
        """Return the file as it is now, ``None`` when its etag is ``known`` still.

        Raises `TransientError` or `MisconfiguredError`.
        """
        request: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": self._key}
        if known:
            request["IfNoneMatch"] = known
        with translated("rules"):
            try:
                return _file(self._client.get_object(**request))
            except ClientError as error:
                if code_of(error) in _UNCHANGED:
                    return None
                if code_of(error) in _ABSENT:
                    return RuleFile()
                raise

    def earlier(self) -> Iterator[RuleFile]:
        """Yield the versions before the one in force, the newest first, each read when it is asked for.

        Raises `TransientError` or `MisconfiguredError`.
        """
        with translated("rules"):
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=self._key)
            for page in pages:
                for each in page.get("Versions", []):
                    if each["Key"] == self._key and not each["IsLatest"]:
                        yield _file(
                            self._client.get_object(Bucket=self._bucket, Key=self._key, VersionId=each["VersionId"])
                        )

    def put(self, text: str) -> str:
        """Return the id of the version that ``text`` has become; it is in force from now on.

        Raises `TransientError` or `MisconfiguredError`.
        """
        with translated("rules"):
            stored = self._client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=text.encode(),
                ContentType="application/yaml; charset=utf-8",
            )
        return stored["VersionId"]


def _file(answer: Any) -> RuleFile:
    text = answer["Body"].read(_MOST_BYTES).decode("utf-8", errors="surrogateescape")
    if not answer.get("ETag"):
        raise TransientError("rules: the answer is none of S3's", code="rules_failed")
    return RuleFile(text, answer["ETag"], answer.get("VersionId", ""))
