"""Settings of the stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class StandInConfig:
    """How the stand-in is run.

    Attributes:
        state: folder for its memory.
        base_url: under which address clients reach it; media and API links in answers begin with it.
        api_key: the one key that is valid.
        collection: folder with pictures and their CSV; None with ``synthetic``.
        synthetic: number of synthetic records to serve instead of a collection.
        client_id, client_secret, username, password: what the token endpoint accepts.
        token_expires_s: life of an access token.
        index_delay_s: how long a new annotation stays unknown to search and to the check for duplicates.
        rate_limit: calls of one key in one window; None is no limit.
        rate_window_s: length of the window, which lies fixed on the clock.
    """

    state: Path
    base_url: str
    api_key: str = field(repr=False)
    collection: Path | None = None
    synthetic: int | None = None
    client_id: str = "sgob"
    client_secret: str = field(default="sandbox-client-secret", repr=False)
    username: str = "sgob-service"
    password: str = field(default="sandbox-password", repr=False)
    token_expires_s: int = 300
    index_delay_s: float = 0.0
    rate_limit: int | None = None
    rate_window_s: int = 3600
