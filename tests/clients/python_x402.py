"""Buys a session with the Python package x402 and reads the feed with websockets.

PRIVATE_KEY pays, on Solana if RPC_URL names a node of it, else on EVM chains; HTTP_CLIENT is httpx or requests. The
package speaks both versions of x402, whichever it is offered.
"""

import asyncio
import json
import os

from eth_account import Account
from solders.keypair import Keypair
from websockets.asyncio.client import connect
from x402 import x402Client, x402ClientSync
from x402.http import decode_payment_response_header
from x402.http.clients import x402_requests, x402HttpxClient
from x402.mechanisms.evm import EthAccountSigner
from x402.mechanisms.evm.exact.register import register_exact_evm_client
from x402.mechanisms.svm.exact.register import register_exact_svm_client
from x402.mechanisms.svm.signers import KeypairSigner

KEY = os.environ["PRIVATE_KEY"]
RPC_URL = os.environ.get("RPC_URL")
SESSION_URL = os.environ["SESSION_URL"]


def paying(client):
    """The client with the wallet, and the wallet's address."""
    if RPC_URL:
        signer = KeypairSigner(Keypair.from_bytes(bytes(json.loads(KEY))))
        return register_exact_svm_client(client, signer, rpc_url=RPC_URL), signer.address
    account = Account.from_key(KEY)
    return register_exact_evm_client(client, EthAccountSigner(account)), account.address


async def buy():
    """The answer and the payer's address."""
    if os.environ["HTTP_CLIENT"] == "requests":
        client, payer = paying(x402ClientSync())
        return await asyncio.to_thread(x402_requests(client).get, SESSION_URL, timeout=30), payer
    client, payer = paying(x402Client())
    async with x402HttpxClient(client, timeout=30) as http:
        response = await http.get(SESSION_URL)
        await response.aread()
    return response, payer


async def main() -> None:
    response, payer = await buy()
    bought = response.json()
    header = response.headers.get("PAYMENT-RESPONSE") or response.headers["X-PAYMENT-RESPONSE"]
    receipt = decode_payment_response_header(header)

    credentials = {"Authorization": f"Bearer {bought.pop('token')}"}
    async with connect(bought["ws_url"], additional_headers=credentials) as stream:
        frames = [json.loads(await stream.recv()) for _ in range(3)]
    print(json.dumps({
        "status": response.status_code,
        "payer": payer,
        "bought": bought,
        "receipt": json.loads(receipt.model_dump_json(by_alias=True, exclude_none=True)),
        "frames": frames,
    }))


asyncio.run(main())
