"""Our signature is AWS's own signer's, whatever is signed."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.storage.sigv4 import Credentials, signed_headers

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)


@given(
    body=st.binary(max_size=500),
    host=WORDS,
    port=st.sampled_from(["", ":8080"]),
    service=WORDS,
    region=WORDS,
    credentials=st.builds(Credentials, KEYS, KEYS, st.none() | KEYS),
    now=st.integers(1_500_000_000, 4_000_000_000),
)
def test_a_signature_is_the_one_that_aws_own_signer_makes(
    *, body: bytes, host: str, port: str, service: str, region: str, credentials: Credentials, now: int
):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "Service.Operation"}
    ours = signed_headers(
        headers, body, host=host + port, service=service, region=region, credentials=credentials, now=now
    )
    request = AWSRequest(method="POST", url=f"http://{host}{port}/", data=body, headers=headers)
    with patch.object(auth, "get_current_datetime", lambda: datetime.fromtimestamp(now, UTC)):
        auth.SigV4Auth(ReadOnlyCredentials(*credentials), service, region).add_auth(request)

    assert ours == dict(request.headers.items())
