"""A verifier and a feed: all that is needed to admit requests."""

from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Send
from starlette.websockets import WebSocket

from .._claims import is_feed_id
from ..context import SessionContext
from ..errors import SetupError, VerifyError
from ..verifier import Verifier
from ._refusal import refusal
from ._scope import Scope, extract_proof, extract_token, strip_token

_KEY = "tollwire.session"


def require_feed_id(feed: str) -> None:
    """A ``SetupError`` by ``setting`` if that is no feed's name."""
    if not is_feed_id(feed):
        rule = "1 to 64 characters of a-z, 0-9, '-', '_' or '.', starting with a letter or digit"
        raise SetupError("setting", f"a feed id is {rule}")


def session_of(connection: HTTPConnection | Scope) -> SessionContext | None:
    """Who opened a request that a gate has admitted."""
    return connection.get(_KEY)


class FeedGate:
    """Admits requests and WebSockets to one feed.

    In FastAPI, ``Depends(gate)``; in Starlette, ``await gate(request)`` or ``await gate(websocket)`` before anything is
    answered. Either raises a ``VerifyError``, which ``refuse`` answers as an exception handler.
    """

    def __init__(self, verifier: Verifier, feed: str) -> None:
        require_feed_id(feed)
        self.feed = feed
        self._verifier = verifier
        self._url: str | None = None

    def at(self, url: str) -> "FeedGate":
        """The same gate, which also takes session tokens that are bound to a key, with their DPoP proofs.

        ``url`` is the one that agents open, as it is published (``https`` or ``wss``): proofs are made for it. Without it,
        such a token is refused by ``proof_required``.
        """
        gate = FeedGate(self._verifier, self.feed)
        gate._url = url
        return gate

    async def __call__(self, connection: HTTPConnection) -> SessionContext:
        """Admits a request or a WebSocket by its head, or says why not."""
        context = self.admit(connection.scope)
        # What Starlette has read of the head by now has the token in it.
        for name in ("_headers", "_url", "_query_params"):
            connection.__dict__.pop(name, None)
        return context

    def admit(self, scope: Scope) -> SessionContext:
        """The same, of any ASGI scope.

        On success the token is gone from the scope, and ``session_of`` knows whose it is. Asking again about an admitted
        request gives the same answer.
        """
        before: SessionContext | None = scope.get(_KEY)
        if before is not None and before.feed == self.feed:
            return before
        credentials = extract_token(scope)
        if credentials is None:
            raise self._verifier.missing(self.feed)
        context = self._verify(credentials.token, extract_proof(scope), scope)
        strip_token(scope)
        scope[_KEY] = context
        return context

    def _verify(self, token: str, proof: str | None, scope: Scope) -> SessionContext:
        if proof is None:
            return self._verifier.verify_session_token(token, self.feed)
        if self._url is None:
            raise VerifyError("proof_required")
        # A WebSocket is opened by GET, which ASGI does not say.
        return self._verifier.verify_bound(token, self.feed, proof, scope.get("method", "GET"), self._url)


class Guard:
    """An ASGI application behind a gate: what is not admitted never reaches it, be it HTTP or a WebSocket."""

    def __init__(self, app: ASGIApp, gate: FeedGate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                self._gate.admit(scope)
            except VerifyError as error:
                await _answer(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


async def refuse(connection: HTTPConnection, error: Any) -> Response | None:
    """An exception handler: ``app.add_exception_handler(VerifyError, refuse)``.

    It answers requests, and WebSockets before they are accepted, by the status of the refusal.
    """
    if not isinstance(connection, WebSocket):
        strip_token(connection.scope)
        return refusal(error)
    await _answer(error, connection.scope, connection.receive, connection.send)
    return None


async def _answer(error: VerifyError, scope: Scope, receive: Receive, send: Send) -> None:
    strip_token(scope)  # servers log the path of what was refused, too
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        # A server that can refuse by nothing but a bare 403.
        await send({"type": "websocket.close", "code": 1008, "reason": error.reason})
        return
    await refusal(error)(scope, receive, send)
