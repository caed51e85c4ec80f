"""Buys three answers over one WebSocket: `websockets` carries the frames, the Python package x402 signs."""

import asyncio
import json
import os

from eth_account import Account
from websockets.asyncio.client import connect
from x402 import x402Client
from x402.mechanisms.evm.exact.register import register_exact_evm_client
from x402.schemas import PaymentRequired


def call(number: int, payment: dict | None = None) -> str:
    envelope = {"id": number, "method": "relay.call", "params": {"apiId": "demo", "path": os.environ.get("CALL_PATH", "/weather")}}
    if payment:
        envelope["payment"] = payment
    return json.dumps(envelope)


async def main() -> None:
    client = register_exact_evm_client(x402Client(), Account.from_key(os.environ["PRIVATE_KEY"]))
    async with connect(os.environ["SOCKET_URL"]) as socket:
        for number in range(3):
            await socket.send(call(number))
        unpaid = [json.loads(await socket.recv()) for _ in range(3)]
        for answer in unpaid:
            required = PaymentRequired.model_validate(answer["error"]["paymentRequired"])
            payload = await client.create_payment_payload(required)
            payment = json.loads(payload.model_dump_json(by_alias=True, exclude_none=True))
            await socket.send(call(answer["id"], payment))
        paid = [json.loads(await socket.recv()) for _ in range(3)]
    print(json.dumps({"unpaid": [answer["error"]["code"] for answer in unpaid], "paid": paid}))


asyncio.run(main())
