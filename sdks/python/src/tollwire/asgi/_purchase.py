"""What was sold."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Purchase:
    """A session that an agent bought through the provider's route. It has no token: that is the agent's."""

    #: The session.
    session: str
    #: The feed.
    feed: str
    #: What its units are.
    unit: str
    #: The units left at the time of the answer.
    units_remaining: int
    #: What was paid, such as ``$10.00``.
    deposited: str
    #: On which chain, such as ``base``.
    chain: str
    #: When its token stops admitting (RFC 3339).
    expires_at: str
    #: The provider's wallet, as the route was given it.
    wallet: str


def read_purchase(body: bytes, wallet: str) -> Purchase | None:
    """Reads the facilitator's 200; ``None`` if it is not one that sells a session."""
    try:
        answer = json.loads(body)
        session = answer["session"]
        texts = (session["jti"], session["feed"], session["unit"], session["deposited"], session["chain"])
        expires_at, units = answer["expires_at"], session["units_remaining"]
    except (ValueError, KeyError, TypeError):
        return None
    if type(units) is not int or not all(type(text) is str for text in (*texts, expires_at)):
        return None
    jti, feed, unit, deposited, chain = texts
    return Purchase(jti, feed, unit, units, deposited, chain, expires_at, wallet)
