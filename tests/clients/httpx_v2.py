"""Buys a session with the Python package x402, over httpx, and reads the feed with websockets."""

import asyncio
import json
import os

from eth_account import Account
from websockets.asyncio.client import connect
from x402 import x402Client
from x402.http import decode_payment_response_header
from x402.http.clients import x402HttpxClient
from x402.mechanisms.evm.exact.register import register_exact_evm_client


async def main() -> None:
    account = Account.from_key(os.environ["PRIVATE_KEY"])
    client = register_exact_evm_client(x402Client(), account)
    async with x402HttpxClient(client, timeout=30) as http:
        response = await http.get(os.environ["SESSION_URL"])
        await response.aread()
    bought = response.json()
    receipt = decode_payment_response_header(response.headers["PAYMENT-RESPONSE"])

    credentials = {"Authorization": f"Bearer {bought.pop('token')}"}
    async with connect(bought["ws_url"], additional_headers=credentials) as stream:
        frames = [json.loads(await stream.recv()) for _ in range(3)]
    print(json.dumps({
        "status": response.status_code,
        "payer": account.address,
        "bought": bought,
        "receipt": json.loads(receipt.model_dump_json(by_alias=True, exclude_none=True)),
        "frames": frames,
    }))


asyncio.run(main())
