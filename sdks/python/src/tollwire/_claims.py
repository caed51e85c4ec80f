"""What session and stream tokens say, of a payload whose signature has been verified. Times are Unix seconds."""

import re
from dataclasses import dataclass
from typing import Any

from .errors import VerifyError

#: The longest a session token is valid: 31 days.
SESSION_SECS_MAX = 31 * 24 * 60 * 60
#: The longest a stream token is valid.
STREAM_SECS_MAX = 60

# Each for the whole text.
_ADDRESS = re.compile(r"[\x21-\x7e]{1,128}")
_SESSION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_STREAM_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_FEED_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_DOLLARS = re.compile(r"\$(0|[1-9][0-9]{0,9})\.([0-9]{2}(?:[0-9]{0,3}[1-9])?)")
_UNIT = re.compile(r"stream|second|message|kib")
_EIP155 = re.compile(r"eip155:([1-9][0-9]{0,19})")
_SOLANA = frozenset(
    [
        "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
        "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z",
    ]
)
_CHAIN = re.compile(r"[a-z0-9-]{1,32}")
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class SessionClaims:
    """The claims of a session token; amounts are as of issue."""

    sub: str
    jti: str
    feed: str
    deposited: str
    units_at_issue: int
    unit: str
    network: str
    iat: int
    nbf: int
    exp: int
    #: The thumbprint of the key the token is bound to, if it is (RFC 9449).
    jkt: str | None


@dataclass(frozen=True)
class StreamClaims:
    """The claims of a stream token."""

    sub: str
    jti: str
    stream: str
    fence: int
    feed: str
    iat: int
    exp: int


def is_feed_id(text: str) -> bool:
    """True for a feed's name."""
    return _FEED_ID.fullmatch(text) is not None


def read_session(payload: dict[str, Any]) -> SessionClaims:
    """A ``VerifyError`` by ``claims`` if one is missing or ill-formed."""
    iat, exp = _life(payload, SESSION_SECS_MAX)
    nbf = _integer(payload, "nbf")
    if nbf >= exp:
        raise VerifyError("claims")
    _text(payload, "chain", _CHAIN)
    _integer(payload, "gen")
    return SessionClaims(
        sub=_text(payload, "sub", _ADDRESS),
        jti=_text(payload, "jti", _SESSION_ID),
        feed=_text(payload, "feed", _FEED_ID),
        deposited=_deposited(payload),
        units_at_issue=_integer(payload, "streams_remaining"),
        unit=_text(payload, "unit", _UNIT),
        network=_network(payload),
        iat=iat,
        nbf=nbf,
        exp=exp,
        jkt=_thumbprint(payload),
    )


def read_stream(payload: dict[str, Any]) -> StreamClaims:
    """A ``VerifyError`` by ``claims`` if one is missing or ill-formed."""
    iat, exp = _life(payload, STREAM_SECS_MAX)
    return StreamClaims(
        sub=_text(payload, "sub", _ADDRESS),
        jti=_text(payload, "jti", _SESSION_ID),
        stream=_text(payload, "stream", _STREAM_ID),
        fence=_integer(payload, "fence"),
        feed=_text(payload, "feed", _FEED_ID),
        iat=iat,
        exp=exp,
    )


def _text(payload: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = payload.get(name)
    if type(value) is not str or form.fullmatch(value) is None:
        raise VerifyError("claims")
    return value


def _integer(payload: dict[str, Any], name: str) -> int:
    """At most 2^53 - 1, so that it is exact in every language. True and false are no integers."""
    value = payload.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise VerifyError("claims")
    return value


def _life(payload: dict[str, Any], secs_max: int) -> tuple[int, int]:
    iat, exp = _integer(payload, "iat"), _integer(payload, "exp")
    if not iat < exp <= iat + secs_max:
        raise VerifyError("claims")
    return iat, exp


def _deposited(payload: dict[str, Any]) -> str:
    """Dollars with two to six decimals, below 2^53 atomic units."""
    value = _text(payload, "deposited", _DOLLARS)
    whole, fraction = value[1:].split(".")
    if int(whole + fraction.ljust(6, "0")) >= 2**53:
        raise VerifyError("claims")
    return value


def _network(payload: dict[str, Any]) -> str:
    value = payload.get("network")
    if type(value) is str:
        chain = _EIP155.fullmatch(value)
        if value in _SOLANA or (chain is not None and int(chain[1]) < 2**64):
            return value
    raise VerifyError("claims")


def _thumbprint(payload: dict[str, Any]) -> str | None:
    """``cnf.jkt`` (RFC 9449). A binding of any other kind is refused: nobody here could enforce it."""
    if "cnf" not in payload:
        return None
    confirmation = payload["cnf"]
    if type(confirmation) is not dict or len(confirmation) != 1:
        raise VerifyError("claims")
    return _text(confirmation, "jkt", _HASH)
