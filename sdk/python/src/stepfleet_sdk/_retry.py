"""Which refused or lost calls are repeated, and after how long."""

from __future__ import annotations

from ._backoff import Backoff, jittered
from .errors import ApiError, Error


class Attempts:
    """The attempts of one call."""

    def __init__(self, retries: int) -> None:
        self._left = retries
        self._backoff = Backoff(0.1, 5.0)

    def after(self, error: Error) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            Error: The error itself, when there is no next attempt.
        """
        if self._left == 0 or not error.is_retryable:
            raise error
        self._left -= 1
        return delay_after(error, self._backoff)


def delay_after(error: Error, backoff: Backoff) -> float:
    """The coordinator's hint is a lower bound; jitter goes on top so that a throttled fleet does not come back in step."""
    own = backoff.next_delay()
    hint = error.retry_after if isinstance(error, ApiError) else None
    return own if hint is None else hint.total_seconds() + jittered(own)
