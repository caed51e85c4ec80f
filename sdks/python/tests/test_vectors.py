"""The vectors that every language must read the same way. As a program, it prints what disagrees."""

import json
import os
import sys
from pathlib import Path

from tollwire import SetupError, Verifier, VerifyError
from tollwire._keys import read_keys
from tollwire._tokens import Tokens

_PATH = Path(__file__).parents[3] / "tests/vectors/tokens.json"
FILE = json.loads(Path(os.environ.get("VECTORS", _PATH)).read_text(encoding="utf-8"))


def disagreements() -> list[str]:
    """Every disagreement with the file, as a line of text."""
    found: list[str] = []
    jwks = json.dumps(FILE["jwks"])
    tokens = Tokens(read_keys(jwks), FILE["issuer"], FILE["audience"], FILE["leeway_secs"])
    for vector in FILE["vectors"]:
        expected, claims = [vector["expect"], vector["status"]], vector.get("claims")
        if claims is not None:
            expected += [claims["sub"], claims["jti"], claims["feed"], claims["exp"]]
        compare(found, vector["name"], expected, token_alone(tokens, vector))
        # The whole verifier refuses what is bound to a key: it sees no proof.
        bound = claims is not None and "cnf" in claims
        whole = ["proof_required", 401] if bound else expected
        compare(found, f"{vector['name']} (verify_session_token)", whole, verified(jwks, vector))
    for vector in FILE["key_sets"]:
        compare(found, vector["name"], [vector["expect"], *vector.get("kids", [])], key_set(vector["jwks"]))
    return found


def token_alone(tokens: Tokens, vector: dict) -> list:
    verify = tokens.session if vector["verify"] == "session" else tokens.stream
    try:
        claims = verify(vector["token"], vector["feed"], vector["now"])
    except VerifyError as error:
        return [error.reason, error.status]
    return ["ok", 101, claims.sub, claims.jti, claims.feed, claims.exp]


def verified(jwks: str, vector: dict) -> list:
    verifier = Verifier(
        FILE["audience"],
        jwks,
        accept=f"{vector['verify']}-tokens",
        issuer=FILE["issuer"],
        leeway_secs=FILE["leeway_secs"],
        clock=lambda: vector["now"],
    )
    try:
        context = verifier.verify_session_token(vector["token"], vector["feed"])
    except VerifyError as error:
        return [error.reason, error.status]
    return ["ok", 101, context.payer, context.session, context.feed, context.expires_at]


def key_set(jwks: str) -> list:
    try:
        return ["ok", *read_keys(jwks)]
    except SetupError as error:
        return [error.reason]


def compare(found: list[str], name: str, expected: list, got: list) -> None:
    if expected != got:
        found.append(f"{name}: expected {expected}, got {got}")


def test_every_vector_gives_its_result() -> None:
    assert len(FILE["vectors"]) >= 370 and len(FILE["key_sets"]) >= 40
    assert disagreements() == []


if __name__ == "__main__":
    found = disagreements()
    for line in found:
        print(f"python disagrees: {line}")
    print(f"python: {len(FILE['vectors'])} tokens, {len(FILE['key_sets'])} key sets, {len(found)} disagreements")
    sys.exit(1 if found else 0)
