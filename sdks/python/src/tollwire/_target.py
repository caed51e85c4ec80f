"""The URL a DPoP proof is for, in the one form that is compared."""

import re

#: The longest ``htu``, and the longest URL of a request, in characters.
_URL_CHARACTERS_MAX = 2048

_GRAPHIC = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # ASCII, but for spaces and the backslash
_HOST = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=\[\]:]+")
_DIGITS = re.compile(r"[0-9]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_SCHEMES = {"http": ("http", 80), "ws": ("http", 80), "https": ("https", 443), "wss": ("https", 443)}


def normal_url(url: str) -> str | None:
    """Without query and fragment, normalised as RFC 3986 sections 6.2.2 and 6.2.3 say.

    A WebSocket's opening handshake is an HTTP request, so ``ws`` means ``http`` and ``wss`` means ``https``. ``None`` if it
    is no absolute URL of these kinds, or has a user name.
    """
    if len(url) > _URL_CHARACTERS_MAX or _GRAPHIC.fullmatch(url) is None:
        return None
    name, separator, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    scheme = _SCHEMES.get(name.lower())
    if not separator or scheme is None:
        return None
    authority, slash, path = rest.partition("/")
    host = _host_and_port(authority, scheme[1])
    normal = _escapes(slash + path)
    if host is None or normal is None:
        return None
    return f"{scheme[0]}://{host}{_without_dots(normal)}"


def _host_and_port(authority: str, default_port: int) -> str | None:
    # The colons of an IPv6 address stand in brackets.
    colon = authority.find(":", authority.rfind("]") + 1)
    name, digits = (authority, "") if colon < 0 else (authority[:colon], authority[colon + 1 :])
    host = _escapes(name)
    if host is None or _HOST.fullmatch(host) is None:
        return None
    host = host.lower()
    if digits == "":
        return host
    if _DIGITS.fullmatch(digits) is None or int(digits) > 65535:
        return None
    return host if int(digits) == default_port else f"{host}:{int(digits)}"


def _escapes(text: str) -> str | None:
    """Escapes of unreserved characters are undone, all others written in upper case (RFC 3986 section 6.2.2.2)."""
    if any(found.group(1) is None for found in _ESCAPE.finditer(text)):
        return None
    return _ESCAPE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = chr(int(found.group(1), 16))
    return character if _UNRESERVED.fullmatch(character) else found.group(0).upper()


def _without_dots(path: str) -> str:
    """Resolves ``.`` and ``..`` (RFC 3986 section 5.2.4); an empty path is ``/``."""
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
