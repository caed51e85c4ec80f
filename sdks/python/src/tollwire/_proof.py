"""DPoP proofs (RFC 9449): a token that is of use only to the holder of a key."""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from typing import Any, NamedTuple, NoReturn

from jwt import PyJWK, PyJWTError

from ._base64url import decode
from ._json import read_object
from ._jws import check_signature
from ._keys import Algorithm, algorithm_of, coordinate, public_key
from ._target import normal_url
from .errors import Reason, SetupError, VerifyError

#: The longest proof that is read, in characters. Ordinary ones have about 500.
_PROOF_BYTES_MAX = 4096
#: How old a proof may be, in seconds.
_AGE_SECS_MAX = 60
#: How far ahead of our clock a proof's may be, in seconds.
_AHEAD_SECS_MAX = 10
#: How long a used proof must be remembered, in seconds: the longest time from its first acceptance to its end.
REPLAY_SECS = _AGE_SECS_MAX + _AHEAD_SECS_MAX + 1

#: Header members that fetch a key from elsewhere, or change how the payload is read.
_REFUSED_MEMBERS = frozenset(["jku", "x5u", "x5c", "crit", "b64", "zip"])
#: Members of private and symmetric keys (RFC 7518 section 6, RFC 8037 section 2).
_PRIVATE_MEMBERS = frozenset(["d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"])
_JTI = re.compile(r"[\x20-\x7e]{1,128}")


class Asked(NamedTuple):
    """The request that a proof came with, as the server knows it; a WebSocket is opened by ``GET``."""

    method: str
    url: str
    token: str | None


class Proof(NamedTuple):
    """A proof that held: the thumbprint of the key that made it (RFC 7638), and its id."""

    jkt: str
    jti: str


class _Key(NamedTuple):
    algorithm: Algorithm
    members: dict[str, str]


def verify_proof(proof: str, asked: Asked, now: int) -> Proof:
    """Verifies the proof that came with a request, or raises a ``VerifyError`` by one of the ``proof_`` reasons.

    The checks run in this order: form, header, ``typ``, ``alg``, ``jwk``, signature, the claims' form, ``htm``, ``htu``,
    ``iat``, ``ath``. That it is by the right key, and used once, is for the caller to see to.
    """
    key, payload = _open(proof)
    jti, htm, htu = (_text(payload, name) for name in ("jti", "htm", "htu"))
    iat = payload.get("iat")
    ath = _text(payload, "ath") if "ath" in payload else None
    if _JTI.fullmatch(jti) is None or type(iat) is not int or not 0 <= iat < 2**53:
        _fail("proof_claims")
    if htm != asked.method:
        _fail("proof_method")
    url = normal_url(htu)
    if url is None or url != normal_url(asked.url):
        _fail("proof_url")
    if iat > now + _AHEAD_SECS_MAX:
        _fail("proof_not_yet_valid")
    if iat + _AGE_SECS_MAX < now:
        _fail("proof_expired")
    # Both or neither: a proof made for a token says nothing about a request without it.
    if ath != (None if asked.token is None else _hash(asked.token)):
        _fail("proof_token")
    return Proof(_hash(json.dumps(key.members, separators=(",", ":"))), jti)


def _open(proof: str) -> tuple[_Key, dict[str, Any]]:
    segments = proof.split(".") if len(proof) <= _PROOF_BYTES_MAX else []
    if len(segments) != 3:
        _fail("proof_malformed")
    head, payload, signature = map(decode, segments)
    if head is None or payload is None or signature is None:
        _fail("proof_malformed")
    header = _object(head)
    key = _key_of(header)
    public = _imported(key)
    if header["alg"] != key.algorithm:
        _fail("proof_algorithm")
    try:
        check_signature(proof, public, key.algorithm)
    except (PyJWTError, ValueError):
        _fail("proof_signature")
    return key, _object(payload)


def _key_of(header: dict[str, Any]) -> _Key:
    """The key in a header, if the header is that of a proof in one of our algorithms."""
    if not _REFUSED_MEMBERS.isdisjoint(header):
        _fail("proof_header")
    if header.get("typ") != "dpop+jwt":
        _fail("proof_type")
    if header.get("alg") not in ("EdDSA", "ES256"):
        _fail("proof_algorithm")
    jwk = header.get("jwk")
    if type(jwk) is not dict or not _PRIVATE_MEMBERS.isdisjoint(jwk):
        _fail("proof_key")
    algorithm = algorithm_of(jwk)
    if algorithm is None or jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        _fail("proof_key")
    try:
        # In the order of RFC 7638.
        members = {"crv": jwk["crv"], "kty": jwk["kty"], "x": coordinate(jwk, "x")}
        if algorithm == "ES256":
            members["y"] = coordinate(jwk, "y")
    except SetupError:
        _fail("proof_key")
    return _Key(algorithm, members)


def _imported(key: _Key) -> PyJWK:
    try:
        return public_key(key.members, key.algorithm)
    except SetupError:
        _fail("proof_key")


def _hash(text: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _object(data: bytes) -> dict[str, Any]:
    try:
        return read_object(data)
    except VerifyError:
        _fail("proof_malformed")


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    if type(value) is not str:
        _fail("proof_claims")
    return value


def _fail(reason: Reason) -> NoReturn:
    raise VerifyError(reason) from None
