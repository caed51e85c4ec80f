"""Keeps a verifier's keys fresh, in a thread of its own, away from the path that verifies."""

import logging
import threading
import time
import weakref
from collections.abc import Callable

from ._fetch import get
from ._keys import JWKS_BYTES_MAX, KeySet, read_keys
from .errors import SetupError

_log = logging.getLogger("tollwire")

_FETCH_TIMEOUT_SECS = 10.0
_GAP_MIN_SECS = 10.0
_BACKOFF_SECS = 1.0


class Source:
    """Where keys come from, and how fetches are spaced; no wait is longer than ``interval`` (seconds)."""

    def __init__(self, url: str, interval: float) -> None:
        self._url = url
        self.interval = interval
        self.gap_min = min(_GAP_MIN_SECS, interval)
        self.backoff = min(_BACKOFF_SECS, interval)

    def first(self, patience: float) -> tuple[KeySet, str]:
        """Fetches until it succeeds or ``patience`` is over; then the last failure."""
        deadline = time.monotonic() + patience
        wait = self.backoff
        while True:
            try:
                return self.fetch()
            except SetupError as error:
                if time.monotonic() + wait >= deadline:
                    raise
                _log.warning("%s; trying again in %s s", error, wait)
            time.sleep(wait)
            wait = min(2 * wait, self.interval)

    def fetch(self) -> tuple[KeySet, str]:
        """One fetch. An answer without a usable key is a failure: it would refuse everybody."""
        answer = get(self._url, {}, JWKS_BYTES_MAX, _FETCH_TIMEOUT_SECS)
        if answer.status != 200:
            raise SetupError("status", f"the facilitator answered with status {answer.status}")
        text = answer.body.decode("utf-8", "replace")
        return read_keys(text), text


class Refresh:
    """The background's thread. It ends with ``close``, with its owner, or with the process."""

    def __init__(self, source: Source, text: str, use: "weakref.WeakMethod[Callable[[KeySet], None]]") -> None:
        self._source = source
        self._text = text
        self._use = use
        self._wake = threading.Event()
        self._closed = False
        threading.Thread(target=self._run, name="tollwire-keys", daemon=True).start()

    def nudge(self) -> None:
        """An unknown key was seen: perhaps there are new ones. Costs the caller nothing and waits for nothing."""
        self._wake.set()

    def close(self) -> None:
        """Ends the thread."""
        self._closed = True
        self._wake.set()

    def _run(self) -> None:
        wait, failures = self._source.interval, 0
        while self._pause(wait):
            try:
                keys, text = self._source.fetch()
            except SetupError as error:
                wait = min(self._source.backoff * 2 ** min(failures, 16), self._source.interval)
                failures += 1
                _log.warning("%s; the known keys stay in use (failure %d)", error, failures)
                continue
            wait, failures = self._source.interval, 0
            use = self._use()
            if use is None:
                return
            if text != self._text:
                use(keys)
                self._text = text
                _log.info("session keys replaced")

    def _pause(self, wait: float) -> bool:
        """Until ``wait`` has passed, or a nudge comes, but not before the least gap; false at the end."""
        began = time.monotonic()
        self._wake.wait(wait)
        left = min(self._source.gap_min, wait) - (time.monotonic() - began)
        if left > 0 and not self._closed:
            time.sleep(left)
        self._wake.clear()
        return not self._closed and self._use() is not None
