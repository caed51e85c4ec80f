"""A refusal as an answer."""

import json
from http import HTTPStatus

from starlette.responses import Response

from ..errors import VerifyError


def refusal(error: VerifyError) -> Response:
    """``application/problem+json`` (RFC 9457), with what headers its status calls for."""
    answer = problem(error.status, error.reason, str(error))
    if error.session_url is not None:
        answer.headers["Link"] = f'<{error.session_url}>; rel="payment"'
    if error.reason == "busy":
        answer.headers["Retry-After"] = "1"
    if error.reason == "missing":
        answer.headers["WWW-Authenticate"] = "Bearer"
    elif error.reason == "proof_required":
        answer.headers["WWW-Authenticate"] = 'DPoP error="invalid_token", algs="EdDSA ES256"'
    elif error.reason.startswith("proof_"):
        answer.headers["WWW-Authenticate"] = 'DPoP error="invalid_dpop_proof", algs="EdDSA ES256"'
    elif error.status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return answer


def problem(status: int, code: str, detail: str) -> Response:
    """An RFC 9457 answer that nobody may cache."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    return Response(
        json.dumps(body, separators=(",", ":")),
        status,
        {"Cache-Control": "no-store"},
        "application/problem+json",
    )
