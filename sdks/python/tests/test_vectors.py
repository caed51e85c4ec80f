"""The vectors that every language must read the same way. As a program, it prints what disagrees."""

import json
import os
import sys
from pathlib import Path

from tollwire import SetupError, Verifier, VerifyError
from tollwire._keys import read_keys
from tollwire._proof import Asked, verify_proof
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
        # Alone, what is bound to a key is refused.
        needs_proof = claims is not None and "cnf" in claims
        whole = ["proof_required", 401] if needs_proof else expected
        compare(found, f"{vector['name']} (verify_session_token)", whole, verified(jwks, vector))
    for vector in FILE["key_sets"]:
        compare(found, vector["name"], [vector["expect"], *vector.get("kids", [])], key_set(vector["jwks"]))
    for vector in FILE["proofs"]:
        expected = ["ok", vector["by"], vector["jti"]] if vector["expect"] == "ok" else [vector["expect"]]
        compare(found, vector["name"], expected, proven(vector))
    for vector in FILE["bound"]:
        compare(found, vector["name"], [vector["expect"], vector["status"]], bound(jwks, vector))
    return found


def proven(vector: dict) -> list:
    asked = Asked(vector["method"], vector["url"], vector["token"])
    try:
        proof = verify_proof(vector["proof"], asked, vector["now"])
    except VerifyError as error:
        return [error.reason]
    return ["ok", *proof] if vector["jkt"] in (None, proof.jkt) else ["proof_binding"]


def bound(jwks: str, vector: dict) -> list:
    verifier = verifier_at(jwks, "session", vector["now"])
    try:
        verifier.verify_bound(*(vector[name] for name in ("token", "feed", "proof", "method", "url")))
    except VerifyError as error:
        return [error.reason, error.status]
    return ["ok", 101]


def token_alone(tokens: Tokens, vector: dict) -> list:
    verify = tokens.session if vector["verify"] == "session" else tokens.stream
    try:
        claims = verify(vector["token"], vector["feed"], vector["now"])
    except VerifyError as error:
        return [error.reason, error.status]
    return ["ok", 101, claims.sub, claims.jti, claims.feed, claims.exp]


def verified(jwks: str, vector: dict) -> list:
    verifier = verifier_at(jwks, vector["verify"], vector["now"])
    try:
        context = verifier.verify_session_token(vector["token"], vector["feed"])
    except VerifyError as error:
        return [error.reason, error.status]
    return ["ok", 101, context.payer, context.session, context.feed, context.expires_at]


def verifier_at(jwks: str, verify: str, now: int) -> Verifier:
    return Verifier(
        FILE["audience"],
        jwks,
        accept=f"{verify}-tokens",
        issuer=FILE["issuer"],
        leeway_secs=FILE["leeway_secs"],
        clock=lambda: now,
    )


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
    assert len(FILE["proofs"]) >= 140 and len(FILE["bound"]) >= 8
    assert disagreements() == []


if __name__ == "__main__":
    found = disagreements()
    for line in found:
        print(f"python disagrees: {line}")
    kinds = {"vectors": "tokens", "key_sets": "key sets", "proofs": "proofs", "bound": "bound"}
    counts = ", ".join(f"{len(FILE[name])} {what}" for name, what in kinds.items())
    print(f"python: {counts}, {len(found)} disagreements")
    sys.exit(1 if found else 0)
