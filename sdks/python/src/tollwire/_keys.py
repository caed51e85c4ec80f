"""The public keys that are good at present: a JWK Set (RFC 7517)."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from jwt import PyJWK, PyJWTError

from ._base64url import decode
from ._json import read_object
from .errors import SetupError, VerifyError

#: The longest JWK Set that is read, in bytes.
JWKS_BYTES_MAX = 64 * 1024
#: The most keys a set holds.
KEYS_MAX = 32

#: A signature algorithm. It belongs to a key; a token's header can only agree with it.
Algorithm = Literal["EdDSA", "ES256"]

_KID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class PublicKey:
    """A public key with its one algorithm."""

    kid: str
    algorithm: Algorithm
    key: PyJWK


#: Public keys by name.
KeySet = dict[str, PublicKey]


def read_keys(jwks: str) -> KeySet:
    """Reads a JWK Set; a ``SetupError`` by ``keys``, or by ``no_keys`` if none is left, says that it is of no use.

    Keys of a kind that is not ours are skipped, as RFC 7517 asks. An unusable key of ours, one without a name, a name
    twice or a private key refuses the whole set: it was not meant to be published.
    """
    data = jwks.encode("utf-8", "replace")
    if len(data) > JWKS_BYTES_MAX:
        raise _unusable("a JWK Set of at most 64 KiB is expected")
    try:
        found = read_object(data).get("keys")
    except VerifyError:
        raise _unusable("a JWK Set is a JSON object") from None
    if type(found) is not list:
        raise _unusable("a JWK Set has an array of keys")
    keys: KeySet = {}
    for jwk in found:
        key = _read(jwk)
        if key is None:
            continue
        if key.kid in keys:
            raise _unusable("each key of a JWK Set has its own kid")
        if len(keys) >= KEYS_MAX:
            raise _unusable("a JWK Set of at most 32 keys is expected")
        keys[key.kid] = key
    if not keys:
        raise SetupError("no_keys", "the key set has no Ed25519 or P-256 key for signatures")
    return keys


def _read(jwk: Any) -> PublicKey | None:
    """Reads one JWK; ``None`` if it is of a kind or for a use that is not ours."""
    if type(jwk) is not dict:
        raise _unusable("a JWK is a JSON object")
    algorithm = algorithm_of(jwk)
    if algorithm is None:
        return None
    if "d" in jwk:
        raise _unusable("a JWK Set holds public keys; this one has a private key")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    kid = jwk.get("kid")
    if type(kid) is not str or _KID.fullmatch(kid) is None:
        raise _unusable("a kid of 1 to 64 characters of A-Z, a-z, 0-9, '-', '_' or '.'")
    public = {"kty": jwk["kty"], "crv": jwk["crv"], "x": coordinate(jwk, "x")}
    if algorithm == "ES256":
        public["y"] = coordinate(jwk, "y")
    return PublicKey(kid, algorithm, public_key(public, algorithm))


def public_key(jwk: dict[str, str], algorithm: Algorithm) -> PyJWK:
    """A key for signatures, or a ``SetupError`` by ``keys``."""
    try:
        return PyJWK(jwk, algorithm)
    except (PyJWTError, ValueError) as error:
        raise _unusable("a coordinate is not one of a key") from error


def algorithm_of(jwk: dict[str, Any]) -> Algorithm | None:
    """The algorithm of a key that is of one of our kinds."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("OKP", "Ed25519"):
        return "EdDSA"
    return "ES256" if kind == ("EC", "P-256") else None


def coordinate(jwk: dict[str, Any], name: str) -> str:
    """A coordinate as it is written, or a ``SetupError`` by ``keys``."""
    text = jwk.get(name)
    data = decode(text) if type(text) is str else None
    if text is None or data is None or len(data) != 32:
        raise _unusable("a coordinate of 32 bytes in unpadded base64url is expected")
    return text


def _unusable(expected: str) -> SetupError:
    return SetupError("keys", f"the key set cannot be used: {expected}")
