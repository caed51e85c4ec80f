"""What can go wrong, by the same names in every language."""

from typing import Literal

Reason = Literal[
    "malformed",
    "header",
    "algorithm",
    "unknown_key",
    "signature",
    "type",
    "issuer",
    "audience",
    "claims",
    "not_yet_valid",
    "expired",
    "wrong_feed",
    "ambiguous",
    "missing",
    "payment_required",
    "proof_required",
    "replayed",
    "busy",
    "not_installed",
]

_REASONS: dict[str, tuple[int, str]] = {
    "malformed": (401, "the token is malformed"),
    "header": (401, "the token's header carries a member that is refused"),
    "algorithm": (401, "the token's algorithm is not its key's"),
    "unknown_key": (401, "the token's key is not known"),
    "signature": (401, "the token's signature does not verify"),
    "type": (401, "the token is of another type"),
    "issuer": (401, "the token is from another issuer"),
    "audience": (401, "the token is for another audience"),
    "claims": (401, "a claim of the token is missing or ill-formed"),
    "not_yet_valid": (403, "the token is not valid yet"),
    "expired": (403, "the token has expired"),
    "wrong_feed": (403, "the token is for another feed"),
    "ambiguous": (400, "send one token: either ?token= or Authorization: Bearer"),
    "missing": (401, "no stream token: connect through the facilitator"),
    "payment_required": (402, "no session token: buy a session"),
    "proof_required": (401, "the token is bound to a key, and DPoP proofs are not checked here"),
    "replayed": (401, "the stream token has been used"),
    "busy": (503, "too many streams are opening"),
    "not_installed": (500, "no verifier is installed"),
}


class VerifyError(Exception):
    """A refusal. No text of it carries a byte of the token."""

    #: Why, by its stable name.
    reason: Reason
    #: The HTTP status that refuses an upgrade for this reason.
    status: int
    #: Of ``payment_required``: where a session is sold.
    session_url: str | None

    def __init__(self, reason: Reason, session_url: str | None = None) -> None:
        self.status, message = _REASONS[reason]
        super().__init__(message if session_url is None else f"{message} at {session_url}")
        self.reason = reason
        self.session_url = session_url


SetupReason = Literal[
    "url",
    "setting",
    "file",
    "keys",
    "no_keys",
    "unreachable",
    "timeout",
    "status",
    "too_long",
    "answer",
    "installed",
]


class SetupError(Exception):
    """Something could not be set up or fetched. Refusing a token is not an error of this kind."""

    #: What, by its stable name.
    reason: SetupReason

    def __init__(self, reason: SetupReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
