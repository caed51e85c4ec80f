"""Verifies agent sessions, a line of JSON each ({"key": hex, "messages": [...]}), with libraries of its own."""

import hashlib
import json
import sys

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def first_bad(key, messages):
    """The number that the first bad message should have, or None."""
    previous = "sha256:" + "0" * 64
    for number, message in enumerate(messages, start=1):
        integrity = message["integrity"]
        bare = {**message, "integrity": {"previousHash": integrity["previousHash"]}}
        signed = rfc8785.dumps(bare)
        digest = "sha256:" + hashlib.sha256(signed).hexdigest()
        if message["sequenceNumber"] != number or integrity["previousHash"] != previous or integrity["hash"] != digest:
            return number
        try:
            key.verify(bytes.fromhex(integrity["signature"].removeprefix("ed25519:")), signed)
        except Exception:
            return number
        previous = digest
    return None


for line in sys.stdin:
    session = json.loads(line)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(session["key"]))
    print(first_bad(key, session["messages"]))
