"""Buys a session on Solana with the Python package x402, over httpx, and reads the feed with websockets."""

import asyncio
import json
import os

from solders.keypair import Keypair
from websockets.asyncio.client import connect
from x402 import x402Client
from x402.http import decode_payment_response_header
from x402.http.clients import x402HttpxClient
from x402.mechanisms.svm.exact.register import register_exact_svm_client
from x402.mechanisms.svm.signers import KeypairSigner


async def main() -> None:
    signer = KeypairSigner(Keypair.from_bytes(bytes(json.loads(os.environ["PRIVATE_KEY"]))))
    client = register_exact_svm_client(x402Client(), signer, rpc_url=os.environ["RPC_URL"])
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
        "payer": signer.address,
        "bought": bought,
        "receipt": json.loads(receipt.model_dump_json(by_alias=True, exclude_none=True)),
        "frames": frames,
    }))


asyncio.run(main())
