"""A provider with FastAPI: a feed of ticks at /stream, gated, and the pre-auth route where agents pay.

``python examples/provider_fastapi.py``; settings in ../../README.md.
"""

import asyncio
import os
import socket
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect
from tollwire import SessionContext, Verifier, VerifyError
from tollwire.asgi import FeedGate, PreAuth, Purchase, refuse

FACILITATOR = os.environ.get("FACILITATOR", "http://127.0.0.1:4020")
LISTEN = os.environ.get("LISTEN", "127.0.0.1:9100")
FEED = os.environ.get("FEED", "ticks")
WALLET = os.environ.get("WALLET", "0x0000000000000000000000000000000000000000")
ACCEPT = os.environ.get("ACCEPT", "stream")
DOOR = os.environ.get("DOOR", f"ws://{LISTEN}/stream")


def sold(purchase: Purchase) -> None:
    print(f"sold {purchase.session} for {purchase.deposited}", flush=True)


# The facilitator's public keys: fetched now, refreshed in the background, never on the way of a request.
gate = FeedGate(Verifier.connect(FACILITATOR, accept=f"{ACCEPT}-tokens"), FEED).at(DOOR)

app = FastAPI()
app.add_middleware(PreAuth, facilitator=FACILITATOR, feed=FEED, wallet=WALLET, on_session=sold)
app.add_exception_handler(VerifyError, refuse)


@app.websocket("/stream")
async def stream(websocket: WebSocket, session: Annotated[SessionContext, Depends(gate)]) -> None:
    """The feed. Whoever gets here has paid."""
    print(f"{session.payer} opens {session.feed}", flush=True)
    await websocket.accept()
    ticking = asyncio.create_task(ticks(websocket))
    try:
        while True:
            await websocket.receive()
    except (RuntimeError, WebSocketDisconnect):
        ticking.cancel()


async def ticks(websocket: WebSocket) -> None:
    tick = 0
    while True:
        tick += 1
        await websocket.send_json({"tick": tick})
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    host, port = LISTEN.split(":")
    listener = socket.create_server((host, int(port)))
    print(f"listening on {host}:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[listener])
