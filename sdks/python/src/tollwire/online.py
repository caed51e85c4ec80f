"""Asks the facilitator what is left of a session: for providers that take session tokens themselves."""

import json
import re
from dataclasses import dataclass

from ._fetch import get, join
from .errors import SetupError

_ANSWER_BYTES_MAX = 16 * 1024
_TIMEOUT_SECS = 10.0


@dataclass(frozen=True)
class SessionStatus:
    """What the facilitator says about a session. What is beyond ``active`` may be missing when it is not."""

    #: Whether the session can still be used.
    active: bool
    jti: str | None = None
    feed: str | None = None
    #: Units neither used nor held.
    units_remaining: int | None = None
    live_streams: int | None = None
    #: When its tokens stop admitting (RFC 3339).
    expires_at: str | None = None


def check_online(public_url: str, token: str) -> SessionStatus:
    """Asks about the session of this token. Blocks: in an ``async`` function, ``asyncio.to_thread`` it.

    A token that the facilitator refuses (401, 403) is not active; every other failure is a ``SetupError``, and says
    nothing about the session.
    """
    if re.fullmatch(r"[\x21-\x7e]*", token) is None:
        raise SetupError("setting", "a token is visible ASCII")
    headers = {"Authorization": f"Bearer {token}"}
    answer = get(join(public_url, "/session"), headers, _ANSWER_BYTES_MAX, _TIMEOUT_SECS)
    if answer.status in (401, 403):
        return SessionStatus(active=False)
    if answer.status != 200:
        raise SetupError("status", f"the facilitator answered with status {answer.status}")
    try:
        told = json.loads(answer.body)
        names = SessionStatus.__dataclass_fields__
        status = SessionStatus(**{name: told[name] for name in names if name in told})
    except (ValueError, TypeError) as error:
        raise SetupError("answer", "the facilitator's answer is not understood") from error
    if type(status.active) is not bool:
        raise SetupError("answer", "the facilitator's answer is not understood")
    return status
