"""What verifying costs per token, beside what PyJWT alone takes: ``python bench/verify.py``.

Prints the median of interleaved rounds as one JSON line.
"""

import json
import time
from pathlib import Path
from statistics import median

import jwt
from tollwire import Verifier

FILE = json.loads((Path(__file__).parents[3] / "tests/vectors/tokens.json").read_text(encoding="utf-8"))
ROUNDS, TOKENS = 15, 300


def compare(name: str) -> dict[str, float]:
    vector = next(vector for vector in FILE["vectors"] if vector["name"] == name)
    token, feed, now = vector["token"], vector["feed"], vector["now"]
    verifier = Verifier(FILE["audience"], json.dumps(FILE["jwks"]), accept="session-tokens", clock=lambda: now)
    head = jwt.get_unverified_header(token)
    key = jwt.PyJWK(next(jwk for jwk in FILE["jwks"]["keys"] if jwk["kid"] == head["kid"]))
    jws = jwt.PyJWS()
    ours, library = [], []
    for _ in range(ROUNDS):
        ours.append(clocked(lambda: verifier.verify_session_token(token, feed)))
        library.append(clocked(lambda: jws.decode(token, key, algorithms=[head["alg"]])))
    ratio = round(median(ours) / median(library), 2)
    return {"ours_us": round(median(ours), 1), "library_us": round(median(library), 1), "ratio": ratio}


def clocked(verify) -> float:
    began = time.process_time()
    for _ in range(TOKENS):
        verify()
    return (time.process_time() - began) / TOKENS * 1e6


if __name__ == "__main__":
    eddsa, es256 = compare("session, EdDSA"), compare("session, ES256")
    print(json.dumps({"language": "python", "library": "PyJWT", "eddsa": eddsa, "es256": es256}))
