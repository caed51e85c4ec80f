"""The provider's own pre-auth route, against a facilitator that is scripted at the HTTP level."""

import json

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from support import Scripted
from tollwire import SetupError
from tollwire.asgi import PreAuth, Purchase

SESSION = "7d444840-9dc0-4acd-b245-5ffdce74fad2"
SOLD = json.dumps(
    {
        "token": "a.b.c",
        "token_type": "Bearer",
        "expires_at": "2027-01-16T08:00:00Z",
        "ws_url": "wss://pay.example/feeds/ticks/ws",
        "session": {
            "jti": SESSION,
            "feed": "ticks",
            "unit": "stream",
            "units_remaining": 10,
            "deposited": "$10.00",
            "chain": "base",
        },
    }
)


def provider(facilitator: str, **options: object) -> TestClient:
    async def inner(_: object) -> PlainTextResponse:
        return PlainTextResponse("inner")

    app = Starlette(routes=[Route("/{path:path}", inner, methods=["GET", "POST"])])
    app.add_middleware(PreAuth, facilitator=facilitator, feed="ticks", wallet="0xabc", **options)
    return TestClient(app)


def test_only_the_payment_travels() -> None:
    with Scripted('{"x402Version":1}', 402).serve() as facilitator, provider(facilitator.url) as client:
        facilitator.headers = {
            "PAYMENT-REQUIRED": "terms",
            "Retry-After": "7",
            "Content-Type": "application/json",
            "Set-Cookie": "f=1",
            "X-Secret": "1",
        }
        payment = [("PAYMENT-SIGNATURE", "v2"), ("X-PAYMENT", "v1"), ("Tollwire-Claim", "c"), ("SIGN-IN-WITH-X", "s")]
        twice = [*payment, ("X-PAYMENT", "again")]
        more = [("Authorization", "Bearer secret"), ("Cookie", "p=secret"), ("X-Forwarded-For", "10.0.0.1")]
        answer = client.get("/feeds/ticks/session?token=secret&a=1", headers=[*twice, *more])
        assert (answer.status_code, answer.text) == (402, '{"x402Version":1}')
        assert (answer.headers["payment-required"], answer.headers["retry-after"]) == ("terms", "7")
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
            "application/json",
            "private, no-store",
        )
        assert not {"set-cookie", "x-secret"} & set(answer.headers)
        client.get("/feeds/ticks/session")
        for path, headers in facilitator.seen:
            assert path == "/feeds/ticks/session"
            names = {name.lower() for name, _ in headers}
            assert not {"authorization", "cookie", "x-forwarded-for"} & names
        sent = [(name.lower(), value) for name, value in facilitator.seen[0][1]]
        assert all((name.lower(), value) in sent for name, value in twice)
        assert client.post("/feeds/ticks/session").text == "inner"
        assert client.get("/feeds/ticks/sessions").text == "inner"


def test_each_sale_is_told_and_a_callback_that_fails_loses_nothing(caplog) -> None:
    told: list[Purchase] = []

    async def on_session(purchase: Purchase) -> None:
        told.append(purchase)
        raise RuntimeError("the provider's own")

    with Scripted(SOLD, 200).serve() as facilitator:
        with provider(facilitator.url + "/", on_session=on_session) as client:
            assert client.get("/feeds/ticks/session").text == SOLD
            for facilitator.body in ("", "[]", SOLD.replace('"feed": "ticks"', '"feed": "orders"')):
                assert client.get("/feeds/ticks/session").status_code == 200
    assert told == [Purchase(SESSION, "ticks", "stream", 10, "$10.00", "base", "2027-01-16T08:00:00Z", "0xabc")]
    assert len(caplog.messages) == 4 and "a.b.c" not in caplog.text


def test_no_answer_is_never_a_fresh_402() -> None:
    with Scripted("", 302).serve() as facilitator, provider(facilitator.url, route="/pay") as client:
        unavailable = (502, "facilitator_unavailable", "2")

        def told() -> tuple[int, str, str]:
            answer = client.get("/pay")
            return answer.status_code, answer.json()["code"], answer.headers["retry-after"]

        assert told() == unavailable
        facilitator.status, facilitator.body = 200, "x" * 70_000
        assert told() == unavailable
    with provider(facilitator.url, route="/pay") as client:
        answer = client.get("/pay")
        assert (answer.status_code, answer.json()["code"]) == (502, "facilitator_unavailable")


@pytest.mark.parametrize(
    ("url", "feed", "wallet"),
    [
        ("pay.example", "ticks", "0xabc"),
        ("https://pay.example?a", "ticks", "0xabc"),
        ("https://pay.example", "../ticks", "0xabc"),
        ("https://pay.example", "ticks", ""),
        ("https://pay.example", "ticks", "0x abc"),
        ("https://pay.example", "ticks", "0xabc\n"),
    ],
)
def test_settings_that_mean_nothing_are_refused(url: str, feed: str, wallet: str) -> None:
    with pytest.raises(SetupError):
        PreAuth(None, url, feed, wallet)
