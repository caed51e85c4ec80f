"""For providers: verify the tokens of a Tollwire facilitator.

``tollwire.asgi`` has what gates requests of FastAPI, Starlette and other ASGI applications.
"""

from .context import SessionContext, SessionGrant, StreamGrant
from .errors import Reason, SetupError, SetupReason, VerifyError
from .install import install, verify_session_token
from .online import SessionStatus, check_online
from .verifier import Accept, Verifier

__all__ = [
    "Accept",
    "Reason",
    "SessionContext",
    "SessionGrant",
    "SessionStatus",
    "SetupError",
    "SetupReason",
    "StreamGrant",
    "Verifier",
    "VerifyError",
    "check_online",
    "install",
    "verify_session_token",
]
