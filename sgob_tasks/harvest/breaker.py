"""A circuit breaker for each host: a host in trouble is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


class HostBreaker:
    """Counts a host's failures in a row and says when to leave it alone.

    After ``threshold`` failures in a row the circuit is open for ``pause_s`` seconds. Then the host may be tried again:
    one more failure opens the circuit once more, a success closes it.
    """

    def __init__(self, threshold: int = 5, pause_s: float = 300.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold, self._pause_s, self._clock = threshold, pause_s, clock
        self._failures: dict[str, int] = {}
        self._open_until: dict[str, float] = {}

    def allows(self, host: str) -> bool:
        """Tell whether the host may be asked now."""
        return self._clock() >= self._open_until.get(host, float("-inf"))

    def failure(self, host: str) -> None:
        """Note that the host is in trouble."""
        self._failures[host] = self._failures.get(host, 0) + 1
        if self._failures[host] >= self._threshold:
            self._open_until[host] = self._clock() + self._pause_s

    def success(self, host: str) -> None:
        """Note that the host has answered as it should."""
        self._failures.pop(host, None)
        self._open_until.pop(host, None)
