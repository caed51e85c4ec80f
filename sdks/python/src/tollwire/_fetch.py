"""``GET``, bounded in time and in bytes, by the standard library."""

import time
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from .errors import SetupError


class Answer(NamedTuple):
    """An answer whose body has been read whole."""

    status: int
    body: bytes


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


# No redirect is followed, and no proxy of the environment stands between.
_opener = build_opener(ProxyHandler({}), _NoRedirect)


def get(url: str, headers: dict[str, str], bytes_max: int, timeout_secs: float) -> Answer:
    """Whatever the status. A ``SetupError`` by ``timeout``, ``too_long`` or ``unreachable`` says why there is none."""
    deadline = time.monotonic() + timeout_secs
    try:
        try:
            response = _opener.open(Request(url, headers=headers), timeout=timeout_secs)
        except HTTPError as error:
            response = error
        with response:
            return Answer(response.status, _read(response, bytes_max, deadline))
    except TimeoutError as error:
        raise _late() from error
    except OSError as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            raise _late() from error
        raise SetupError("unreachable", f"the facilitator cannot be reached: {error}") from error
    except (HTTPException, ValueError) as error:
        raise SetupError("unreachable", "the facilitator's answer cannot be read") from error


def _read(response: Any, bytes_max: int, deadline: float) -> bytes:
    body = b""
    while chunk := response.read1(bytes_max + 1 - len(body)):
        body += chunk
        if len(body) > bytes_max:
            raise SetupError("too_long", f"the facilitator's answer is longer than {bytes_max} bytes")
        if time.monotonic() >= deadline:
            raise _late()
    return body


def _late() -> SetupError:
    return SetupError("timeout", "the facilitator did not answer in time")


def join(base: str, path: str) -> str:
    """``base`` and a path below it; a ``SetupError`` by ``url`` if that is no plain ``http`` or ``https`` URL."""
    try:
        url = urlsplit(base)
        plain = url.scheme in ("http", "https") and url.hostname and "@" not in url.netloc
        _ = url.port
    except ValueError:
        plain = False
    if not plain or "?" in base or "#" in base or not base.isascii() or any(c <= " " for c in base):
        raise SetupError("url", "an absolute http:// or https:// URL without credentials is expected")
    return base.rstrip("/") + path
