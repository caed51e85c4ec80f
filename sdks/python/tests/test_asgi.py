"""Requests and WebSockets of every form, through FastAPI, Starlette and a bare ASGI guard."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from httpx2 import Headers
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from support import PAYER, URL, Holder, Issuer
from tollwire import SessionContext, SetupError, Verifier, VerifyError
from tollwire.asgi import FeedGate, Guard, refuse, session_of

ISSUER = Issuer("a")


def gate(accept: str = "stream-tokens") -> FeedGate:
    return FeedGate(Verifier(URL, ISSUER.jwks, accept=accept), "ticks")


def seen(request: Request, session: SessionContext) -> list:
    names = [name for name, _ in request.scope["headers"]]
    hidden = b"authorization" not in names and b"dpop" not in names
    return [session.payer, str(request.query_params), request.url.query, hidden, session_of(request) == session]


def fastapi(admits: FeedGate) -> FastAPI:
    app = FastAPI()
    app.add_exception_handler(VerifyError, refuse)

    @app.get("/")
    async def read(request: Request, session: Annotated[SessionContext, Depends(admits)], a: str = "") -> list:
        return seen(request, session)

    @app.websocket("/stream")
    async def stream(websocket: WebSocket, session: Annotated[SessionContext, Depends(admits)]) -> None:
        await websocket.accept()
        await websocket.send_json([session.payer, str(websocket.query_params)])
        await websocket.close()

    return app


def starlette(admits: FeedGate) -> Starlette:
    async def read(request: Request) -> JSONResponse:
        return JSONResponse(seen(request, await admits(request)))

    async def stream(websocket: WebSocket) -> None:
        session = await admits(websocket)
        await websocket.accept()
        await websocket.send_json([session.payer, str(websocket.query_params)])
        await websocket.close()

    routes = [Route("/", read), WebSocketRoute("/stream", stream)]
    return Starlette(routes=routes, exception_handlers={VerifyError: refuse})


def guarded(admits: FeedGate) -> Starlette:
    async def read(request: Request) -> JSONResponse:
        return JSONResponse(seen(request, session_of(request)))

    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json([session_of(websocket).payer, str(websocket.query_params)])
        await websocket.close()

    inner = Starlette(routes=[Route("/", read), WebSocketRoute("/stream", stream)])
    return Starlette(routes=[Mount("/", Guard(inner, admits))])


APPLICATIONS = pytest.mark.parametrize("application", [fastapi, starlette, guarded])


@APPLICATIONS
def test_admits_by_query_or_header_once_and_hides_the_token(application) -> None:
    client = TestClient(application(gate()))
    token = ISSUER.stream()
    answer = client.get(f"/?a=1&token={token}&b=2")
    assert answer.json() == [PAYER, "a=1&b=2", "a=1&b=2", True, True]
    answer = client.get("/", headers={"Authorization": f"bEARER  {ISSUER.stream()}", "DPoP": "x"})
    assert answer.json() == [PAYER, "", "", True, True]
    again = client.get(f"/?token={token}")
    assert (again.status_code, again.json()["code"]) == (401, "replayed")
    assert again.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert again.headers["content-type"] == "application/problem+json"
    assert again.headers["cache-control"] == "no-store"


REFUSED = [
    ("/", [], 401, "missing"),
    ("/?token=", [], 401, "malformed"),
    ("/?token", [], 401, "malformed"),
    ("/?mytoken=x", [], 401, "missing"),
    ("/?token=a&token=b", [], 400, "ambiguous"),
    ("/?token=a", [("Authorization", "Bearer b")], 400, "ambiguous"),
    ("/", [("Authorization", "Bearer a"), ("Authorization", "Bearer b")], 400, "ambiguous"),
    ("/", [("Authorization", "Bearer a"), ("Authorization", "Basic b")], 400, "ambiguous"),
    ("/", [("Authorization", "DPoP a"), ("DPoP", "b")], 401, "proof_required"),
    ("/", [("Authorization", "Basic dTpw")], 401, "missing"),
    (f"/?token={ISSUER.stream('orders')}", [], 401, "audience"),
    (f"/?token={ISSUER.session()}", [], 401, "type"),
]


@APPLICATIONS
def test_refuses_with_the_reason(application) -> None:
    client = TestClient(application(gate()))
    for target, headers, status, code in REFUSED:
        answer = client.get(target, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), target
        with pytest.raises(WebSocketDenialResponse) as caught:
            with client.websocket_connect(f"/stream{target[1:]}", headers=Headers(headers)):
                pass
        assert (caught.value.status_code, caught.value.json()["code"]) == (status, code), target


@APPLICATIONS
def test_a_websocket_is_gated_before_it_is_accepted(application) -> None:
    client = TestClient(application(gate()))
    with client.websocket_connect(f"/stream?token={ISSUER.stream()}&a=1") as websocket:
        assert websocket.receive_json() == [PAYER, "a=1"]


@APPLICATIONS
def test_without_a_session_token_the_way_to_pay(application) -> None:
    client = TestClient(application(gate("session-tokens")))
    answer = client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (402, "payment_required")
    assert answer.headers["link"] == f'<{URL}/feeds/ticks/session>; rel="payment"'
    token = ISSUER.session()
    assert [client.get(f"/?token={token}").status_code for _ in range(2)] == [200, 200]


@APPLICATIONS
def test_a_bound_token_admits_with_its_proof_once(application) -> None:
    door, agent = "wss://feeds.example/stream", Holder()
    token = ISSUER.session(jkt=agent.jkt)
    client = TestClient(application(gate("session-tokens").at(door)))

    def ask(scheme: str, *proofs: str) -> tuple[int, str]:
        headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
        answer = client.get("/", headers=headers)
        return answer.status_code, answer.json()["code"] if answer.is_error else "ok"

    def prove(jti: str) -> str:
        return agent.prove(door, token, jti)

    assert ask("DPoP") == (401, "proof_required")
    assert ask("Bearer", prove("a")) == (401, "proof_required")
    assert ask("DPoP", prove("a"), prove("b")) == (401, "proof_malformed")
    assert ask("DPoP", Holder().prove(door, token, "a")) == (401, "proof_binding")
    assert ask("DPoP", agent.prove("wss://feeds.example/orders", token, "a")) == (401, "proof_url")
    assert ask("DPoP", prove("a")) == (200, "ok")
    assert ask("DPoP", prove("a")) == (401, "proof_replayed")
    headers = {"Authorization": f"DPoP {token}", "DPoP": prove("b")}
    with client.websocket_connect("/stream?a=1", headers=headers) as websocket:
        assert websocket.receive_json() == [PAYER, "a=1"]
    with pytest.raises(WebSocketDenialResponse) as caught:
        with client.websocket_connect("/stream", headers=headers):
            pass
    assert caught.value.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    token = ISSUER.session()
    assert ask("DPoP", prove("c")) == (401, "not_bound")


async def test_a_server_that_cannot_answer_refuses_all_the_same() -> None:
    sent = []

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [], "query_string": b"token=x", "path": "/"}
    await Guard(None, gate())(scope, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "malformed"}]
    assert scope["query_string"] == b"", "servers log it"


def test_an_admitted_request_stays_admitted_for_its_feed_alone() -> None:
    verifier = Verifier(URL, ISSUER.jwks)
    ticks, orders = FeedGate(verifier, "ticks"), FeedGate(verifier, "orders")
    scope = {"type": "http", "headers": [], "query_string": f"token={ISSUER.stream()}".encode()}
    assert ticks.admit(scope) is ticks.admit(scope)
    with pytest.raises(VerifyError, match="no stream token"):
        orders.admit(scope)
    with pytest.raises(SetupError):
        FeedGate(verifier, "../ticks")
