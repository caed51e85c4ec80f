"""``verify_session_token`` as a plain function, over a verifier installed once per process."""

import threading

from .context import SessionContext
from .errors import SetupError, VerifyError
from .verifier import Verifier

_lock = threading.Lock()
_installed: Verifier | None = None


def install(verifier: Verifier) -> None:
    """Installs the verifier that ``verify_session_token`` uses. Once per process."""
    global _installed
    with _lock:
        if _installed is not None:
            raise SetupError("installed", "a verifier is installed already")
        _installed = verifier


def verify_session_token(token: str, feed_id: str) -> SessionContext:
    """Verifies a token for a feed with the installed verifier."""
    if _installed is None:
        raise VerifyError("not_installed")
    return _installed.verify_session_token(token, feed_id)
