"""What a verified token says."""

from dataclasses import dataclass

from ._claims import SessionClaims, StreamClaims


@dataclass(frozen=True)
class StreamGrant:
    """One opening of one stream, metered by the proxy in front of us."""

    #: The stream.
    stream: str
    #: Which opening of it.
    fence: int


@dataclass(frozen=True)
class SessionGrant:
    """A session. How much is left of it only the facilitator knows."""

    #: What the units are: ``stream``, ``second``, ``message`` or ``kib``.
    unit: str
    #: The units that were left when the token was issued.
    units_at_issue: int
    #: What was paid, such as ``$10.00``.
    deposited: str
    #: On which network (CAIP-2).
    network: str


@dataclass(frozen=True)
class SessionContext:
    """Who may open what: the result of a successful verification."""

    #: The session (``jti``).
    session: str
    #: The feed it admits to.
    feed: str
    #: The payer's address.
    payer: str
    #: When the token stops admitting, in Unix seconds.
    expires_at: int
    #: What kind of token was shown, and what that kind says besides.
    grant: StreamGrant | SessionGrant


def from_session(claims: SessionClaims) -> SessionContext:
    grant = SessionGrant(claims.unit, claims.units_at_issue, claims.deposited, claims.network)
    return SessionContext(claims.jti, claims.feed, claims.sub, claims.exp, grant)


def from_stream(claims: StreamClaims) -> SessionContext:
    grant = StreamGrant(claims.stream, claims.fence)
    return SessionContext(claims.jti, claims.feed, claims.sub, claims.exp, grant)
