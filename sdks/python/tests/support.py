"""What the tests share: a facilitator as far as a provider sees it."""

import hashlib
import json
import threading
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

URL = "https://pay.example"
PAYER = "0x857b06519e91e3a54538791bdbb0e22373e36b66"


class Issuer:
    """A key that signs tokens."""

    def __init__(self, kid: str) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._kid = kid
        x = base64url(self._key.public_key().public_bytes_raw())
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"}
        self.jwks = json.dumps({"keys": [jwk]})

    def stream(self, feed: str = "ticks", fence: int = 1, jti: str | None = None) -> str:
        iat = int(time.time())
        claims = {"stream": "0123456789abcdef", "fence": fence, "iat": iat, "exp": iat + 60}
        return self._sign("stream", feed, feed, jti, claims)

    def session(self, feed: str = "ticks", jkt: str | None = None) -> str:
        iat = int(time.time())
        claims = {} if jkt is None else {"cnf": {"jkt": jkt}}
        claims |= {
            "deposited": "$10.00",
            "streams_remaining": 10,
            "unit": "stream",
            "network": "eip155:8453",
            "chain": "base",
            "iat": iat,
            "nbf": iat,
            "exp": iat + 60,
            "gen": 0,
        }
        return self._sign("session", URL, feed, None, claims)

    def _sign(self, kind: str, aud: str, feed: str, jti: str | None, claims: dict) -> str:
        payload = {"iss": URL, "aud": aud, "sub": PAYER, "jti": jti or str(uuid.uuid4()), "feed": feed, **claims}
        headers = {"typ": f"tollwire-{kind}+jwt", "kid": self._kid}
        return jwt.encode(payload, self._key, "EdDSA", headers)


class Holder:
    """An agent's key for DPoP proofs."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._jwk = {"crv": "Ed25519", "kty": "OKP", "x": base64url(self._key.public_key().public_bytes_raw())}
        self.jkt = hashed(json.dumps(self._jwk, separators=(",", ":")))

    def prove(self, url: str, token: str, jti: str) -> str:
        """A proof for a GET of this URL with this token."""
        claims = {"jti": jti, "htm": "GET", "htu": url, "iat": int(time.time()), "ath": hashed(token)}
        return jwt.encode(claims, self._key, "EdDSA", {"typ": "dpop+jwt", "jwk": self._jwk})


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def hashed(text: str) -> str:
    return base64url(hashlib.sha256(text.encode()).digest())


class Scripted:
    """An HTTP server whose answer changes, and which remembers what it was asked."""

    def __init__(self, body: str = "", status: int = 500) -> None:
        self.body, self.status = body, status
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[str, list[tuple[str, str]]]] = []
        self._asked = threading.Condition()
        self.url = ""

    def asked_again(self, times: int = 1) -> None:
        """Waits until it has been asked this often from now on."""
        with self._asked:
            goal = len(self.seen) + times
            assert self._asked.wait_for(lambda: len(self.seen) >= goal, timeout=20)

    @contextmanager
    def serve(self) -> Iterator["Scripted"]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with script._asked:
                    script.seen.append((self.path, list(self.headers.items())))
                    script._asked.notify_all()
                status, headers, body = script.status, script.headers, script.body.encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
