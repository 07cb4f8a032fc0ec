"""The signal that says: write a checkpoint and make room."""

from __future__ import annotations

import signal
from types import FrameType

EXIT_CONTINUE = 85
"""Exit code for "not finished: start me again"."""


class Interruption:
    """Remembers whether SIGUSR1 has come. Make it before anything slow: without it, the signal kills the process."""

    def __init__(self) -> None:
        self.requested = False
        signal.signal(signal.SIGUSR1, self._remember)

    def _remember(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True
