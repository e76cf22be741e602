"""SM2 signatures: the standard's example, OpenSSL in both directions, and everything that is no signature."""

from __future__ import annotations

import base64
import itertools
import subprocess
from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import SettingsError
from frontdesk.protection.signing import USER_ID, SigningKey, verify

if TYPE_CHECKING:
    from pathlib import Path

# GB/T 32918.5-2017, annex A.2: key, nonce and signature of "message digest"
STANDARD_KEY = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"
STANDARD_NONCE = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
STANDARD_PUBLIC_KEY = (
    "04"
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
STANDARD_SIGNATURE = (
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
KEY = SigningKey(STANDARD_KEY)
MANIFEST = '{"day":"2026-11-22","说明":"清单"}'.encode()


def hex_64(number: int) -> str:
    return f"{number:064x}"


# -- the standard ----------------------------------------------------------------------------------------------------


def test_the_example_of_the_standard_is_signed_as_the_standard_says():
    key = SigningKey(STANDARD_KEY, nonce=lambda: STANDARD_NONCE)

    assert key.public_key == STANDARD_PUBLIC_KEY
    assert key.sign(b"message digest") == STANDARD_SIGNATURE


def test_the_example_of_the_standard_is_a_signature():
    assert verify(STANDARD_PUBLIC_KEY, b"message digest", STANDARD_SIGNATURE)


def test_what_was_signed_is_a_signature_over_that_and_nothing_else():
    signature = KEY.sign(MANIFEST)

    assert verify(KEY.public_key, MANIFEST, signature)
    assert not verify(KEY.public_key, MANIFEST + b" ", signature)
    assert not verify(SigningKey("1" * 64).public_key, MANIFEST, signature)


def test_nothing_at_all_can_be_signed():
    assert verify(KEY.public_key, b"", KEY.sign(b""))


def test_every_signature_has_a_nonce_of_its_own():
    assert len({KEY.sign(MANIFEST)[:64] for _ in range(8)}) == 8


def test_a_nonce_that_gives_no_signature_is_replaced_by_another():
    # gmssl returns None in those cases (6.1, A5 and A6). No nonce that leads there is known, so it is told to.
    key = SigningKey(STANDARD_KEY)
    real = key._curve.sign
    refused = itertools.chain([None], itertools.repeat("again"))
    key._curve.sign = lambda digest, nonce: next(refused) and real(digest, nonce)

    assert verify(key.public_key, MANIFEST, key.sign(MANIFEST))


# -- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, N - 2])
def test_a_number_in_the_range_of_private_keys_is_used_as_it_is(number: int):
    assert int(SigningKey(hex_64(number))._curve.private_key, 16) == number


@pytest.mark.parametrize(("number", "folded"), [(N - 1, 1), (N, 2), (2**256 - 1, 2**256 - 1 - (N - 2))])
def test_a_number_out_of_it_is_folded_into_it(number: int, folded: int):
    assert int(SigningKey(hex_64(number))._curve.private_key, 16) == folded
    assert 1 <= folded <= N - 2


@pytest.mark.parametrize(
    "value", ["", "0" * 64, "1" * 63, "1" * 65, "g" * 64, " " + "1" * 63, "1" * 64 + "\n", "１" * 64]
)
def test_a_value_that_is_no_key_is_named_and_not_shown(value: str):
    with pytest.raises(SettingsError) as caught:
        SigningKey(value)

    assert "SM2_PRIVATE_KEY" in str(caught.value)
    assert "1111" not in str(caught.value)


def test_a_key_shows_its_public_half_only():
    assert repr(KEY) == f"SigningKey(public_key='{STANDARD_PUBLIC_KEY}')"
    assert STANDARD_KEY.lower() not in repr(KEY).lower()


def test_a_public_key_that_begins_with_zeros_and_fours_verifies():
    # gmssl's own constructor strips them: one key in eight would be another key.
    signers = (SigningKey(hex_64(number)) for number in range(1, 200))
    key = next(each for each in signers if each.public_key[2] in "04")

    assert verify(key.public_key, MANIFEST, key.sign(MANIFEST))


# -- what is no signature --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature",
    [
        "",
        STANDARD_SIGNATURE[:-1],
        STANDARD_SIGNATURE + "0",
        STANDARD_SIGNATURE.upper(),
        STANDARD_SIGNATURE[:-1] + "g",
        " " + STANDARD_SIGNATURE[1:],
        STANDARD_SIGNATURE + "\n",
        STANDARD_SIGNATURE[64:] + STANDARD_SIGNATURE[:64],
        "0" * 128,
        "f" * 128,
        "0" * 64 + STANDARD_SIGNATURE[64:],
        STANDARD_SIGNATURE[:64] + "0" * 64,
        STANDARD_SIGNATURE[:64] + hex_64(N),
        hex_64(N) + STANDARD_SIGNATURE[64:],
        hex_64(int(STANDARD_SIGNATURE[:64], 16) + N)[-64:] + STANDARD_SIGNATURE[64:],
        hex_64(1) + hex_64(N - 1),  # r + s is the order of the curve
    ],
    ids=str,
)
def test_a_malformed_or_wrong_signature_is_none(signature: str):
    assert not verify(STANDARD_PUBLIC_KEY, b"message digest", signature)


@pytest.mark.parametrize(
    "public_key",
    [
        "",
        STANDARD_PUBLIC_KEY[2:],
        "02" + STANDARD_PUBLIC_KEY[2:66],
        "05" + STANDARD_PUBLIC_KEY[2:],
        STANDARD_PUBLIC_KEY.upper(),
        STANDARD_PUBLIC_KEY[:-1] + "4",  # off the curve
        "04" + "0" * 128,
        "04" + hex_64(P) + "0" * 64,
        "04" + "0" * 64 + hex_64(P),
    ],
    ids=str,
)
def test_what_is_no_public_key_verifies_nothing(public_key: str):
    assert not verify(public_key, b"message digest", STANDARD_SIGNATURE)


def test_a_signature_whose_points_cancel_each_other_is_none():
    # Only the key's owner can make one: s = -t * d, so that s * G + t * P is the point at infinity.
    d, t = int(STANDARD_KEY, 16), 12345
    s = -t * d % N

    assert not verify(STANDARD_PUBLIC_KEY, MANIFEST, hex_64((t - s) % N) + hex_64(s))


# -- OpenSSL ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openssl() -> None:
    listed = subprocess.run(["openssl", "list", "-public-key-algorithms"], capture_output=True, text=True, check=False)
    if "SM2" not in listed.stdout:
        pytest.skip("this machine's openssl cannot do SM2: the cross-check did not run")


def der(signature: str) -> bytes:
    """Return r and s as the sequence of two integers that OpenSSL reads."""
    numbers = [bytes.fromhex(f"00{half}").lstrip(b"\0") for half in (signature[:64], signature[64:])]
    parts = [b"\0" + each if each[0] & 0x80 else each for each in numbers]
    body = b"".join(b"\x02" + bytes([len(each)]) + each for each in parts)
    return b"\x30" + bytes([len(body)]) + body


def from_der(signature: bytes) -> str:
    length = signature[3]
    r, s = signature[4 : 4 + length], signature[6 + length :]
    return hex_64(int.from_bytes(r, "big")) + hex_64(int.from_bytes(s, "big"))


def public_pem(public_key: str) -> str:
    # SubjectPublicKeyInfo: id-ecPublicKey, curve 1.2.156.10197.1.301, the point
    head = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
    body = base64.encodebytes(head + bytes.fromhex(public_key)).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n"


def openssl_verifies(folder: Path, public_key: str, data: bytes, signature: str) -> bool:
    (folder / "key.pem").write_text(public_pem(public_key))
    (folder / "signature.der").write_bytes(der(signature))
    (folder / "data").write_bytes(data)
    result = subprocess.run(
        [
            *("openssl", "dgst", "-sm3", "-verify", "key.pem", "-sigopt", f"distid:{USER_ID}"),
            *("-signature", "signature.der", "data"),
        ],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return result.returncode == 0


@pytest.mark.usefixtures("openssl")
@pytest.mark.parametrize("number", [1, 7, 13, int(STANDARD_KEY, 16), 2**256 - 1])
def test_openssl_accepts_what_is_signed_here(number: int, tmp_path: Path):
    key = SigningKey(hex_64(number))
    signature = key.sign(MANIFEST)

    assert openssl_verifies(tmp_path, key.public_key, MANIFEST, signature)
    assert not openssl_verifies(tmp_path, key.public_key, MANIFEST + b" ", signature)


@pytest.mark.usefixtures("openssl")
def test_what_openssl_signs_is_accepted_here(tmp_path: Path):
    (tmp_path / "data").write_bytes(MANIFEST)
    for command in (
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:SM2 -out private.pem",
        "openssl pkey -in private.pem -pubout -outform DER -out public.der",
        f"openssl dgst -sm3 -sign private.pem -sigopt distid:{USER_ID} -out signature.der data",
    ):
        subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    public_key = (tmp_path / "public.der").read_bytes()[-65:].hex()
    signature = from_der((tmp_path / "signature.der").read_bytes())

    assert verify(public_key, MANIFEST, signature)
    assert not verify(public_key, MANIFEST + b" ", signature)
