"""Who issued a token, for whom, for what, and until when."""

from typing import Any

from ._claims import SessionClaims, StreamClaims, read_session, read_stream
from ._jws import open_token
from ._keys import KeySet
from .errors import VerifyError

#: The ``typ`` of a session token.
SESSION_TYPE = "tollwire-session+jwt"
#: The ``typ`` of a stream token.
STREAM_TYPE = "tollwire-stream+jwt"


class Tokens:
    """Verifies tokens of one issuer.

    The checks run in this order: form, header, key, signature, ``typ``, ``iss``, ``aud``, the claims' form (all 401),
    then ``nbf``, ``iat``, ``exp``, ``feed`` (403). ``now`` is in Unix seconds.
    """

    def __init__(self, keys: KeySet, issuer: str, audience: str, leeway_secs: int) -> None:
        #: Replaced whole, never changed.
        self.keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway_secs

    def session(self, token: str, feed: str, now: int) -> SessionClaims:
        """A session token that must admit to this feed. That it may be bound to a key is for the caller to see to."""
        claims = read_session(self._read(token, SESSION_TYPE, self._audience))
        self._check_times(claims.nbf, claims.iat, claims.exp, now)
        if claims.feed != feed:
            raise VerifyError("wrong_feed")
        return claims

    def stream(self, token: str, feed: str, now: int) -> StreamClaims:
        """A stream token for this feed. That it is used once is for the caller to see to."""
        claims = read_stream(self._read(token, STREAM_TYPE, feed))
        self._check_times(claims.iat, claims.iat, claims.exp, now)
        if claims.feed != feed:
            raise VerifyError("wrong_feed")
        return claims

    def _read(self, token: str, typ: str, audience: str) -> dict[str, Any]:
        payload = open_token(token, self.keys, typ)
        if payload.get("iss") != self._issuer:
            raise VerifyError("issuer")
        if payload.get("aud") != audience:
            raise VerifyError("audience")
        return payload

    def _check_times(self, nbf: int, iat: int, exp: int, now: int) -> None:
        latest = now + self._leeway
        if nbf > latest or iat > latest:
            raise VerifyError("not_yet_valid")
        if now >= exp + self._leeway:
            raise VerifyError("expired")
