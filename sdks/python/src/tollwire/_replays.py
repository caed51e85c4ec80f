"""What has been used: stream tokens and DPoP proofs admit once."""

import threading
from collections.abc import Hashable

from .errors import VerifyError


class Replays:
    """Remembers what was used for at least as long as it would be good.

    Two generations that change places every ``period_secs``, the longest time from a first acceptance to its end; each
    holds at most ``limit``. When one is full, uses are refused rather than forgotten.
    """

    def __init__(self, period_secs: int, limit: int) -> None:
        self._period = period_secs
        self._limit = limit
        self._lock = threading.Lock()
        self._began = 0
        self._young: set[Hashable] = set()
        self._old: set[Hashable] = set()

    def first(self, used: Hashable, now: int) -> bool:
        """True for the first use, false for every other; a ``VerifyError`` by ``busy`` when memory is full."""
        with self._lock:
            self._turn(now)
            if used in self._young or used in self._old:
                return False
            if len(self._young) >= self._limit:
                raise VerifyError("busy")
            self._young.add(used)
            return True

    def _turn(self, now: int) -> None:
        age = now - self._began
        if age < self._period:
            return
        self._old = self._young if age < 2 * self._period else set()
        self._young = set()
        self._began = now
