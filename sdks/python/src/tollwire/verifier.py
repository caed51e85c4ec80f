"""``verify_session_token``: offline, by the keys at hand."""

import time
import weakref
from collections.abc import Callable
from os import PathLike
from typing import Literal

from ._claims import STREAM_SECS_MAX
from ._fetch import join
from ._keys import JWKS_BYTES_MAX, KeySet, read_keys
from ._proof import REPLAY_SECS, Asked, verify_proof
from ._refresh import Refresh, Source
from ._replays import Replays
from ._tokens import Tokens
from .context import SessionContext, from_session, from_stream
from .errors import SetupError, VerifyError

#: Which tokens a provider takes: the stream tokens of the proxy in front of it, each once, or the agents' own session
#: tokens, which prove who paid and not how much is left.
Accept = Literal["stream-tokens", "session-tokens"]

_LEEWAY_MAX = 60


class Verifier:
    """Verifies tokens of one facilitator, from any thread.

    ``public_url`` is the facilitator's, ``jwks`` a JWK Set as text. ``issuer`` is its ``[token] issuer``, where that is
    another; ``leeway_secs`` how far clocks may differ (60 at most); ``openings_max`` how many openings are remembered in
    each of two turns of two minutes, and how many DPoP proofs in turns of one, beyond which streams are refused with 503;
    ``clock`` gives Unix seconds.
    """

    def __init__(
        self,
        public_url: str,
        jwks: str,
        *,
        accept: Accept = "stream-tokens",
        issuer: str | None = None,
        leeway_secs: int = 30,
        openings_max: int = 262_144,
        clock: Callable[[], float] = time.time,
    ) -> None:
        leeway = min(leeway_secs, _LEEWAY_MAX)
        self.public_url = public_url
        self.accept = accept
        self._tokens = Tokens(read_keys(jwks), issuer or public_url, public_url, leeway)
        # Accepted as early as the leeway before `iat`, as late as the leeway after `exp`.
        self._openings = Replays(2 * leeway + STREAM_SECS_MAX, openings_max)
        self._proofs = Replays(REPLAY_SECS, openings_max)
        self._clock = clock
        self._refresh: Refresh | None = None

    @classmethod
    def from_file(cls, public_url: str, path: str | PathLike[str], **options: object) -> "Verifier":
        """Uses the keys of a file with a JWK Set, read once. ``options`` are those of the class."""
        try:
            with open(path, encoding="utf-8") as file:
                jwks = file.read(JWKS_BYTES_MAX + 1)
        except (OSError, UnicodeError) as error:
            raise SetupError("file", f"cannot read the key set {path}") from error
        return cls(public_url, jwks, **options)  # type: ignore[arg-type]

    @classmethod
    def connect(
        cls,
        public_url: str,
        *,
        jwks_url: str | None = None,
        refresh_secs: float = 300,
        patience_secs: float = 30,
        **options: object,
    ) -> "Verifier":
        """Fetches the keys from the facilitator, now and again.

        They are at ``{public_url}/.well-known/jwks.json`` if not at ``jwks_url``; fetched every ``refresh_secs`` (at
        least 0.1), sooner when a token has an unknown key. The first fetch may take ``patience_secs``, with its
        repetitions; it blocks, so call this before a server's loop starts.
        """
        url = join(public_url, "/.well-known/jwks.json") if jwks_url is None else join(jwks_url, "")
        source = Source(url, max(refresh_secs, 0.1))
        _, text = source.first(patience_secs)
        verifier = cls(public_url, text, **options)  # type: ignore[arg-type]
        verifier._refresh = Refresh(source, text, weakref.WeakMethod(verifier._use))
        return verifier

    def verify_session_token(self, token: str, feed_id: str) -> SessionContext:
        """Who opens what, or a ``VerifyError``.

        A stream token is used up by being accepted. A session token that is bound to a key is refused, by
        ``proof_required``: alone it may be stolen. It is for ``verify_bound``.
        """
        verify = self._stream if self.accept == "stream-tokens" else self._session
        return self._noting(verify, token, feed_id)

    def verify_bound(self, token: str, feed_id: str, proof: str, method: str, url: str) -> SessionContext:
        """The same of a session token that came as ``Authorization: DPoP``.

        It must admit to the feed, and the key it is bound to must have made the request's ``DPoP`` header, ``proof``, for
        this very request, within a minute, and for the first time.

        ``method`` is the request's (a WebSocket is opened by ``GET``). ``url`` is the one that agents open, as the provider
        publishes it, without regard to the ``Host`` header; ``wss`` and ``https`` are one, query and fragment do not matter.
        Which proofs were used is the process's own memory: a provider with several processes can see one once per process
        within its minute.
        """
        return self._noting(self._bound, token, feed_id, proof, method, url)

    def missing(self, feed_id: str) -> VerifyError:
        """What a request without a token is told."""
        if self.accept == "stream-tokens":
            return VerifyError("missing")
        return VerifyError("payment_required", join(self.public_url, f"/feeds/{feed_id}/session"))

    def close(self) -> None:
        """Ends the background's fetches. The keys at hand stay good."""
        if self._refresh is not None:
            self._refresh.close()

    def _stream(self, token: str, feed_id: str) -> SessionContext:
        now = int(self._clock())
        claims = self._tokens.stream(token, feed_id, now)
        # Agents choose stream ids, so they mean something only within a session.
        if not self._openings.first((claims.jti, claims.stream, claims.fence), now):
            raise VerifyError("replayed")
        return from_stream(claims)

    def _session(self, token: str, feed_id: str) -> SessionContext:
        claims = self._tokens.session(token, feed_id, int(self._clock()))
        if claims.jkt is not None:
            raise VerifyError("proof_required")
        return from_session(claims)

    def _bound(self, token: str, feed_id: str, proof: str, method: str, url: str) -> SessionContext:
        if self.accept == "stream-tokens":
            raise VerifyError("not_bound")
        now = int(self._clock())
        claims = self._tokens.session(token, feed_id, now)
        if claims.jkt is None:
            raise VerifyError("not_bound")
        proven = verify_proof(proof, Asked(method, url, token), now)
        if proven.jkt != claims.jkt:
            raise VerifyError("proof_binding")
        if not self._proofs.first(proven, now):
            raise VerifyError("proof_replayed")
        return from_session(claims)

    def _noting(self, verify: Callable[..., SessionContext], *arguments: str) -> SessionContext:
        """Asks for newer keys if an unknown one was the reason."""
        try:
            return verify(*arguments)
        except VerifyError as error:
            if error.reason == "unknown_key" and self._refresh is not None:
                self._refresh.nudge()
            raise

    def _use(self, keys: KeySet) -> None:
        self._tokens.keys = keys
