"""The compact form of a signed token (RFC 7515), read strictly and before any key is chosen.

PyJWT verifies signatures for us; what it reads of a token is not relied on.
"""

from typing import Any, NamedTuple

from jwt import PyJWK, PyJWS, PyJWTError

from ._base64url import decode
from ._json import read_object
from ._keys import Algorithm, KeySet
from .errors import VerifyError

#: The longest token that is read, in characters.
TOKEN_BYTES_MAX = 4096

#: Header members that bring their own key, or another way to read the payload. None of our tokens has one.
_REFUSED_MEMBERS = frozenset(["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"])

_jws = PyJWS(algorithms=["EdDSA", "ES256"])


class _Compact(NamedTuple):
    payload: bytes
    algorithm: Algorithm
    kid: str
    typ: Any


def open_token(token: str, keys: KeySet, typ: str) -> dict[str, Any]:
    """The payload of a token of this type, signed by a key of the set, or a ``VerifyError``.

    The algorithm is the key's, never the token's.
    """
    compact = _parse(token)
    key = keys.get(compact.kid)
    if key is None:
        raise VerifyError("unknown_key")
    if key.algorithm != compact.algorithm:
        raise VerifyError("algorithm")
    try:
        check_signature(token, key.key, key.algorithm)
    except (PyJWTError, ValueError):
        raise VerifyError("signature") from None
    if compact.typ != typ:
        raise VerifyError("type")
    return read_object(compact.payload)


def check_signature(token: str, key: PyJWK, algorithm: Algorithm) -> None:
    """A ``PyJWTError`` or ``ValueError`` unless this key signed the token."""
    _jws.decode(token, key, algorithms=[algorithm])


def _parse(token: str) -> _Compact:
    segments = token.split(".") if len(token) <= TOKEN_BYTES_MAX else []
    if len(segments) != 3:
        raise VerifyError("malformed")
    head, payload, signature = map(decode, segments)
    if head is None:
        raise VerifyError("malformed")
    header = read_object(head)
    if payload is None or signature is None:
        raise VerifyError("malformed")
    if not _REFUSED_MEMBERS.isdisjoint(header):
        raise VerifyError("header")
    algorithm = header.get("alg")
    if algorithm not in ("EdDSA", "ES256"):
        raise VerifyError("algorithm")
    kid = header.get("kid")
    if type(kid) is not str:
        raise VerifyError("unknown_key")
    return _Compact(payload, algorithm, kid, header.get("typ"))
