"""The three classes of error that every package of the platform speaks.

A library's exception never leaves the package that uses the library: it is turned into one of these, so that the
caller knows what to do without knowing the library.
"""

from __future__ import annotations


class SgobError(Exception):
    """Base of all errors that this platform raises on purpose."""


class PermanentError(SgobError):
    """Trying again will not help: stop and tell a person."""


class TransientError(SgobError):
    """Trying again later may help.

    Attributes:
        retry_after_s: seconds to wait before the next attempt, where the other side said so.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AmbiguousError(SgobError):
    """It is not known whether the call took effect: look first, then try again."""


class InputError(PermanentError):
    """Bad input, named by where it stands, so that a person can mend it.

    Attributes:
        source: file, table or service the value came from.
        field: name of the field.
        value: the value as it was read (shortened in the message).
    """

    def __init__(self, source: object, field: str, value: object, reason: str) -> None:
        self.source, self.field, self.value, self.reason = str(source), field, value, reason
        shown = repr(value)
        super().__init__(f"{source}: {field} = {shown if len(shown) <= 120 else shown[:117] + '...'}: {reason}")
