"""Base64url without padding and without stray bits, so that no two texts are one token."""

import base64
import re

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def decode(text: str) -> bytes | None:
    """The bytes, or ``None`` if the text is not the one way to write them."""
    if _ALPHABET.fullmatch(text) is None or len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if base64.urlsafe_b64encode(data).rstrip(b"=") == text.encode() else None
