"""Gates requests and WebSockets of FastAPI, Starlette and other ASGI applications, and serves the pre-auth route.

Needs the extra ``tollwire[asgi]``.
"""

from ._gate import FeedGate, Guard, refuse, session_of
from ._preauth import PreAuth
from ._purchase import Purchase

__all__ = ["FeedGate", "Guard", "PreAuth", "Purchase", "refuse", "session_of"]
