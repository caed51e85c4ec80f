"""The provider's own pre-auth route: the agent pays where the feed lives, the facilitator does the work."""

import asyncio
import inspect
import logging
import re
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx2 as httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Send

from .._fetch import join
from ..errors import SetupError
from ._gate import require_feed_id
from ._purchase import Purchase, read_purchase
from ._refusal import problem
from ._scope import Scope

_log = logging.getLogger("tollwire")

#: Longer than the facilitator holds a payment for its outcome (30 s).
_TIMEOUT_SECS = 40.0
_ANSWER_BYTES_MAX = 64 * 1024
#: Requests waiting for the facilitator at once; one more is told to come back.
_WAITING_MAX = 256

_REQUEST_HEADERS = frozenset([b"accept", b"payment-signature", b"x-payment", b"tollwire-claim", b"sign-in-with-x"])
_RESPONSE_HEADERS = frozenset(
    [
        b"content-type",
        b"cache-control",
        b"retry-after",
        b"www-authenticate",
        b"access-control-expose-headers",
        b"payment-required",
        b"payment-response",
        b"x-payment-response",
    ]
)
_AGAIN = "Repeat the request with the same payment, if it had one."


class PreAuth:
    """ASGI middleware that serves ``GET /feeds/{feed}/session``: agents get their 402, pay, and receive their token there.

    ``app.add_middleware(PreAuth, facilitator="https://pay.example", feed="ticks", wallet="0x...")``

    ``facilitator`` is its ``public_url``. The wallet decides nothing here: where the money goes is settled by the feed's
    registration; it is handed to ``on_session`` with each purchase. ``route`` is another path. ``on_session``, a function or
    a coroutine function, runs beside the answer: the agent does not wait for it, and nothing it does can lose what was
    paid. An agent that collects its answer again makes it run again.
    """

    def __init__(
        self,
        app: ASGIApp,
        facilitator: str,
        feed: str,
        wallet: str,
        *,
        route: str | None = None,
        on_session: Callable[[Purchase], Any] | None = None,
    ) -> None:
        require_feed_id(feed)
        if re.fullmatch(r"[\x21-\x7e]{1,128}", wallet) is None:
            raise SetupError("setting", "a wallet address is 1 to 128 visible ASCII characters")
        self._app = app
        self._url = join(facilitator, f"/feeds/{feed}/session")
        self._feed = feed
        self._wallet = wallet
        self._route = route or f"/feeds/{feed}/session"
        self._on_session = on_session
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        limits = httpx.Limits(max_connections=_WAITING_MAX, max_keepalive_connections=16)
        # No client around it: that would keep cookies, by which the facilitator could tell nobody apart but us.
        self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == self._route:
            answer = await self._answer(scope["headers"])
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, headers: list[tuple[bytes, bytes]]) -> Response:
        if self._waiting >= _WAITING_MAX:
            return _again(503, "busy", "Too many payments are under way.")
        self._waiting += 1
        try:
            return self._pass(*await asyncio.wait_for(self._ask(_allowed(headers, _REQUEST_HEADERS)), _TIMEOUT_SECS))
        except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError, SetupError) as error:
            _log.warning("%s: no answer for the pre-auth route of %s", type(error).__name__, self._feed)
            # Never a fresh 402: what was signed may have been settled, and the same payment collects it.
            late = isinstance(error, (httpx.TimeoutException, asyncio.TimeoutError))
            return _again(504 if late else 502, "facilitator_unavailable", _AGAIN)
        finally:
            self._waiting -= 1

    async def _ask(self, headers: list[tuple[bytes, bytes]]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        phases = dict.fromkeys(("connect", "read", "write", "pool"), _TIMEOUT_SECS)
        request = httpx.Request("GET", self._url, headers=headers, extensions={"timeout": phases})
        answer = await self._transport.handle_async_request(request)
        async with aclosing(answer):
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _ANSWER_BYTES_MAX:
                    raise SetupError("too_long", f"the facilitator's answer is longer than {_ANSWER_BYTES_MAX} bytes")
            return answer.status_code, answer.headers.raw, body

    def _pass(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
        if status != 200 and not 400 <= status <= 599:
            _log.warning("unexpected status %d of the facilitator for %s", status, self._feed)
            return _again(502, "facilitator_unavailable", "Repeat the request.")
        if status == 200:
            self._sold(body)
        answer = Response(body, status)
        answer.raw_headers.extend(_allowed(headers, _RESPONSE_HEADERS))
        # A token must not be cached, whatever the facilitator forgot.
        answer.headers.setdefault("Cache-Control", "private, no-store")
        return answer

    def _sold(self, body: bytes) -> None:
        if self._on_session is None:
            return
        purchase = read_purchase(body, self._wallet)
        if purchase is None or purchase.feed != self._feed:
            _log.warning("the facilitator's 200 does not describe a session of %s", self._feed)
        elif len(self._tasks) >= _WAITING_MAX:
            _log.warning("too many callbacks run; that of session %s is skipped", purchase.session)
        else:
            task = asyncio.create_task(self._call(self._on_session, purchase))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, callback: Callable[[Purchase], Any], purchase: Purchase) -> None:
        try:
            result = callback(purchase)
            if inspect.isawaitable(result):
                await result
        except Exception:
            _log.exception("on_session failed for session %s", purchase.session)


def _allowed(headers: list[tuple[bytes, bytes]], names: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """The headers of a closed list, each with all its values: whoever reads them decides about repetitions."""
    return [(name.lower(), value) for name, value in headers if name.lower() in names]


def _again(status: int, code: str, detail: str) -> Response:
    answer = problem(status, code, detail)
    answer.headers["Retry-After"] = "2"
    return answer
