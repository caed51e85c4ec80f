"""Where a request carries its token: ``?token=``, ``Authorization: Bearer`` or ``Authorization: DPoP``, never two."""

from collections.abc import MutableMapping
from typing import Any, NamedTuple

from ..errors import VerifyError

#: A request or a WebSocket, as ASGI describes it.
Scope = MutableMapping[str, Any]


class Credentials(NamedTuple):
    """A request's token, and whether it came as ``Authorization: DPoP``, of a holder who proves a key."""

    token: str
    bound: bool


def extract_token(scope: Scope) -> Credentials | None:
    """The request's token, if it has one.

    Two tokens anywhere are refused: which of them counts must not depend on who reads the request.
    """
    query, header = _from_query(scope), _from_header(scope)
    if query is not None and header is not None:
        raise VerifyError("ambiguous")
    return query if header is None else header


def extract_proof(scope: Scope) -> str | None:
    """The request's DPoP proof, if its token came as ``Authorization: DPoP``.

    One that comes with a token of another kind proves nothing, and is none. None at all is ``proof_required``, two are
    ``proof_malformed``.
    """
    credentials = _from_header(scope)
    if credentials is None or not credentials.bound:
        return None
    proofs = [value for name, value in scope["headers"] if name.lower() == b"dpop"]
    if len(proofs) != 1:
        raise VerifyError("proof_malformed" if proofs else "proof_required")
    return proofs[0].decode("latin-1")


def strip_token(scope: Scope) -> None:
    """Removes the token and its proof from a request, so that nothing behind logs or forwards them."""
    names = [b"dpop", b"authorization"] if _is_credentials(scope) else [b"dpop"]
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() not in names]
    rest = [pair for pair in _pairs(scope) if not _is_token(pair)]
    scope["query_string"] = b"&".join(rest)


def _from_query(scope: Scope) -> Credentials | None:
    tokens = [pair for pair in _pairs(scope) if _is_token(pair)]
    if len(tokens) > 1:
        raise VerifyError("ambiguous")
    return Credentials(tokens[0][len(b"token=") :].decode("latin-1"), False) if tokens else None


def _from_header(scope: Scope) -> Credentials | None:
    values = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if len(values) > 1:
        raise VerifyError("ambiguous")
    if not values:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        return None
    return Credentials(token.strip(" "), scheme.lower() == "dpop")


def _is_credentials(scope: Scope) -> bool:
    try:
        return _from_header(scope) is not None  # or another scheme: the provider's own
    except VerifyError:
        return True


def _pairs(scope: Scope) -> list[bytes]:
    query: bytes = scope.get("query_string", b"")
    return query.split(b"&") if query else []


def _is_token(pair: bytes) -> bool:
    return pair.split(b"=", 1)[0] == b"token"
