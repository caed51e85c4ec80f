"""JSON objects as tokens may carry them: no member twice, no number with a fraction or exponent.

Parsers differ about duplicate members, so a token that two parties could read differently is refused (RFC 8725).
"""

import json
from typing import Any, NoReturn

from .errors import VerifyError

#: As deep as the other implementations read.
_DEPTH_MAX = 127
_INTEGERS = range(-(2**63), 2**64)


def read_object(data: bytes) -> dict[str, Any]:
    """Reads one object and nothing after it; ``malformed`` if that is not what it is."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        raise VerifyError("malformed") from None
    if type(value) is not dict:
        raise VerifyError("malformed")
    _check(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _integer(digits: str) -> int:
    value = int(digits)
    if value not in _INTEGERS or digits == "-0":
        raise ValueError("an integer beyond 64 bits")
    return value


def _refuse(_: str) -> NoReturn:
    raise ValueError("a number with a fraction or exponent")


def _check(value: Any) -> None:
    """Depth, and texts with half a surrogate pair, which Python's reader lets pass."""
    level = [value]
    for _ in range(_DEPTH_MAX):
        inner: list[Any] = []
        for container in level:
            items = [*container, *container.values()] if type(container) is dict else container
            for item in items:
                if type(item) is str and not _is_text(item):
                    raise VerifyError("malformed")
                if type(item) in (dict, list):
                    inner.append(item)
        if not inner:
            return
        level = inner
    raise VerifyError("malformed")


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
